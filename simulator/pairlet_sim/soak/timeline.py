"""What happened, for people: the last so many things, with virtual times, put into words only when asked."""

from collections import deque

from .schedule import Schedule

_DAY_MS = 86_400_000


class Timeline:
    """Keeps the last `most` entries, at the times of `schedule`."""

    def __init__(self, schedule: Schedule, most: int):
        self._schedule = schedule
        self._entries: deque[tuple[int, str, str, tuple[object, ...]]] = deque(maxlen=most)

    def note(self, who: str, words: str, *arguments: object) -> None:
        """`who` did something: `words` with %-places for `arguments`."""
        self._entries.append((self._schedule.now, who, words, arguments))

    def lines(self) -> list[str]:
        """One line for each entry."""
        return [
            f"{moment(at)}  {who:<15}{words % arguments if arguments else words}"
            for at, who, words, arguments in self._entries
        ]


def moment(ms: int) -> str:
    """A virtual time for people: day 12 03:04:05.678."""
    rest = ms % _DAY_MS
    hours, minutes, seconds = rest // 3_600_000, rest // 60_000 % 60, rest // 1000 % 60
    return f"day {ms // _DAY_MS:4d} {hours:02d}:{minutes:02d}:{seconds:02d}.{rest % 1000:03d}"


def duration(ms: int) -> str:
    """A span for people: 1500 is 1.5 s, 5400000 is 1.5 h."""
    for unit, size in (("d", _DAY_MS), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if ms >= size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms} ms"
