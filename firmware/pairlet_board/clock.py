"""The Clock port on a board: ticks unwrapped, and calendar time from NTP with a floor under it.

Boards wake up in 2000, 2021 or whenever. Until NTP has answered, the newest of what can't be wrong is
the floor: the build's date, the time of the last run, a server's Date heard over TLS, the chip's own
clock where it went on through a restart. The chip's clock is set along, for TLS reads that one.
"""

import asyncio
import os
import time
from binascii import hexlify

from pairlet.core.backoff import Backoff
from pairlet.core.errors import StoreError
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall

try:
    from time import ticks_add, ticks_ms  # type: ignore[attr-defined,unused-ignore]
except ImportError:  # CPython, for the tests

    def ticks_ms() -> int:
        """Milliseconds that wrap as on a board of 32 bits."""
        return time.monotonic_ns() // 1000000 & 0x3FFFFFFF

    def ticks_add(ticks: int, delta: int) -> int:
        """`delta` ms after `ticks`."""
        return ticks + delta & 0x3FFFFFFF


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pairlet.ports import Store

# 2024-01-01, before this program was written: a clock that says less was never set.
BUILT_AFTER = 1_704_067_200
NTP_HOSTS = ("pool.ntp.org", "time.cloudflare.com")

# NTP is not authenticated: what lies this far after the build is not believed.
_LIFE_S = 25 * 366 * 86400
_EPOCH_2000 = 946684800  # of ESP32, in Unix time
# Far below the wrap of ticks_ms (12.4 days on 32 bits), so that now() is asked often enough.
_NAP_MS = 3600000
_HOURS_SYNCED = 12
_SAVE_S = 3600
_NTP_TIMEOUT_S = 2
_NAME = "clock"


