"""One stream of the outbox: its records in order, the newest in memory, those before them on the disk."""

from .errors import StoreError
from .frames import LONGEST
from .payload import as_historical, dated, is_undated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .backlog import Backlog, Entry, Gaps
    from .outbox import Bounds

# Why records had to go.
NO_ROOM = "no room"
TOO_OLD = "too old"
THINNED = "thinned"
REFUSED = "refused"
RESTART = "restart"  # numbers that were perhaps given out before the power went
UNREADABLE = "unreadable"

# What waited longer than this for the broker is a replay.
_FRESH_MS = 3000
# So many numbers are reserved on the disk at once, and more if they go fast.
_RESERVED = 256
_MOST_RESERVED = 65536
_FAST_MS = 30000
_ALL = 1 << 62


def join_gap(gaps: "Gaps", reason: str, count: int, first: int, last: int) -> None:
    """Add to `gaps`: by reason, [count, first, last] of losses that nobody has been told of yet."""
    known = gaps.get(reason)
    if known is None:
        gaps[reason] = [count, first, last]
    else:
        gaps[reason] = [known[0] + count, min(known[1], first), max(known[2], last)]


class Stream:
    """Records by their number, which grows.

    `most_bytes`: how much may be in memory. `backlog`: what is on the disk; None: nothing ever is.
    `thins`: whether every second of old ones may go when there is no room.
    """

    def __init__(self, name: str, most_bytes: int, backlog: "Backlog | None", thins: bool):
        self.name = name
        self._thins = self._merges = thins
        self.seq = 0  # of the next record
        self.undated = False  # whether a payload without a time may be in memory
        self.lost: Gaps = {}  # what P/event has still to tell
        self.reported: Gaps = {}  # and what it tells by events that are not safe yet
        self.untold: Gaps = {}  # what nobody on this device was told of
        self._most_bytes = most_bytes
        self._backlog = backlog
        # In memory: what waits, what is to be sent again, and what is under way, by number.
        self._queue: list[Entry] = []
        self._bytes = 0
        self._writing = 0  # what waits and has a lower number is being written
        self._again: list[Entry] = []
        self._under_way: dict[int, Entry] = {}
        self._cursor = 0  # above all that were handed out
        self._floor = 0  # what was below it on the disk had to go
        self._stored = 0  # records from here on are not on the disk
        # Numbers from here on are not reserved: who has them must not leave the device yet.
        self._reserved = _ALL
        self._block = _RESERVED
        self._reserved_at = -_FAST_MS
        self._dirty_since: int | None = None  # when the disk began to know less than we do
        if backlog is not None:
            self._start(backlog)

    def _start(self, backlog: "Backlog") -> None:
        self._cursor = backlog.mark
        self.lost = backlog.lost
        following = backlog.next_number
        self.seq = self._reserved = self._stored = max(backlog.reserved, following)
        if self.seq > following:
            self.lose(RESTART, self.seq - following, following, self.seq - 1)
        for count, first, last in backlog.vanished:
            self.lose(UNREADABLE, count, first, last)

    def __len__(self) -> int:
        unread = self._backlog.unread if self._backlog is not None else 0
        return len(self._queue) + len(self._again) + len(self._under_way) + unread

    @property
    def is_on_disk(self) -> bool:
        """Whether flush() stores anything."""
        return self._backlog is not None

    @property
    def again_at(self) -> int:
        """When next() may have something although reading has failed just now."""
        return self._backlog.again_at if self._backlog is not None else 0

    def add(self, payload: bytes, now: int) -> None:
        """Queue `payload` as the record with the number `seq`."""
        seq = self.seq
        self.seq = seq + 1
        size = len(payload)
        if size > LONGEST or size > self._most_bytes:
            self.lose(NO_ROOM, 1, seq, seq)
            return
        self._queue.append((seq, payload, now))
        self._bytes += size
        if self._bytes > self._most_bytes:
            self._make_room()

    def next(self, now: int, may_replay: bool, offset: "int | None") -> "Entry | None":
        """What is to be sent next; it is under way from then on.

        None: there is nothing, or only what is a replay and `may_replay` forbids that. `offset`: Unix time
        in ms less `now`, if it is known.
        """
        backlog = self._backlog
        found = None
        if not self._again and backlog is not None and backlog.unread:
            found = backlog.read(self._cursor, now, self._unreadable) if may_replay else None
            # What can't be read does not hold up what follows.
            if found is None and backlog.unread:
                return None
        if self._again:
            entry = self._again.pop(0)
        elif found is not None:
            self._cursor = found[0] + 1
            entry = (found[0], as_historical(found[1]), 0)
        elif self._queue:
            entry = self._queue[0]
            seq, payload, added_at = entry
            historical = now - added_at > _FRESH_MS
            if seq >= self._reserved or (historical and not may_replay):
                return None
            self._queue.pop(0)
            self._bytes -= len(payload)
            self._cursor = seq + 1
            if self.undated and offset is not None:
                payload = dated(payload, added_at + offset) if is_undated(payload) else payload
                self.undated = bool(self._queue)
            if historical:
                payload = as_historical(payload)
            entry = (seq, payload, added_at)
        else:
            return None
        self._under_way[entry[0]] = entry
        return entry

    def acknowledge(self, seq: int, now: int) -> bool:
        """The record is not under way any more; False if it was not."""
        if self._under_way.pop(seq, None) is None:
            return False
        if seq < self._stored:
            self.touch(now)
        return True

    def interrupted(self) -> None:
        """What is under way is sent again, before anything else, in order."""
        under_way = sorted(self._under_way.values())
        self._again = [(seq, as_historical(payload), at) for seq, payload, at in under_way] + self._again
        self._under_way = {}

    def lose(self, reason: str, count: int, first: int, last: int, reports: bool = True) -> None:
        """Note that `count` records from `first` to `last` are lost. `reports`: P/event is to tell."""
        if reports:
            join_gap(self.lost, reason, count, first, last)
        join_gap(self.untold, reason, count, first, last)

    def due(self, now: int, flush_ms: int, most_records: int) -> "int | None":
        """When flush() is wanted; None: all that there is to keep is kept."""
        if self._backlog is None:
            return None
        if self.seq + _RESERVED // 2 > self._reserved or self._reserved == _ALL:
            return now
        due = self._records_due(now, flush_ms, most_records)
        if self._dirty_since is not None:
            other = self._dirty_since + flush_ms
            return other if due is None else min(due, other)
        return due

    def _records_due(self, now: int, flush_ms: int, most_records: int) -> "int | None":
        """When records are to be stored. Those that may be gone in a moment are not: they stay in memory."""
        if 2 * self._bytes > self._most_bytes or len(self._queue) >= most_records:
            return now
        times = [entry[2] for entry in self._unstored(1)]
        return min(times) + flush_ms if times else None

    async def flush(
        self,
        now: int,
        wall_ms: "int | None",
        bounds: "Bounds",
        only_due: bool = False,
        final: bool = False,
    ) -> None:
        """Store what only memory has, or of that `only_due`; make room first. Raises StoreError.

        `wall_ms`: Unix time if it can be trusted. `final`: nothing is added from now on.
        """
        backlog = self._backlog
        if backlog is None:
            return
        wall = 0 if wall_ms is None else wall_ms // 1000
        await backlog.remove_stale()
        self._forget_old(backlog, now, wall, bounds.age_ms)
        due = self._records_due(now, bounds.flush_ms, bounds.flush_records)
        entries = [] if only_due and (due is None or due > now) else self._unstored()
        size = sum([len(entry[1]) for entry in entries])
        while backlog.size + size > bounds.disk_bytes and len(backlog.segments) > 1:
            if not await self._thin(backlog, now, wall):
                self._drop(backlog, NO_ROOM)
            elif entries:
                entries = self._unstored()  # some of them may be gone meanwhile
        if entries or final or self.due(now, 0, 1 << 30) is not None:
            last = entries[-1][0] if entries else -1
            await self._store(backlog, entries, now, wall, final)
            while self._stored <= last and (entries := self._unstored()):
                await self._store(backlog, entries, now, wall, final)
            if final and last >= 0:
                # What was acknowledged between them is not lost either: all numbers are accounted for.
                await self._store(backlog, [], now, wall, final)
        await backlog.remove_done()

    def is_stored(self, seq: int) -> bool:
        """Whether a power cut leaves the record."""
        return self._backlog is not None and seq < self._stored

    def touch(self, now: int) -> None:
        """What the disk knows is not all there is to know."""
        if self._dirty_since is None:
            self._dirty_since = now

    def _unstored(self, most: int = 1 << 30) -> "list[Entry]":
        """What only memory has, in order; of what waits `most` at the most."""
        found = []
        if self._again or self._under_way:
            found = [entry for entry in self._again if entry[0] >= self._stored]
            found += [entry for entry in self._under_way.values() if entry[0] >= self._stored]
            found.sort()
        return found + self._queue[:most]

    async def _store(
        self,
        backlog: "Backlog",
        entries: "list[Entry]",
        now: int,
        wall: int,
        final: bool = False,
        thinned: "list[int] | None" = None,
    ) -> None:
        reserved = self._reserved
        if final:
            reserved = self.seq
        elif reserved == _ALL or self.seq + self._block // 2 > reserved:
            fast = now - self._reserved_at < _FAST_MS
            self._block = min(2 * self._block, _MOST_RESERVED) if fast else _RESERVED
            self._reserved_at = now
            reserved = self.seq + self._block
        unstored = entries or self._unstored(1)
        accounted = unstored[0][0] if unstored else self.seq
        lost = dict(self.lost)
        for reason in self.reported:
            join_gap(lost, reason, *self.reported[reason])
        if thinned is not None:
            join_gap(lost, THINNED, *thinned)
        mark = self._mark()
        dirty_since, self._dirty_since = self._dirty_since, None
        entries = backlog.at_once(entries)
        self._writing = entries[-1][0] + 1 if entries else 0
        try:
            await backlog.store(mark, reserved, lost, wall, now, accounted, entries)
        except StoreError:
            # Without a disk it goes on in memory; numbers may come again after a restart then.
            self._reserved = _ALL
            self._dirty_since = now if dirty_since is None else dirty_since
            raise
        finally:
            self._writing = 0
        self._reserved = reserved
        if entries:
            self._forget_stored(backlog, entries)

    def _handed_out(self) -> "list[int]":
        return list(self._under_way) + [entry[0] for entry in self._again]

    def _mark(self) -> int:
        """All below it are done with."""
        return max(self._floor, min([self._cursor] + self._handed_out()))

    def _forget_stored(self, backlog: "Backlog", entries: "list[Entry]") -> None:
        self._stored = entries[-1][0] + 1
        backlog.handed_over(len([entry for entry in entries if entry[0] >= self._cursor]))
        queue = self._queue
        count = 0
        while count < len(queue) and queue[count][0] < self._stored:
            self._bytes -= len(queue[count][1])
            count += 1
        self._queue = queue[count:]

    def _forget_old(self, backlog: "Backlog", now: int, wall: int, age_ms: int) -> None:
        while backlog.segments:
            oldest = backlog.segments[0]
            if oldest.written_at is not None:
                age = now - oldest.written_at
            elif wall and oldest.wall:
                age = 1000 * (wall - oldest.wall)
            else:
                return
            if age <= age_ms:
                return
            self._drop(backlog, TOO_OLD)

    def _drop(self, backlog: "Backlog", reason: str) -> None:
        first = max(self._mark(), backlog.segments[0].first)
        count, following = backlog.drop_oldest()
        self._cursor = max(self._cursor, following)
        # What of it is under way may still arrive, but no power cut must come before.
        count += len([seq for seq in self._handed_out() if self._floor <= seq < following])
        self._floor = following
        if count:
            self.lose(reason, count, first, max(first, following - 1))
        self.touch(0)

    async def _thin(self, backlog: "Backlog", now: int, wall: int) -> bool:
        if not self._merges:
            return False
        from .thinning import pair, thin  # rare: a device that is away for long

        found = pair(backlog.segments)
        if found is None:
            return False
        index, count, first, last = found
        backlog.again_at = _ALL  # what is being merged must not be read
        try:
            await self._store(backlog, [], now, wall, False, [count, first, last])
            try:
                await thin(backlog, index, self._reserved)
                self.lose(THINNED, count, first, last)
            except StoreError:
                self._merges = False
            await backlog.remove_done()  # before the next two take room beside these
        finally:
            backlog.again_at = 0
        return True

    def _unreadable(self, count: int, first: int, last: int) -> None:
        self.lose(UNREADABLE, count, first, last)

    def _make_room(self) -> None:
        """Let go of old ones that wait in memory; of some at once, as each time is told."""
        from .thinning import room  # rare: a disk that takes nothing, or none

        queue, most = self._queue, self._most_bytes
        first = 0
        while queue[first][0] < self._writing:
            first += 1  # they are on their way to the disk
        kept, thinned, dropped = room(queue[first:], self._bytes - most + most // 8, self._thins)
        self._queue = queue[:first] + kept
        for reason, gone in ((THINNED, thinned), (NO_ROOM, dropped)):
            if gone:
                self._bytes -= sum([len(entry[1]) for entry in gone])
                self.lose(reason, len(gone), min(gone)[0], max(gone)[0])
