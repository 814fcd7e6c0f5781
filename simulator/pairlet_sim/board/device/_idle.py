# mypy: ignore-errors
"""Idle time is skipped: stands in front of the built-in `time` and `select`, and jumps instead of waiting.

Whether anything is under way in the world around, only the host knows: it is asked before each jump.
"""

import struct
import sys

import _idle_layout
import _wire
import uselect
import utime

# How long to wait for real while something is under way; what comes in ends such a wait at once.
_WAIT_MS = 10
# A look at a TLS connection takes a millisecond, so it is taken if there is a reason, and else so often.
_LOOK_AGAIN_MS = 5
_LONGEST_MS = 0x3FFFFFFF
_MASK = utime.ticks_add(0, -1)
_skipped = struct.unpack("<q", _wire.read(_idle_layout.SKIPPED, 8))[0]
_news = 0  # counts how often the host had sent something


class _Stand:
    """Stands in for a built-in module; what is not changed is the module's own."""

    def __init__(self, module):
        for name in dir(module):
            if name[0] != "_":
                setattr(self, name, getattr(module, name))


class _Poll:
    """`select.poll()`, with its waiting skipped."""

    def __init__(self):
        self._real = uselect.poll()
        self._seen = -1  # `_news` at the last look that found nothing, -1: somebody has touched something
        self._looked = 0

    def register(self, *what):
        self._seen = -1
        self._real.register(*what)

    def modify(self, *what):
        self._seen = -1
        self._real.modify(*what)

    def unregister(self, what):
        self._real.unregister(what)

    def poll(self, timeout=-1):
        if timeout < 0 or _interrupts._timers:
            # Without an end there is nothing to jump to; and a timer's end is not known here.
            self._seen = -1
            return self._real.poll(timeout)
        found = self._look(0)
        while timeout > 0 and not found:
            may = _ask(timeout)
            # What was under way when the host was asked has arrived by now.
            found = self._look(0 if may else min(timeout, _WAIT_MS))
            if may and not found:
                _jump(may)
            timeout -= may or _WAIT_MS
        return found

    def ipoll(self, timeout=-1, flags=0):
        found = self.poll(timeout)
        return self._real.ipoll(0, flags) if flags else found

    def _look(self, timeout):
        if (
            not timeout
            and self._seen == _news
            and utime.ticks_diff(utime.ticks_ms(), self._looked) < _LOOK_AGAIN_MS
        ):
            return ()
        found = self._real.poll(timeout)
        self._seen = -1 if found else _news
        self._looked = utime.ticks_ms()
        return found


def _ask(milliseconds):
    """How many of them may be skipped; 0 while something is under way."""
    global _news
    wanted = struct.pack("<I", min(milliseconds, _LONGEST_MS))
    may, news = struct.unpack_from(_idle_layout.ANSWER, _wire.ask(_idle_layout.SKIP, wanted))
    _news += news
    return may


def _jump(milliseconds):
    global _skipped
    _skipped += milliseconds
    _wire.write(_idle_layout.SKIPPED, struct.pack("<q", _skipped))


def _sleep_ms(left):
    while left > 0:
        may = 0 if _interrupts._timers else _ask(left)
        if may:
            _jump(may)
        else:
            utime.sleep_ms(min(left, _WAIT_MS))
        left -= may or _WAIT_MS


def _put_in_front():
    time, select = _Stand(utime), _Stand(uselect)
    time.ticks_ms = lambda: utime.ticks_ms() + _skipped & _MASK
    time.ticks_us = lambda: utime.ticks_us() + _skipped * 1000 & _MASK
    time.time_ns = lambda: utime.time_ns() + _skipped * 1000000
    time.sleep_ms = _sleep_ms
    time.sleep = lambda seconds: _sleep_ms(int(seconds * 1000))
    select.poll = _Poll
    sys.modules["utime"], sys.modules["select"] = time, select


_put_in_front()
import _interrupts  # noqa: E402 - it takes its time from what stands in front now

# Its thread looks at the pins whatever the program does: it must not wait in skipped time.
_interrupts.select = uselect
