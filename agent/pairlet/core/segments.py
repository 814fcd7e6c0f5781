"""Segments: the files of a backlog, and how they are read.

A segment is a file of frames: records, and notes, which are JSON lists. Each batch that is written begins
with a note, and so does each segment:

    number    all records below it are done with
    value     [accounted, reserved, wall, lost, before, whole]

accounted: records below it are here, done with, or among the lost. reserved: numbers from here on were never
given out. wall: Unix time in s, 0 if it was not to be trusted. lost: [count, first, last] by reason, of what
nobody was told of. before: [number, size, records] of the segment before. whole: [bytes, records] that follow
the note, if this one was merged from two others.
"""

from .frames import HEADER, next_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Log(Protocol):
        """The segments of one stream of the outbox: files, numbered below 1e9, that are only appended to.

        A power cut takes of what was being appended or removed any part, and nothing else.
        """

        def segments(self) -> list[tuple[int, int]]:
            """Number and size in bytes of each segment, in any order. Raises StoreError."""

        def read(self, number: int, offset: int, count: int) -> bytes:
            """`count` bytes from `offset` on, fewer where the segment ends. Raises StoreError."""

        async def append(self, number: int, data: bytes) -> None:
            """Add `data` to segment `number`, which is made where missing; it is on disk when this returns.

            Raises StoreError; any part of it may be there then.
            """

        async def remove(self, numbers: list[int]) -> None:
            """Remove the segments, the oldest first; those that are not there are no trouble.

            Raises StoreError.
            """


# Numbers of segments are this far apart: what two are merged into comes between.
APART = 8
# So many numbers of records can be reserved in a segment, at the most, above those of the one before it.
# Where it has to be more, numbers of segments are left out.
SPAN = 65536


def limit(number: int, older: "Segment | None") -> int:
    """Above all that segment `number` can have reserved, as far as its name tells.

    `older`: one that is older, and was read; None: there is none.
    """
    if older is None:
        return (number // APART + 1) * SPAN
    return older.reserved + (number // APART - older.number // APART) * SPAN


class Segment:
    """One file: its number, the bytes of it that count, and its records.

    `first`: none of its records has a lower number. `count`: how many of its `records` are still to be read.
    `reserved`: as its first note has it.
    """

    def __init__(self, number: int, size: int):
        self.number = number
        self.size = size
        self.first = 0
        self.reserved = limit(number, None)
        self.records = 0
        self.count = 0
        self.wall = 0  # Unix time in s when the last of them was written; 0: not known
        self.written_at: int | None = None  # the same in ms of the clock, if it was in this run


class Reader:
    """Reads a segment frame by frame; it may grow meanwhile. `most`: bytes to read at once."""

    def __init__(self, log: "Log", segment: Segment, most: int):
        self.segment = segment
        self.damaged = False  # whether something had to be skipped
        self.end = 0  # where the last whole frame ends
        self._log = log
        self._most = most
        self._data = b""
        self._at = 0

    def next(self) -> "tuple[int, bytes] | None":
        """Number and value of the next whole frame; None at the end, for now. Raises StoreError."""
        while True:
            found = next_frame(self._data, self._at)
            if found is not None:
                number, end, whole = found
                if whole:
                    value = self._data[self._at + HEADER : end]
                    self.end += end - self._at
                    self._at = end
                    return number, value
            elif self._read_more():
                continue
            elif self._at >= len(self._data):
                return None
            # No frame begins here; one may begin at the next byte.
            self.damaged = True
            self._at += 1
            self.end += 1

    def _read_more(self) -> bool:
        left = self._data[self._at :]
        offset = self.end + len(left)
        count = min(max(self._most, len(left)), self.segment.size - offset)
        more = self._log.read(self.segment.number, offset, count) if count > 0 else b""
        self._data = left + more
        self._at = 0
        return bool(more)
