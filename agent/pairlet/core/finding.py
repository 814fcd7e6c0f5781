"""What a backlog finds on the disk when it starts: its segments, and what in them is still wanted.

Apart from the rest, so that a board can forget it then.
"""

import json

from .errors import StoreError
from .segments import APART, Reader, Segment, limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .backlog import Gaps
    from .segments import Log

_FIRST_READ = 512


class Note:
    """A note's number and value, taken apart."""

    def __init__(self, mark: int, value: bytes):
        self.mark = mark
        self.accounted, self.reserved, self.wall, self.lost, self.before, self.whole = json.loads(value)


class Found:
    """The segments of a log, oldest first, and what its newest note says. Changes nothing. Raises StoreError.

    `next`: above all records. `reserved`: above all numbers that may be in use. `limit`: how far the newest
    file may reserve. `highest`: above no file's number. `useless`: numbers of files that hold nothing that
    is wanted. `vanished`: [count, first, last] of records whose file is gone. `torn`: the newest file may
    not grow. `trouble`: why a file can't be read, which is left alone: it may be readable another time.
    """

    def __init__(self, log: "Log", most: int):
        self._log = log
        self._most = most
        self.segments: list[Segment] = []
        self.useless: list[int] = []
        self.vanished: list[list[int]] = []
        self.note: Note | None = None
        self.next = self.reserved = self.limit = 0
        self.lost: Gaps = {}
        self.highest = -1
        self.torn = False
        self.trouble: StoreError | None = None
        newer: Segment | None = None
        before: list[int] = []
        hidden = -1
        for number, size in sorted(log.segments(), reverse=True):
            segment = Segment(number, size)
            self.highest = max(self.highest, number)
            vanished = len(self.vanished)
            try:
                head = self._look(segment, before)
            except StoreError as error:
                self.trouble, self.vanished = error, self.vanished[:vanished]
                if newer is None:
                    hidden = max(hidden, number)
                continue
            if not segment.size or (newer is not None and segment.first >= newer.first):
                # Torn when it was begun; or it went into the one that is there, before it could be removed.
                self.useless.append(number)
                continue
            if newer is None:
                if self.note is None:
                    hidden = max(hidden, number)
            else:
                segment.wall = newer.wall
                # One that was not there for whoever began the newer one could not be read then.
                if before and before[0] | APART - 1 > number | APART - 1:
                    self._miss(self._end_of(segment), newer.first, before[2])
            newer = segment
            before = head.before if head is not None else []
            self.segments.insert(0, segment)
        self._take_note(hidden)
        self.mark = self.note.mark if self.note is not None else newer.first if newer is not None else 0
        if newer is not None and before:
            self._miss(self.mark, newer.first, before[2])
        self._forget_done()

    def _take_note(self, hidden: int) -> None:
        """Take over what the newest note says. `hidden`: the newest segment if it is not readable, or -1."""
        note = self.note
        if note is not None:
            self.next = max(self.next, note.accounted)
            self.reserved = note.reserved
            self.lost = note.lost
        newest = hidden
        if hidden < 0 and self.segments:
            newest = self.segments[-1].number
        older = [segment for segment in self.segments if segment.number < newest]
        self.limit = limit(newest, older[-1] if older else None)
        if hidden >= 0:
            # What it reserved must not come again.
            self.reserved = max(self.reserved, self.limit)
            self.torn = True
            if not older:
                self.highest += (hidden // APART + 1) * APART

    def _look(self, segment: Segment, before: "list[int]") -> "Note | None":
        """The note that `segment` begins with; fill in its figures. Its size is 0 if it is of no use."""
        reader = Reader(self._log, segment, _FIRST_READ)
        found = reader.next()
        head = Note(found[0], found[1]) if found is not None and found[1][:1] == b"[" else None
        if head is not None:
            segment.first = head.accounted
            segment.reserved = head.reserved
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
        note, size = None, 0
        following: int | None = None
        segment.records = 0
        while (found := reader.next()) is not None:
            number, value = found
            size = reader.end
            is_note = value[:1] == b"["
            if is_note:
                note = Note(number, value)
                segment.wall = note.wall
                number = note.accounted
            elif note is None and not segment.records:
                segment.first = number
            if reader.damaged and following is not None:
                self._miss(following, number, number - following)
            reader.damaged = False
            following = number if following is None else max(following, number)
            if not is_note:
                segment.records += 1
                following += 1
        segment.size = size
        return note, following or 0

    def _end_of(self, segment: Segment) -> int:
        try:
            return self._scan(segment)[1]
        except StoreError:
            return segment.first

    def _miss(self, first: int, following: int, count: int) -> None:
        # A file may have held notes only: there is nothing to tell of.
        if following > first and count:
            self.vanished.append([min(count, following - first), first, following - 1])

    def _forget_done(self) -> None:
        """Let go of the segments below the mark, and count what is to be read."""
        segments = self.segments
        while len(segments) > 1 and segments[1].first <= self.mark:
            self.useless.append(segments.pop(0).number)
        for segment in segments:
            segment.count = segment.records
        if segments and segments[0].first < self.mark:
            try:
                self._count_wanted(segments[0])
            except StoreError:
                pass  # reading it will tell what is missing

    def _count_wanted(self, segment: Segment) -> None:
        reader = Reader(self._log, segment, self._most)
        count = 0
        while (found := reader.next()) is not None:
            if found[0] >= self.mark and found[1][:1] != b"[":
                count += 1
        segment.count = count
