"""Whether five processes on one state folder stay one family, as a server without mercy sees it."""

from collections.abc import Iterator

from bench.figures import Figure, Setting, Spread
from support.side_by_side import LOOPS, RUNS, side_by_side

_REFRESHES = 200
_QUICK_REFRESHES = 20


def measure(setting: Setting) -> Iterator[Figure]:
    """`./run bench side-by-side`."""
    setting.say(f"{RUNS} times pairlet run, {LOOPS} loops of pairlet token")
    family = side_by_side(setting.folder, _QUICK_REFRESHES if setting.quick else _REFRESHES)
    note = (
        f"{family.refreshed} refreshes, {family.by_runs} of them by run; token was asked for "
        f"{sum(family.tokens.values())} times and handed out {len(family.tokens)}"
    )
    used_twice = family.outcomes["invalid_grant"] + family.revoked
    yield Figure("refresh tokens used twice", Spread.of([used_twice]), "", 0, note)
    yield Figure("families", Spread.of([family.families]), "", 1)
    yield Figure("commands that had no token to give", Spread.of([len(family.failed)]), "", 0)
