"""What a simulation has been through, in figures."""

from collections import Counter


class Tally:
    """Counts by name. `end_reasons`: why pairings ended; `unavoidable_reasons`: no device could help it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.end_reasons: Counter[str] = Counter()
        self.unavoidable_reasons: Counter[str] = Counter()
        self.device_ms = 0

    def unpaired(self, why: str) -> None:
        """A pairing has ended because the server, or somebody, wanted it."""
        self.end_reasons[why] += 1

    def unavoidable(self, why: str) -> None:
        """A pairing has ended because a rotated token never got to the disk."""
        self.unavoidable_reasons[why] += 1

    def add(self, other: "Tally") -> None:
        """Take in another one's."""
        for name in ("counts", "troubles", "end_reasons", "unavoidable_reasons"):
            getattr(self, name).update(getattr(other, name))
        self.device_ms += other.device_ms

    @property
    def years(self) -> float:
        """Device-years."""
        return self.device_ms / (365 * 86_400_000)