class BoardClock:
    """Milliseconds since this object was made, and calendar time with its trust.

    built: Unix time of the firmware's build, 0 if unknown. store: keeps the time for the next start.
    rtc: a machine.RTC, to be set along. ntp: the module ntptime, or None. calendar: has time() and
    gmtime(). ticks: counts ms up to the wrap of ticks_ms.
    """

    def __init__(
        self,
        built: int = 0,
        store: "Store | None" = None,
        rtc: "Any" = None,
        ntp: "Any" = None,
        hosts: "Sequence[str]" = NTP_HOSTS,
        calendar: "Any" = time,
        ticks: "Callable[[], int]" = ticks_ms,
    ):
        self._store = store
        self._rtc = rtc
        self._ntp = ntp
        self._hosts = hosts
        self._calendar = calendar
        self._ticks = ticks
        # All ones up to the wrap, which is elsewhere on 64 bits.
        self._mask = ticks_add(0, -1)
        self._last = ticks()
        self._now = 0
        self._boot_id = hexlify(os.urandom(8)).decode()
        self._built = max(built, BUILT_AFTER)
        self._saved = self._load()
        self._state = UNSET
        self._seconds = 0  # Unix time when now() was self._at
        self._at = 0
        self.synced = asyncio.Event()
        for seconds in (built, self._saved, self._read_rtc()):
            self.learn(seconds)

    def now(self) -> int:
        """Milliseconds that only grow. Asked at least once a week, as every sleeper does, it never jumps."""
        ticks = self._ticks()
        self._now += ticks - self._last & self._mask
        self._last = ticks
        return self._now

    async def sleep_until(self, until: int) -> None:
        """Return at or after `until` (ms of `now()`). Other tasks get their turn in any case."""
        await asyncio.sleep(0)
        while (remaining := until - self.now()) > 0:
            await asyncio.sleep(min(remaining, _NAP_MS) / 1000)

    def alarm(self, ring: "Callable[[], object]", until: int) -> "asyncio.Task[None]":
        """Call `ring` at or after `until`, unless what comes back is cancelled."""

        async def wait() -> None:
            await self.sleep_until(until)
            ring()

        return asyncio.create_task(wait())

    def boot_id(self) -> str:
        """A name for this run, made by chance when it began."""
        return self._boot_id

    def wall(self) -> Wall:
        """Unix time, and how far it may be trusted."""
        if self._state == UNSET:
            return Wall(UNSET, None)
        return Wall(self._state, self._seconds + (self.now() - self._at) // 1000)

    def learn(self, seconds: int) -> None:
        """It is not before `seconds` (Unix time): the Date of an answer that came over verified TLS.

        What can't be is ignored, and so is everything once NTP has answered.
        """
        if self._state == SYNCED or not self._is_plausible(seconds):
            return
        wall = self.wall()
        if wall.seconds is None or seconds > wall.seconds:
            self._set(FLOOR, seconds)
            if self._read_rtc() < seconds:
                self._set_rtc(seconds)

    def ask(self, host: str) -> bool:
        """Ask the NTP server `host` for the time and take it; False if there is no answer to believe.

        Blocks for up to two seconds and a look-up in the DNS: ntptime knows no other way.
        """
        ntp = self._ntp
        if ntp is None:
            return False
        ntp.host = host
        ntp.timeout = _NTP_TIMEOUT_S
        try:
            ntp.settime()
        except (OSError, ValueError, OverflowError):  # no answer; one that is short or out of range
            return False
        seconds = self._read_rtc()
        if not self._is_plausible(seconds):
            if self._state != UNSET:
                self._set_rtc(self.wall().seconds)
            return False
        self._set(SYNCED, seconds)
        self.synced.set()
        return True

    async def run(self, seed: bytes) -> None:
        """Keep the time until cancelled. Begin when there is a network. `seed`: as for Backoff."""
        backoff = Backoff(2000, 60000, seed)
        turn = 0
        while True:
            # One server at a time, so that nothing else waits for more than one of them.
            answered = self.ask(self._hosts[turn % len(self._hosts)])
            turn += 1
            if not answered:
                await self.sleep_until(self.now() + backoff.delay_ms())
                continue
            backoff.reset()
            for _ in range(_HOURS_SYNCED):
                self.save()
                # Each device at its own time, not a whole site on the hour.
                await self.sleep_until(self.now() + _NAP_MS + 5 * backoff.delay_ms())
            backoff.reset()

    def save(self) -> None:
        """Keep the time for the next start, if it is known and the last time is an hour ago: flash wears."""
        if self._store is None or self._state != SYNCED:
            return
        seconds = self.wall().seconds
        if abs(seconds - self._saved) < _SAVE_S:
            return
        try:
            self._store.save(_NAME, str(seconds).encode())
        except StoreError:
            pass  # only a floor is lost; whoever must save something tells of the trouble
        # Also when it failed: a broken flash is not written to again and again.
        self._saved = seconds

    def _load(self) -> int:
        """The time of the last save, 0 if there is none that can be read."""
        try:
            value = self._store.load(_NAME) if self._store is not None else None
            return int(value.decode()) if value else 0
        except (StoreError, ValueError):
            return 0

    def _is_plausible(self, seconds: int) -> bool:
        # Not the saved time as the bound: one false answer would outlaw all true ones for ever.
        return self._built <= seconds < self._built + _LIFE_S

    def _set(self, state: str, seconds: int) -> None:
        self._state = state
        self._seconds = seconds
        self._at = self.now()

    def _epoch(self) -> int:
        """What the calendar counts from, in Unix time: ports begin in 1970 or in 2000."""
        return _EPOCH_2000 if self._calendar.gmtime(0)[0] == 2000 else 0

    def _read_rtc(self) -> int:
        return int(self._calendar.time()) + self._epoch()

    def _set_rtc(self, seconds: int) -> None:
        if self._rtc is None:
            return
        date = self._calendar.gmtime(seconds - self._epoch())
        # Its fields: year, month, day, weekday from 1, hour, minute, second, a fraction.
        self._rtc.datetime((date[0], date[1], date[2], date[6] + 1, date[3], date[4], date[5], 0))
