"""Samples that wait for the broker, bounded in bytes: the oldest go first when there is no room.

This one lives in memory: what waits is lost with the process.
"""

from collections import namedtuple

from .telemetry import Sample, encode

# What had to go: how many samples, and the first and last of their numbers.
Gap = namedtuple("Gap", ("count", "first", "last"))


class Outbox:
    """A queue of samples of at most `limit_bytes`, counted as they would be encoded."""

    def __init__(self, limit_bytes: int):
        self._limit_bytes = limit_bytes
        self._samples: list[tuple[Sample, int]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> "Gap | None":
        """Queue `sample`; return the gap that making room for it left, or None."""
        size = len(encode(sample, True))
        self._samples.append((sample, size))
        self._bytes += size
        dropped = []
        while self._bytes > self._limit_bytes and len(self._samples) > 1:
            oldest, size = self._samples.pop(0)
            self._bytes -= size
            dropped.append(oldest.seq)
        return Gap(len(dropped), dropped[0], dropped[-1]) if dropped else None

    def oldest(self) -> "Sample | None":
        """The sample whose turn it is, which stays queued until it is acknowledged."""
        return self._samples[0][0] if self._samples else None

    def acknowledge(self, seq: int) -> None:
        """The broker has the sample `seq`. Unknown numbers (dropped meanwhile) are ignored."""
        for index, (sample, size) in enumerate(self._samples):
            if sample.seq == seq:
                self._samples.pop(index)
                self._bytes -= size
                return
