# mypy: ignore-errors
"""`time` as on a board: whole seconds, 8-tuples, the port's own epoch, a clock that has to be set."""

import _wire
import utime
from utime import (  # noqa: F401
    sleep,
    sleep_ms,
    sleep_us,
    ticks_add,
    ticks_cpu,
    ticks_diff,
    ticks_ms,
    ticks_us,
)

# Seconds from 1970 to the epoch of the port: an ESP32 counts from 2000.
_EPOCH = 946684800 if _wire.esp32 else 0


def time_ns():
    """Nanoseconds since the epoch; a board's clock has milliseconds."""
    return utime.time_ns() + _wire.clock_offset() * 1000000 - _EPOCH * 1000000000


def time():
    """Whole seconds since the epoch."""
    return time_ns() // 1000000000


def gmtime(seconds=None):
    """(year, month, day, hour, minute, second, weekday from Monday, day of the year)."""
    return utime.gmtime((time() if seconds is None else int(seconds)) + _EPOCH)[:8]


def localtime(seconds=None):
    """The same as gmtime: boards know no time zone."""
    return gmtime(seconds)


def mktime(fields):
    """The inverse of gmtime. Months and days that are too large carry over."""
    year, month, day, hour, minute, second = fields[:6]
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    # Days from civil: the year begins in March, so that the leap day is its last.
    shifted = year - (month <= 2)
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400
    days += (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
    return ((days * 24 + hour) * 60 + minute) * 60 + second - _EPOCH
