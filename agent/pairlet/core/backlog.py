"""The part of a stream that is on the disk: records in the segments of a log, read in order."""

import json

from .errors import StoreError
from .frames import frame
from .segments import APART, SPAN, Reader, Segment, limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .segments import Log

    Gaps = dict[str, list[int]]
    Lose = Callable[[int, int, int], None]
    # number, payload, when it was added (ms; 0 if it comes from the disk)
    Entry = tuple[int, bytes, int]

# A read that fails is tried again so often, and after this long.
_TRIES = 5
_AGAIN_MS = 1000


class Backlog:
    """What `log` holds. `segment_bytes`: when to begin a new segment; what has to go goes by segments.

    `longest_ms`: after how long at the latest. `read_bytes`: how much to read at once. Raises StoreError when
    the log can't be read.
    """

    def __init__(self, log: "Log", segment_bytes: int, longest_ms: int, read_bytes: int):
        self.log = log
        self._segment_bytes = segment_bytes
        self._longest_ms = longest_ms
        self._most_at_once = 2 * read_bytes  # in one piece: a board's heap has few large ones
        self._began_at = 0
        self.read_bytes = read_bytes
        from .finding import Found

        found = Found(log, read_bytes)
        self.segments = found.segments
        self.mark = found.mark
        self.next_number = found.next
        self.reserved = found.reserved
        self.lost = found.lost  # as the newest note has it
        self.vanished = found.vanished
        self.trouble = found.trouble
        self.unread = sum([segment.count for segment in self.segments])
        # Files to be removed: what was left of writing, at once, and what is done with, once that is noted.
        self.stale = found.useless
        self._done: list[int] = []
        # Whether the newest segment ends with a whole frame and may grow.
        self._open = bool(self.segments) and not found.torn
        self._limit = found.limit  # above all numbers that it may reserve
        self._number = found.highest
        self.again_at = 0  # when to read again, after trouble
        self._failures = 0
        self.reader: Reader | None = None
        self._missed: list[int] = []  # first and last of what was skipped in this segment

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum([segment.size for segment in self.segments])

    def read(self, cursor: int, now: int, lose: "Lose") -> "tuple[int, bytes] | None":
        """Number and payload of the next record, which is not below `cursor`; None: there is none now.

        What turns out to be unreadable is told with lose(count, first, last), and passed over.
        """
        while self.unread and now >= self.again_at:
            if self.reader is None:
                self.reader = Reader(self.log, self.segments[0], self.read_bytes)
            reader = self.reader
            try:
                found = reader.next()
            except StoreError:
                self._failures += 1
                if self._failures < _TRIES:
                    self.again_at = now + _AGAIN_MS
                    return None
                reader.damaged = True
                found = None
            self._failures = 0
            if found is None:
                self._finish(reader, cursor, lose)
                continue
            number, value = found
            if number < cursor or value[:1] == b"[":
                continue
            segment = reader.segment
            segment.count -= 1
            self.unread -= 1
            if reader.damaged:
                reader.damaged = False
                self._missed = [self._missed[0] if self._missed else cursor, number - 1]
            return number, value
        return None

    def _finish(self, reader: Reader, cursor: int, lose: "Lose") -> None:
        """A segment was read to its end. What should have been there, and was not, is lost."""
        segment = reader.segment
        index = self.segments.index(segment) + 1
        following = self.next_number
        if index < len(self.segments):
            following = self.segments[index].first
            self.reader = Reader(self.log, self.segments[index], self.read_bytes)
        if segment.count:
            missed = self._missed
            if reader.damaged or not missed:
                missed = [missed[0] if missed else cursor, following - 1]
            lose(segment.count, missed[0], max(missed))
            self.unread -= segment.count
            segment.count = 0
        self._missed = []

    def at_once(self, entries: "list[Entry]") -> "list[Entry]":
        """Those of `entries` that store() is to write first."""
        size = count = 0
        while count < len(entries) and size < self._most_at_once:
            size += len(entries[count][1])
            count += 1
        return entries[:count]

    async def store(
        self,
        mark: int,
        reserved: int,
        lost: "Gaps",
        wall: int,
        now: int,
        accounted: int,
        entries: "list[Entry]",
    ) -> None:
        """Write a note and `entries`. Raises StoreError.

        When it returns no power cut takes them away. See segments.py for what is noted.
        """
        frames = b"".join([frame(entry[0], entry[1]) for entry in entries])
        segments = self.segments
        segment = segments[-1] if self._open else None
        before: list[int] = []
        is_done = now - self._began_at > self._longest_ms or reserved > self._limit
        if segment is None or segment.size + len(frames) > self._segment_bytes or is_done:
            self._began_at = now
            segment = self._begin(accounted, reserved)
            if segments:
                before = [segments[-1].number, segments[-1].size, segments[-1].records]
        note = [accounted, reserved, wall, lost, before, []]
        data = frame(mark, json.dumps(note).encode()) + frames
        # Until it has gone well nobody knows what the file ends with.
        self._open = False
        try:
            await self.log.append(segment.number, data)
        except StoreError:
            if not segment.size:
                self.stale.append(segment.number)
            raise
        segment.size += len(data)
        segment.wall = wall
        segment.written_at = now
        segment.records += len(entries)
        if segment not in segments:
            segments.append(segment)
        self._open = True
        self.mark = mark
        self.next_number = entries[-1][0] + 1 if entries else max(self.next_number, accounted)

    def _begin(self, accounted: int, reserved: int) -> Segment:
        segments = self.segments
        highest = self._number | APART - 1
        # Also one that can't be read now, and could when it counts, must not say that less is reserved.
        base = segments[-1].reserved if segments else limit(highest, None)
        steps = max(1, (reserved - base + SPAN - 1) // SPAN)
        self._number = highest + 1 + (steps - 1) * APART
        self._limit = base + steps * SPAN if segments else reserved
        segment = Segment(self._number, 0)
        segment.first = accounted
        segment.reserved = reserved
        return segment

    def handed_over(self, count: int) -> None:
        """`count` of the records that were stored last are to be read."""
        self.segments[-1].count += count
        self.unread += count

    def drop_oldest(self) -> "tuple[int, int]":
        """Let go of the oldest segment; return how many records are lost with it, and what number follows.

        The file goes with the next remove_done().
        """
        count = self.segments[0].count
        self.replace(0, 1, [])
        if not self.segments:
            self._open = False
            return count, self.next_number
        return count, self.segments[0].first

    async def remove_done(self) -> None:
        """Remove the files of which nothing is wanted any more. Raises StoreError."""
        while len(self.segments) > 1 and self.segments[1].first <= self.mark:
            self.drop_oldest()
        self.stale += self._done
        self._done = []
        await self.remove_stale()

    async def remove_stale(self) -> None:
        """Remove what was left of writing, before anything else gets its numbers. Raises StoreError."""
        if self.stale:
            await self.log.remove(self.stale)
            self.stale = []

    def replace(self, begin: int, end: int, others: "list[Segment]") -> None:
        """Have `others`, whose records are counted, in the place of the segments from `begin` to `end`."""
        for segment in self.segments[begin:end]:
            self._done.append(segment.number)
            self.unread -= segment.count
            if self.reader is not None and self.reader.segment is segment:
                self.reader = None
        self.segments = self.segments[:begin] + others + self.segments[end:]
