"""The Log port on a board's flash: records for the outbox, appended to segment files, never rewritten.

    outbox.s7    frames, one after the other: its number is the record's position, its value the record
    outbox.s8    a frame without a value is a mark: all positions below its number were dropped

A record that is dropped before the next sync() never reaches the flash. Segments are removed whole. A
torn tail, which a power cut leaves, ends its segment: the next write begins a new one.
"""

import os
import struct

from pairlet.core.errors import StoreError

from .store import HEADER, SYNC, header, read_frame, store_error, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_EEXIST = 17


class _Segment:
    """One file: its number in the name, bytes in it, position of its last record (-1: none)."""

    def __init__(self, number: int):
        self.number = number
        self.size = 0
        self.last = -1


class SegmentLog:
    """Records in order, each known by its position, which grows by one from record to record.

    A power cut takes what was not synced, and no more: no record is torn, none comes out of order, and
    a drop that was not synced may be undone, in part or in whole. Positions that never reached the flash
    may come again after it. Raises StoreError, as all its methods do that use the flash.

    `folder` is made where missing. `segment_bytes`: when to begin a new file; appending to one costs
    LittleFS a copy of its last block. `sync()`: as in BoardStore.
    """

    def __init__(
        self,
        folder: str,
        name: str = "outbox",
        segment_bytes: int = 4096,
        sync: "Callable[[], None] | None" = SYNC,
    ):
        self._prefix = f"{folder}/{name}.s"
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._segments: list[_Segment] = []
        self._first = 0  # the oldest position that was not dropped
        self._marked = 0  # the newest mark on the flash
        self._next = 0
        self._number = 0  # of the next segment
        self._open = False  # whether the newest segment ends with a whole frame and may grow
        self._pending = bytearray()  # frames that are not on the flash yet
        # Where the last read() found its record: the next one goes on from there.
        self._cursor = (0, 0, 0)  # segment number, offset, position
        try:
            self._start(folder, (name + ".s").encode())
        except OSError as error:
            raise store_error("read", folder, error) from None

    @property
    def backlog(self) -> int:
        """How many records were appended and not dropped."""
        return self._next - self._first

    @property
    def size(self) -> int:
        """Bytes of all segments and of what waits for sync()."""
        return sum([segment.size for segment in self._segments]) + len(self._pending)

    def append(self, record: bytes) -> int:
        """Add `record` (1 byte or more, at most a segment's worth); return its position.

        It is in memory until sync(), which comes by itself when a segment's worth waits.
        """
        if not 0 < len(record) <= self._segment_bytes - 2 * HEADER:
            raise StoreError(f"a record of {len(record)} bytes does not fit the log")
        if len(self._pending) + HEADER + len(record) > self._segment_bytes - HEADER:
            self.sync()
        position = self._next
        self._pending.extend(header(position, record))
        self._pending.extend(record)
        self._next += 1
        return position

    def read(self, position: int = 0) -> "tuple[int, bytes] | None":
        """The oldest record at or after `position`, with its position; None when there is none."""
        position = max(position, self._first)
        number, offset, reached = self._cursor
        for segment in self._segments:
            if segment.last < position:
                continue
            start = offset if segment.number == number and reached <= position else 0
            try:
                found = self._find(segment, start, position)
            except OSError as error:
                raise store_error("read", self._path(segment.number), error) from None
            if found is not None:
                return found
        return self._find_pending(position)

    def drop(self, position: int) -> None:
        """Let go of all records up to and including `position`. The flash hears of it with sync()."""
        self._first = max(self._first, min(position + 1, self._next))
        at = 0
        while at < len(self._pending):
            number, length = struct.unpack_from("<II", self._pending, at)
            if number >= self._first:
                break
            at += HEADER + length
        if at:
            self._pending = self._pending[at:]

    def sync(self) -> None:
        """Bring what was appended and dropped to the flash; when this returns, a power cut can't undo it."""
        wanted = self._wanted()
        # Removing a segment says that its records were dropped; the others take a mark.
        if self._pending or (wanted and self._marked < self._first):
            self._write(bool(wanted))
            wanted = self._wanted()
        if wanted and wanted[-1] is not self._segments[-1]:
            wanted.append(self._segments[-1])  # it holds the mark and nothing else
        try:
            # The oldest first, so that what a power cut leaves has no hole.
            for segment in self._segments:
                if segment not in wanted:
                    unlink(self._path(segment.number))
            self._segments = wanted
            if self._sync is not None:
                self._sync()
        except OSError as error:
            raise store_error("clean up", self._prefix + "*", error) from None

    def _wanted(self) -> "list[_Segment]":
        """The segments with records that were not dropped."""
        return [segment for segment in self._segments if segment.last >= self._first]

    def _write(self, grow: bool) -> None:
        """Write the mark and what is pending: to the newest segment if it may `grow`, or to a new one."""
        frames: bytes | bytearray = self._pending
        if self._marked < self._first:
            frames = header(self._first, b"") + frames
        grow = grow and self._open and self._segments[-1].size + len(frames) <= self._segment_bytes
        if not grow:
            self._segments.append(_Segment(self._number))
            self._number += 1
        segment = self._segments[-1]
        # Until it has gone well nobody knows what the file ends with.
        self._open = False
        try:
            with open(self._path(segment.number), "ab" if grow else "wb") as file:
                file.write(frames)
        except OSError as error:
            raise store_error("write", self._path(segment.number), error) from None
        segment.size += len(frames)
        if self._pending:
            segment.last = self._next - 1
            self._pending = bytearray()
        self._open = True
        self._marked = self._first

    def _find(self, segment: _Segment, start: int, position: int) -> "tuple[int, bytes] | None":
        """The first record of `segment` at or after `position`, looked for from the offset `start` on."""
        with open(self._path(segment.number), "rb") as file:
            file.seek(start)
            while (frame := read_frame(file, segment.size)) is not None:
                number, record, good = frame
                if not good:
                    break
                if record and number >= position:
                    self._cursor = (segment.number, start, number)
                    return number, record
                start += HEADER + len(record)
        return None

    def _find_pending(self, position: int) -> "tuple[int, bytes] | None":
        at = 0
        while at < len(self._pending):
            number, length = struct.unpack_from("<II", self._pending, at)
            if number >= position:
                return number, bytes(self._pending[at + HEADER : at + HEADER + length])
            at += HEADER + length
        return None

    def _start(self, folder: str, prefix: bytes) -> None:
        """Find the segments of the last run, and what in them is still wanted."""
        try:
            os.mkdir(folder)
        except OSError as error:
            if error.errno != _EEXIST:
                raise
        # As bytes: FAT can be left with a torn entry, whose name is no text and would be a UnicodeError.
        for name in os.listdir(folder.encode()):
            number = name[len(prefix) :]
            if name.startswith(prefix) and number and all(48 <= digit <= 57 for digit in number):
                self._segments.append(_Segment(int(number.decode())))
        self._segments.sort(key=lambda segment: segment.number)
        for segment in self._segments:
            self._scan(segment)
        self._marked = self._first
        if self._segments:
            self._number = self._segments[-1].number + 1
        self._next = max(self._next, self._first)

    def _scan(self, segment: _Segment) -> None:
        """Read a segment through: its size, its last record, the mark, and whether it has a torn tail."""
        path = self._path(segment.number)
        segment.size = os.stat(path)[6]
        whole = 0
        with open(path, "rb") as file:
            while (frame := read_frame(file, segment.size)) is not None:
                number, record, good = frame
                if not good:
                    break
                whole += HEADER + len(record)
                if record:
                    if not self._next:
                        # What came before the oldest record went with its segment.
                        self._first = max(self._first, number)
                    segment.last = number
                    self._next = max(self._next, number + 1)
                else:
                    self._first = max(self._first, number)
        self._open = whole == segment.size

    def _path(self, number: int) -> str:
        return self._prefix + str(number)
