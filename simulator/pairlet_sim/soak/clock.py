"""The device's clocks: one that only grows, perhaps too fast or too slow, and one for the calendar."""

from email.utils import formatdate
from functools import lru_cache

from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall

# When the simulation begins, in Unix seconds.
BEGINS = 1_770_000_000
RIGHT = 1_000_000
_LIFE_S = 25 * 366 * 86400
# A real-time clock so far behind what is known for sure was set wrong.
_BEHIND_S = 120


class DeviceClock:
    """Times of one boot. `ppm`: how fast it runs, 1000000 is right.

    `boot_id`: "" on a device that can't tell one boot from the next. `has_rtc`: whether the calendar
    runs while it is off. `is_synchronised`: whether a time service has set the calendar.
    `wall_offset_s`: how far the calendar is off.
    """

    def __init__(self, boot_id: str, has_rtc: bool, true_now: int, ppm: int):
        self.boot_id = boot_id
        self.ppm = ppm
        self.has_rtc = has_rtc
        self.is_synchronised = False
        self.wall_offset_s = 0
        self._true = true_now
        # Since boot: it has been running for a while when the agent starts.
        self._device = 5000

    def now(self, true_now: int) -> int:
        """What the device reads at `true_now`."""
        return self._device + (true_now - self._true) * self.ppm // RIGHT

    def true_time_of(self, device_ms: int) -> int:
        """The first true moment at which the device reads at least `device_ms`."""
        return self._true - (self._device - device_ms) * RIGHT // self.ppm

    def run_at(self, ppm: int, true_now: int) -> None:
        """Run at another speed from now on, without a jump."""
        self._device, self._true, self.ppm = self.now(true_now), true_now, ppm

    def set_right(self) -> None:
        """A time service sets the calendar."""
        self.is_synchronised, self.wall_offset_s = True, 0

    def wall(self, floor_s: int, true_now: int) -> Wall:
        """Calendar time as the device believes it. `floor_s`: Unix time that has surely come, 0: unknown."""
        seconds = BEGINS + true_now // 1000 + self.wall_offset_s
        if self.is_synchronised or (self.has_rtc and seconds >= floor_s - _BEHIND_S):
            return Wall(SYNCED, seconds)
        if self.has_rtc or self.boot_id:
            # Linux starts from whatever date the file system remembers.
            return Wall(FLOOR, max(seconds, floor_s))
        return Wall(FLOOR, floor_s) if floor_s else Wall(UNSET, None)


def is_believable(seconds: int) -> bool:
    """Whether a device believes that it is not before `seconds` (Unix time)."""
    return BEGINS - _LIFE_S < seconds < BEGINS + _LIFE_S


def http_date(true_now: int, later_s: int = 0) -> str:
    """The Date header of a server whose clock is right (RFC 9110 section 5.6.7)."""
    day, second = divmod(BEGINS + true_now // 1000 + later_s, 86400)
    return f"{_date(day)}{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d} GMT"


@lru_cache(maxsize=4)
def _date(day: int) -> str:
    """What comes before the time. `day`: since 1970."""
    return formatdate(86400 * day, usegmt=True).removesuffix("00:00:00 GMT")
