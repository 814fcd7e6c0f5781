"""The words that the proxy obeys, and the faults that they add up to."""

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

OPEN, REFUSE, ACCEPT_THEN_RESET = "open", "refuse", "accept-then-reset"
MOVING, BLACKHOLE, LOSE = "", "blackhole", "lose"
# To the broker, and back from it.
UP, DOWN = "up", "down"
# What happens once, to the connections that are there.
CLOSE, RESET = "close", "reset"

VOCABULARY = """\
pass                   everything goes through again, and what was held back follows
refuse                 new connections are refused; those that are there go on
accept-then-reset      new connections are accepted and reset at once (RST)
close                  end every connection in good order (FIN), now
reset                  end every connection with a RST, now
blackhole              nothing moves, not even the end of a connection; it goes on with `pass`
lose                   all is swallowed: connections of that time are half-open for good, even
                       after `pass`
delay SECONDS          every byte arrives so much later
rate BYTES             so many bytes a second, each connection and each way
cut BYTES [up|down]    reset each connection when so many more bytes have gone up (to the
                       broker) or down
reset-every SECONDS    reset every connection, again and again
hold-pubacks           hold back every PUBACK, until `pass`
cut-before-puback [N]  let N PUBACKs (default 0) of each connection pass, and reset it instead
                       of the next: the broker has the message, and the client is never told
"""


class FaultError(ValueError):
    """Words that the proxy does not know; the text is one sentence."""


@dataclass(frozen=True)
class Faults:
    """All that is wrong at one time. Times in seconds, sizes in bytes, None where a fault is off."""

    door: str = OPEN
    silence: str = MOVING
    delay_s: float = 0.0
    rate: float | None = None
    cut: tuple[str, int] | None = None
    reset_every_s: float | None = None
    hold_pubacks: bool = False
    cut_before_puback: int | None = None


def after(faults: Faults, line: str) -> tuple[Faults, str]:
    """The faults once `line` was obeyed, and CLOSE, RESET or "" for what is to be done at once.

    Raises FaultError. Faults add up until `pass` takes them all away.
    """
    word, *values = line.split() or [""]
    if word in (CLOSE, RESET):
        _count(word, values, 0, 0)
        return faults, word
    if word not in _CHANGES:
        near = difflib.get_close_matches(word, [*_CHANGES, CLOSE, RESET], 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join([*_CHANGES, CLOSE, RESET])}."
        raise FaultError(f"{word[:40]!a} is no fault; {hint}")
    return _CHANGES[word](faults, values), ""


def _count(word: str, values: list[str], least: int, most: int) -> None:
    if not least <= len(values) <= most:
        wants = next(entry for entry in VOCABULARY.splitlines() if entry.split()[0] == word)
        raise FaultError(f"{word!r} has too few or too many words; it is: {re.split('  +', wants)[0]}")


def _number(word: str, text: str) -> float:
    """A positive number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise FaultError(f"{word!r} takes a number above 0, and {text[:40]!a} is none.")
    return value


def _whole(word: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise FaultError(f"{word!r} takes a whole number, and {text[:40]!a} is none.")
    return int(text)


Change = Callable[[Faults, list[str]], Faults]


def _set(word: str, **values: object) -> Change:
    """A fault that takes no value."""

    def change(faults: Faults, given: list[str]) -> Faults:
        _count(word, given, 0, 0)
        return replace(faults, **values)  # type: ignore[arg-type]

    return change


def _measured(word: str, field: str) -> Change:
    """A fault of a certain size."""

    def change(faults: Faults, given: list[str]) -> Faults:
        _count(word, given, 1, 1)
        return replace(faults, **{field: _number(word, given[0])})  # type: ignore[arg-type]

    return change


def _pass(faults: Faults, given: list[str]) -> Faults:
    _count("pass", given, 0, 0)
    return Faults()


def _cut(faults: Faults, given: list[str]) -> Faults:
    _count("cut", given, 1, 2)
    way = given[1] if len(given) == 2 else UP
    if way not in (UP, DOWN):
        raise FaultError(f"'cut' counts what goes up or down, and {way[:40]!a} is neither.")
    return replace(faults, cut=(way, _whole("cut", given[0])))


def _cut_before_puback(faults: Faults, given: list[str]) -> Faults:
    _count("cut-before-puback", given, 0, 1)
    return replace(faults, cut_before_puback=_whole("cut-before-puback", given[0]) if given else 0)


_CHANGES: dict[str, Change] = {
    "pass": _pass,
    REFUSE: _set(REFUSE, door=REFUSE),
    ACCEPT_THEN_RESET: _set(ACCEPT_THEN_RESET, door=ACCEPT_THEN_RESET),
    BLACKHOLE: _set(BLACKHOLE, silence=BLACKHOLE),
    LOSE: _set(LOSE, silence=LOSE),
    "delay": _measured("delay", "delay_s"),
    "rate": _measured("rate", "rate"),
    "cut": _cut,
    "reset-every": _measured("reset-every", "reset_every_s"),
    "hold-pubacks": _set("hold-pubacks", hold_pubacks=True),
    "cut-before-puback": _cut_before_puback,
}
