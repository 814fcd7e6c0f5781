"""The Clock port on Linux: time since boot, and calendar time with a floor under it.

A machine without a battery for its clock starts at whatever date its file system or the kernel
remembers. Until a time service has set the clock, the newest of what can't be wrong is the floor: this
program's age, the time of the last save, a server's Date heard over TLS.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from ..core.wall import FLOOR, SYNCED, UNSET, Wall

# 2024-01-01, before this program was written: a clock that says less was never set.
BUILT_AFTER = 1_704_067_200

# asyncio's own clock stands still while the machine sleeps, so one long sleep would end that much too
# late. Short naps bound the delay after a resume, and one wake-up a minute costs nothing.
_NAP_MS = 60_000

# What lies this far after that is not believed: one false answer must not outlaw all true ones.
_LIFE_S = 25 * 366 * 86400
# A real-time clock that is further behind the floor than this was set wrong, or its battery is empty.
_RTC_BEHIND_S = 120

_TIME_ERROR = 5  # adjtimex(2): "the system clock is not synchronized"


class SystemClock:
    """Milliseconds since boot, time asleep included (CLOCK_BOOTTIME), and the system's calendar time."""

    def __init__(self, root: str = "/"):
        """`root`: where /proc and /sys are looked for; tests have one of their own."""
        self._root = Path(root)
        self._floor_ms = 0  # Unix time in ms when now() was 0 at the earliest; 0: nothing is known

    def now(self) -> int:
        """Milliseconds that only grow, suspended time included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    async def sleep_until(self, until: int) -> None:
        """Return at or after `until` (ms of `now()`); after a suspend at most a minute late."""
        while (remaining := until - self.now()) > 0:
            await asyncio.sleep(min(remaining, _NAP_MS) / 1000)

    def alarm(self, ring: Callable[[], object], until: int) -> "_Alarm":
        """Call `ring` at or after `until`, unless it is cancelled; after a suspend at most a minute late."""
        return _Alarm(self, ring, until)

    def boot_id(self) -> str:
        """The kernel's id of this boot, which is also since when now() counts; "" if it won't say."""
        try:
            return (self._root / "proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        except (OSError, UnicodeError):
            return ""

    def learn(self, seconds: int) -> None:
        """It is not before `seconds` (Unix time): a time that was saved, the Date of a verified answer.

        What can't be is ignored, and so is what is known already.
        """
        if BUILT_AFTER <= seconds < BUILT_AFTER + _LIFE_S:
            self._floor_ms = max(self._floor_ms, 1000 * seconds - self.now())

    def wall(self) -> Wall:
        """Unix time, and how far it may be trusted."""
        seconds = int(time.time())
        floor = (self._floor_ms + self.now()) // 1000 if self._floor_ms else 0
        if seconds >= BUILT_AFTER:
            if _kernel_synchronised() or (seconds >= floor - _RTC_BEHIND_S and self._set_from_rtc()):
                return Wall(SYNCED, seconds)
        elif not floor:
            return Wall(UNSET, None)
        return Wall(FLOOR, max(seconds, floor))

    def _set_from_rtc(self) -> bool:
        """Whether the kernel set its clock at boot from a real-time clock (`hctosys` is 1 then)."""
        for flag in self._root.glob("sys/class/rtc/rtc*/hctosys"):
            try:
                if flag.read_bytes().strip() == b"1":
                    return True
            except OSError:
                continue
        return False


class _Alarm:
    """Looks at `clock` until it reads `until`, and calls `ring` then."""

    def __init__(self, clock: SystemClock, ring: Callable[[], object], until: int):
        self._clock, self._ring, self._until = clock, ring, until
        self._loop = asyncio.get_running_loop()
        # Not at once: who is always late would let nobody else have a turn.
        self._next: asyncio.Handle = self._loop.call_soon(self._look)

    def _look(self) -> None:
        remaining = self._until - self._clock.now()
        if remaining <= 0:
            self._ring()
        else:
            self._next = self._loop.call_later(min(remaining, _NAP_MS) / 1000, self._look)

    def cancel(self) -> None:
        """Call nothing."""
        self._next.cancel()


def _kernel_synchronised() -> bool:
    """Whether a time service (timesyncd, chrony, ntpd) keeps the kernel's clock: adjtimex(2)."""
    try:
        import ctypes  # late: it costs milliseconds that most commands need not pay

        # struct timex begins with modes; all zero asks and changes nothing. 512 bytes hold it on
        # every architecture, and only the returned state is read.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (ImportError, OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)
