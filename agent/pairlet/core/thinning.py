"""Room without losing all of a time: of old records every second goes, up to three times.

On the disk two segments become one; in memory the older half of what waits gets thinner.
"""

import json

from .errors import StoreError
from .frames import frame
from .segments import APART, Reader, Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .backlog import Backlog, Entry

# How often a record's neighbours may go: of eight one is left.
_LEVELS = 3


def room(entries: "list[Entry]", size: int, thins: bool) -> "tuple[list[Entry], list[Entry], list[Entry]]":
    """Make room for `size` bytes among what waits in memory; return what stays, was thinned, and had to go.

    The newest stays, whatever its size.
    """
    thinned = []
    count = len(entries) // 2
    apart = 1
    while thins and size > 0 and apart < 1 << _LEVELS:
        apart *= 2
        kept: list[Entry] = []
        for index in range(count):
            entry = entries[index]
            if kept and entries[index + 1][0] - kept[-1][0] <= apart:
                thinned.append(entry)
                size -= len(entry[1])
            else:
                kept.append(entry)
        entries = kept + entries[count:]
        count = len(kept)
    count = 0
    while size > 0 and count < len(entries) - 1:
        size -= len(entries[count][1])
        count += 1
    return entries[count:], thinned, entries[:count]


def level(segment: Segment) -> int:
    """How often `segment` was thinned."""
    return segment.number & APART - 1


def pair(segments: "list[Segment]") -> "tuple[int, int, int, int] | None":
    """Where in `segments` the two are that are to be thinned next: of the older half, and not yet read.

    With how many records go, of which numbers. None: there are none, and the oldest has to go.
    """
    best, best_level = None, _LEVELS
    for index in range(len(segments) // 2 - 1):
        one, other = segments[index], segments[index + 1]
        count = one.count + other.count
        if count < one.records + other.records or count < 2:
            continue
        found = max(level(one), level(other))
        if found < best_level:
            best_level = found
            best = (index, count // 2, one.first, segments[index + 2].first - 1)
    return best


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
    data = frame(backlog.mark, note.encode()) + b"".join(frames)
    merged.records = merged.count = len(frames)
    try:
        await backlog.log.append(merged.number, data)
    except StoreError:
        backlog.stale.append(merged.number)
        raise
    merged.size += len(data)
    backlog.replace(index, index + 2, [merged])
    backlog.unread += merged.count
