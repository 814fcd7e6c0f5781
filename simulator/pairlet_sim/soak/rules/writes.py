"""Rule 9: do not wear out the card. Each thing that happens may write so much and no more."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

# How many times a value may be replaced for each of these.
_FOR_A_START, _FOR_AN_EXCHANGE, _FOR_DISK_TROUBLE = 8, 5, 400
_MOST_BYTES = 16_384


def writes_no_more_than_it_must(allowance: int) -> str:
    """Writes are for what has happened; time alone writes nothing."""
    return "it writes although nothing has happened that had to be kept" if allowance < 0 else ""


def writes_little_at_a_time(size: int) -> str:
    """A token is a few hundred bytes."""
    return f"it wrote {size} bytes at once" if size > _MOST_BYTES else ""


class WriteWitness:
    """Counts what the device writes."""

    def __init__(self, world: "World"):
        self._world = world
        self._allowance = 0
        self.writes = 0

    def begins(self, process: "Process") -> None:
        """A process starts."""
        self._allow(_FOR_A_START)

    def exchanged(self) -> None:
        """There was an exchange with the server."""
        self._allow(_FOR_AN_EXCHANGE)

    def disk_fails(self) -> None:
        """Trying again when a disk was full is right."""
        self._allow(_FOR_DISK_TROUBLE)

    def _allow(self, count: int) -> None:
        # Not saved up: an hour of exchanges is no licence to write for a day.
        self._allowance = max(min(self._allowance + count, 40), count)

    def replaced(self, size: int) -> None:
        """A name leads to other bytes."""
        self.writes += 1
        self._allowance -= 1
        self._world.judge(writes_no_more_than_it_must, self._allowance)
        self._world.judge(writes_little_at_a_time, size)
