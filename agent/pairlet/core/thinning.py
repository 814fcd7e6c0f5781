"""Room on the disk without losing all of a time: two segments become one with every second record."""

import json

from .errors import StoreError
from .frames import frame
from .segments import APART, Reader, Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .backlog import Backlog

# How often a record's neighbours may go: of eight one is left.
_LEVELS = 3
# What is written at once.
_PIECE = 16384


def level(segment: Segment) -> int:
    """How often `segment` was thinned."""
    return segment.number & APART - 1


def pair(segments: "list[Segment]") -> "int | None":
    """Where in `segments` the two are that are to be thinned next: of the older half, and not yet read.

    None: there are none, and the oldest has to go.
    """
    best, best_level = None, _LEVELS
    for index in range(len(segments) // 2 - 1):
        one, other = segments[index], segments[index + 1]
        if one.count < one.records or other.count < other.records or one.count + other.count < 2:
            continue
        found = max(level(one), level(other))
        if found < best_level:
            best, best_level = index, found
    return best


def excess(segments: "list[Segment]", index: int) -> int:
    """How many records go when the two at `index` are thinned."""
    return (segments[index].count + segments[index + 1].count) // 2


async def thin(backlog: "Backlog", index: int, reserved: int) -> None:
    """Merge the segments at `index` and after it. Raises StoreError; both are still there then."""
    one, other = backlog.segments[index], backlog.segments[index + 1]
    merged = Segment((other.number | APART - 1) - APART + 2 + max(level(one), level(other)), 0)
    merged.first, merged.reserved = one.first, reserved
    merged.wall, merged.written_at = other.wall, other.written_at
    frames = []
    keep = True
    for segment in (one, other):
        reader = Reader(backlog.log, segment, backlog.read_bytes)
        while (found := reader.next()) is not None:
            if found[1][:1] == b"[":
                continue
            if keep:
                frames.append(frame(found[0], found[1]))
            keep = not keep
    size = sum([len(one) for one in frames])
    before = []
    if index:
        previous = backlog.segments[index - 1]
        before = [previous.number, previous.size, previous.records]
    note = json.dumps([one.first, reserved, merged.wall, {}, before, [size, len(frames)]])
    data = frame(backlog.mark, note.encode())
    merged.records = len(frames)
    try:
        for piece in frames:
            data += piece
            if len(data) >= _PIECE:
                await backlog.log.append(merged.number, data)
                merged.size += len(data)
                data = b""
        await backlog.log.append(merged.number, data)
    except StoreError:
        backlog.stale.append(merged.number)
        raise
    merged.size += len(data)
    backlog.replaced(index, merged)
