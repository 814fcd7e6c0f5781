"""What the demo says about a device, for the picture and for the lines."""

PHASES = {
    "flashing": "gets its firmware",
    "starting": "asks for a code",
    "waiting": "waits for a person",
    "paired": "paired",
    "denied": "denied",
    "expired": "its code has expired",
}


def number(value: float) -> str:
    """A measured value as people read it."""
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def time_left(until: float, now: float) -> str:
    """Minutes and seconds from `now` to `until` (both in seconds), as "9:58"."""
    left = max(0, int(until - now))
    return f"{left // 60}:{left % 60:02d}"


def counted(number: int, noun: str) -> str:
    """The number and its noun, such as "2 samples"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
