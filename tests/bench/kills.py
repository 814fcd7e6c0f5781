"""Whether a pairing outlives being killed: a thousand times while it refreshes, at each moment there is.

Against a server that ends the pairing at the first refresh token used twice, and one with a time of grace.
"""

from collections.abc import Iterator

from bench.figures import Figure, Setting, Spread
from support.kill_rounds import Tally, kill_rounds

_ROUNDS = 1000
_QUICK_ROUNDS = 50


def measure(setting: Setting) -> Iterator[Figure]:
    """`./run bench kills`."""
    count = _QUICK_ROUNDS if setting.quick else _ROUNDS
    strict = _play(setting, "a server without a time of grace", count, grace_s=0)
    note = _note(strict)
    yield Figure("strict server: paired again though the token was kept", _one(strict.needless), "", 0, note)
    note = "what the server had issued last never reached the disk: nobody has it, and no agent could"
    yield Figure(
        "strict server: paired again because nobody had the token", _one(strict.repaired), "", None, note
    )
    forgiving = _play(setting, "a server with a time of grace", count, grace_s=60)
    yield Figure("server with grace: paired again", _one(forgiving.repaired), "", 0, _note(forgiving))


def _play(setting: Setting, what: str, count: int, grace_s: float) -> Tally:
    folder = setting.folder / f"grace-{grace_s:g}"
    folder.mkdir()
    with kill_rounds(folder, grace_s=grace_s, seed=count) as rounds:
        for tally in rounds.playing(count):
            if tally.rounds % 100 == 0:
                setting.say(f"{what}: round {tally.rounds} of {count}")
        rounds.left_alone()
    return rounds.tally


def _note(tally: Tally) -> str:
    ended = sum(count for cause, count in tally.deaths.items() if "ended before" in cause)
    return (
        f"{tally.rounds} rounds, {tally.rounds - ended} killed, {tally.refreshed} refreshes, "
        f"{tally.lost} answers lost"
    )


def _one(value: float) -> Spread:
    return Spread.of([value])
