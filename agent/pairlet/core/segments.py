"""What a backlog finds on the disk when it starts: its segments, and what in them is still wanted.

A segment is a file of frames: records, and notes, which are JSON lists. Each batch that is written begins
with a note, and so does each segment:

    number    all records below it are done with
    value     [accounted, reserved, wall, lost, before, whole]

accounted: records below it are here, done with, or among the lost. reserved: numbers from here on were never
given out. wall: Unix time in s, 0 if it was not to be trusted. lost: [count, first, last] by reason, of what
nobody was told of. before: [number, size, records] of the segment before. whole: [bytes, records] that follow
the note, if this one was merged from two others.
"""

import json

from .errors import StoreError
from .frames import HEADER, next_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Log(Protocol):
        """The segments of one stream of the outbox: numbered files of bytes, which are only ever appended to.

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
_FIRST_READ = 512


class Segment:
    """One file: its number, the bytes of it that count, and its records.

    `first`: none of its records has a lower number. `count`: how many of its `records` are still to be read.
    """

    def __init__(self, number: int, size: int):
        self.number = number
        self.size = size
        self.first = 0
        self.records = 0
        self.count = 0
        self.wall = 0  # Unix time in s when the last of them was written; 0: not known
        self.written_at: int | None = None  # the same in ms of the clock, if it was in this run


class Note:
    """A note's number and value, taken apart."""

    def __init__(self, mark: int, value: bytes):
        self.mark = mark
        self.accounted, self.reserved, self.wall, self.lost, self.before, self.whole = json.loads(value)


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


class Found:
    """The segments of a log, oldest first, and its newest note. Changes nothing. Raises StoreError.

    `next`: above all records. `highest`: above no file's number. `useless`: numbers of files that hold
    nothing that is wanted. `vanished`: [count, first, last] of records whose file is gone. `torn`: the
    newest file ends with what is no frame.
    """

    def __init__(self, log: "Log", most: int):
        self._log = log
        self._most = most
        self.segments: list[Segment] = []
        self.useless: list[int] = []
        self.vanished: list[list[int]] = []
        self.note: Note | None = None
        self.next = 0
        self.highest = -1
        self.torn = False
        newer: Segment | None = None
        before: list[int] = []
        for number, size in sorted(log.segments(), reverse=True):
            segment = Segment(number, size)
            self.highest = max(self.highest, number)
            try:
                head = self._look(segment, before)
            except StoreError:
                continue  # it may be readable another time
            if not segment.size or (newer is not None and segment.first >= newer.first):
                # Torn when it was begun; or it went into the one that is there, before it could be removed.
                self.useless.append(number)
                continue
            if newer is not None:
                segment.wall = newer.wall
                if before and before[0] | APART - 1 != number | APART - 1:
                    self._miss(self._scan(segment)[1], newer.first, before[2])
            newer = segment
            before = head.before if head is not None else []
            self.segments.insert(0, segment)
        self.mark = self.note.mark if self.note is not None else newer.first if newer is not None else 0
        if newer is not None and before:
            self._miss(self.mark, newer.first, before[2])
        self._forget_done()

    def _look(self, segment: Segment, before: "list[int]") -> "Note | None":
        """The note that `segment` begins with; fill in its figures. Its size is 0 if it is of no use."""
        reader = Reader(self._log, segment, _FIRST_READ)
        found = reader.next()
        head = Note(found[0], found[1]) if found is not None and found[1][:1] == b"[" else None
        if head is not None:
            segment.first = head.accounted
            if head.whole:
                size = reader.end + head.whole[0]
                # Cut while it was written: what it was to replace is still there.
                segment.size = size if size <= segment.size else 0
                segment.records = head.whole[1]
                return head
            if before and before[0] == segment.number and before[1] <= segment.size:
                _, segment.size, segment.records = before
                return head
        size = segment.size
        newest, following = self._scan(segment)
        if not self.segments:
            self.torn = segment.size < size
            self.next = following
        if self.note is None:
            self.note = newest
        return head

    def _scan(self, segment: Segment) -> "tuple[Note | None, int]":
        """Read `segment` through for its figures; return its newest note and the number above its records."""
        reader = Reader(self._log, segment, self._most)
        note, following, size = None, 0, 0
        segment.records = 0
        while (found := reader.next()) is not None:
            number, value = found
            size = reader.end
            if value[:1] == b"[":
                note = Note(number, value)
                segment.wall = note.wall
            else:
                segment.records += 1
                following = number + 1
                if note is None and segment.records == 1:
                    segment.first = number
        segment.size = size
        return note, following

    def _miss(self, first: int, following: int, count: int) -> None:
        if following > first:
            self.vanished.append([min(count, following - first), first, following - 1])

    def _forget_done(self) -> None:
        """Let go of the segments below the mark, and count what is to be read."""
        segments = self.segments
        while len(segments) > 1 and segments[1].first <= self.mark:
            self.useless.append(segments.pop(0).number)
        for segment in segments:
            segment.count = segment.records
        if segments and segments[0].first < self.mark:
            reader = Reader(self._log, segments[0], self._most)
            segments[0].count = 0
            while (found := reader.next()) is not None:
                if found[0] >= self.mark and found[1][:1] != b"[":
                    segments[0].count += 1
