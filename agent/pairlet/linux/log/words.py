"""Times and amounts as a person says them."""

import time

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000


def span(duration_ms: float) -> str:
    """`duration_ms` in the largest unit of which there are two: "0.4 s", "41 min", "26 h", "12 days"."""
    if duration_ms < 9_950:
        return f"{max(0, duration_ms) / SECOND_MS:.1f} s".replace(".0 s", " s")
    if duration_ms < 2 * MINUTE_MS:
        return f"{duration_ms / SECOND_MS:.0f} s"
    if duration_ms < 2 * HOUR_MS:
        return f"{duration_ms / MINUTE_MS:.0f} min"
    return (
        f"{duration_ms / HOUR_MS:.0f} h" if duration_ms < 2 * DAY_MS else f"{duration_ms / DAY_MS:.0f} days"
    )


def clock_time(after_ms: float) -> str:
    """What the clock on the wall shows in `after_ms`: "12:04:10" soon, "12:04" today, later with the date."""
    at = time.localtime(time.time() + after_ms / 1000)
    if after_ms < 2 * MINUTE_MS:
        return time.strftime("%H:%M:%S", at)
    return time.strftime("%H:%M" if after_ms < 20 * HOUR_MS else "%Y-%m-%d %H:%M", at)
