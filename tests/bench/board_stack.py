"""How much of the C stack the firmware takes: each call of Python in Python takes some, on boards as here.

The board looks whenever somebody asks for the time, which everything does that waits or has a limit: the
event loop, each exchange in its innermost step, sensors, displays.
"""

import re

from bench.figures import Figure, Spread

_KIB = 1024
# For boot.py: wraps what counts the ticks. What boot.py itself stands on is not the firmware's.
WATCH = b"""import micropython, time
def watched(ticks_ms):
    lowest = deepest = micropython.stack_use()
    def look():
        nonlocal deepest
        if micropython.stack_use() > deepest:
            deepest = micropython.stack_use()
            print("stack", deepest - lowest)
        return ticks_ms()
    return look
time.ticks_ms = watched(time.ticks_ms)
del watched
"""
_DEEPEST = re.compile(r"^stack (\d+)\n", re.MULTILINE)
# What MicroPython lets a program have on an RP2040: 8 KiB less a reserve of 256 bytes.
_PICO_W = 7936
_AIM_KIB = 5.0
_NOTE = (
    f"a Pico W has {_PICO_W / _KIB} KiB in all; what C calls beyond Python, such as a TLS handshake, comes "
    "on top, and has a task of its own to begin in"
)


def stack(console: str) -> Figure:
    """The figure, from what a board with WATCH in its boot.py has said. RuntimeError if it never looked."""
    found = [int(each) for each in _DEEPEST.findall(console)]
    if not found:
        raise RuntimeError("the board never looked at its stack")
    return Figure(
        "C stack in use at the deepest look, above boot.py's", Spread.of([max(found) / _KIB]), "KiB",
        _AIM_KIB, _NOTE,
    )  # fmt: skip
