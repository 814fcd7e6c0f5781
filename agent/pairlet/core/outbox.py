"""What waits for the broker: samples and events, each a stream of its own, in order. Events go first."""

from collections import namedtuple

from .backlog import Backlog
from .errors import StoreError
from .payload import encode_event, encode_sample
from .stream import REFUSED, Stream, join_gap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .aside import Aside
    from .segments import Log

TELEMETRY = "telemetry"
EVENT = "event"
# The name of the log of what was refused.
_REFUSED = "refused"

# What is to be published: `stream` is TELEMETRY or EVENT, `seq` its number there, `payload` bytes.
Record = namedtuple("Record", ("stream", "seq", "payload"))

# What had to go: how many of a stream, the first and last of their numbers, and why (see stream.py).
Gap = namedtuple("Gap", ("stream", "count", "first", "last", "reason"))

# How much may be on the disk and in memory, and for how long; what waits in memory for the disk is stored
# when the oldest has waited for flush_ms, or when there are so many records.
Bounds = namedtuple("Bounds", ("disk_bytes", "memory_bytes", "age_ms", "flush_ms", "flush_records"))

_WEEK_MS = 7 * 86400000
# Events have room to themselves: this part of what samples have.
_EVENTS_PART = 8
# They are few, and say what nobody can measure again.
_EVENT_FLUSH_MS = 10000
_SMALLEST_SEGMENT = 1024
_LARGEST_SEGMENT = 1 << 22
# Events have to go as well in the end, and with them what they tell of.
_MOST_REPORTS = 15
# After the disk took nothing.
_AGAIN_MS = 60000


class Outbox:
    """Records from when they were added to when the broker has them.

    `logs(name)` makes the log of a stream; None: what waits is in memory only, and `bounds.memory_bytes`
    is all there is. `replay_rate`: how many records a second may be sent that waited for long, so that a
    site that comes back does not drown its broker; 0: any number. Live ones are not slowed.
    """

    def __init__(
        self, bounds: "Bounds | int", logs: "Callable[[str], Log] | None" = None, replay_rate: int = 0
    ):
        if isinstance(bounds, int):
            bounds = Bounds(0, bounds, _WEEK_MS, _EVENT_FLUSH_MS, 1 << 30)
        self._replay_rate = replay_rate
        self._replays_left = replay_rate
        self._window_end = 0
        self._now = 0
        self._offset: int | None = None
        self._again_at = 0
        self._trouble: StoreError | None = None
        self._flushing = False
        part = _EVENTS_PART
        self._bounds = {
            TELEMETRY: bounds,
            EVENT: Bounds(
                max(2 * _SMALLEST_SEGMENT, bounds.disk_bytes // part),
                max(1024, bounds.memory_bytes // part),
                bounds.age_ms,
                min(bounds.flush_ms, _EVENT_FLUSH_MS),
                bounds.flush_records,
            ),
        }
        self._samples = self._stream(TELEMETRY, logs)
        self._events = self._stream(EVENT, logs)
        # The events that tell of losses, until they are safe: (number, stream, reason, [count, first, last]).
        self._reports: list[tuple[int, str, str, list[int]]] = []
        self._logs = logs
        self._aside: Aside | None = None

    def _stream(self, name: str, logs: "Callable[[str], Log] | None") -> Stream:
        bounds = self._bounds[name]
        backlog = None
        if logs is not None:
            segment = min(max(bounds.disk_bytes // 64, 4096), _LARGEST_SEGMENT)
            segment = max(min(segment, bounds.disk_bytes // 4), _SMALLEST_SEGMENT)
            try:
                backlog = Backlog(logs(name), segment, bounds.age_ms // 8, min(max(segment // 4, 512), 16384))
                self._trouble = backlog.trouble or self._trouble
            except StoreError as error:
                self._trouble = error  # it goes on in memory, and flush() says why
        return Stream(name, bounds.memory_bytes, backlog, name == TELEMETRY)

    def __len__(self) -> int:
        """How many records are not acknowledged."""
        return len(self._events) + len(self._samples)

    @property
    def is_on_disk(self) -> bool:
        """Whether flush() brings all of it to a disk: none that could not be read is written to."""
        return self._events.is_on_disk and self._samples.is_on_disk

    def clock_is(self, wall_ms: int, now: int) -> None:
        """At `now` it is `wall_ms` (Unix time), and that can be trusted: what has no time yet gets one."""
        self._offset = wall_ms - now

    def add_sample(self, t: "int | None", values: "dict[str, int | float]", now: int) -> int:
        """Queue a sample taken at `t` (Unix time in ms, None while the clock is unset); return its seq."""
        samples = self._samples
        seq = samples.seq
        if t is None:
            samples.undated = True
        samples.add(encode_sample(t, seq, values), now)
        self._now = now
        # However fast samples come, the backlog shrinks.
        self._replays_left += 2
        return seq

    def add_event(self, t: "int | None", name: str, fields: "dict[str, object]", now: int) -> int:
        """Queue an event with `fields` (JSON values); return its seq."""
        events = self._events
        seq = events.seq
        if t is None:
            events.undated = True
        events.add(encode_event(t, seq, name, fields), now)
        self._now = now
        return seq

    def next(self, now: int) -> "Record | None":
        """The next to send, which is under way from now on; None when there is nothing to send now."""
        events, samples = self._events, self._samples
        self._now = now
        if samples.lost or events.lost:
            self._report(samples, now)
            self._report(events, now)
        found = events.next(now, True, self._offset)
        if found is not None:
            return Record(EVENT, found[0], found[1])
        found = samples.next(now, self._may_replay(now), self._offset)
        if found is None:
            return None
        if found[1].endswith(b'"historical":true}'):
            self._replays_left -= 1
        return Record(TELEMETRY, found[0], found[1])

    def due(self, now: int) -> "int | None":
        """When next() may have something although it has nothing now, or None."""
        again_at = max(self._events.again_at, self._samples.again_at)
        if again_at > now:
            return again_at
        return None if self._may_replay(now) else self._window_end

    def acknowledge(self, record: Record) -> None:
        """The broker has it."""
        if record[0] == TELEMETRY:
            self._samples.acknowledge(record[1], self._now)
        elif self._events.acknowledge(record[1], self._now) and self._reports:
            self._reported(record[1])

    def set_aside(self, record: Record) -> None:
        """The broker will never take it: it is kept where a person finds it."""
        stream = self._samples if record.stream == TELEMETRY else self._events
        if stream.acknowledge(record.seq, self._now):
            # Of a report that is refused no report is made: it would be refused as well.
            is_report = stream is self._events and b'"event":"dropped"' in record.payload
            stream.lose(REFUSED, 1, record.seq, record.seq, not is_report)
            stream.touch(self._now)
            self._set_aside(record.payload)

    def _set_aside(self, payload: bytes) -> None:
        if self._aside is None and self._logs is not None:
            from .aside import Aside  # rare

            try:
                self._aside = Aside(self._logs(_REFUSED), max(2048, self._bounds[TELEMETRY].disk_bytes // 64))
            except StoreError as error:
                self._trouble = error
        if self._aside is not None:
            self._aside.add(payload)

    def interrupted(self, now: int) -> None:
        """The connection ended: what is under way is sent again, first, in order, marked as a replay."""
        self._events.interrupted()
        self._samples.interrupted()

    def gaps(self) -> "list[Gap]":
        """What had to go since this was last asked."""
        found = []
        for stream in (self._events, self._samples):
            if stream.untold:
                for reason in sorted(stream.untold):
                    count, first, last = stream.untold[reason]
                    found.append(Gap(stream.name, count, first, last, reason))
                stream.untold = {}
        return found

    def flush_due(self, now: int) -> "int | None":
        """When flush() has something to do, or None."""
        self._now = now
        due = now if self._trouble is not None else None
        for stream in (self._events, self._samples):
            bounds = self._bounds[stream.name]
            at = stream.due(now, bounds.flush_ms, bounds.flush_records)
            if at is not None and (due is None or at < due):
                due = at
        return due if due is None else max(due, self._again_at)

    async def flush(self, only_due: bool = False, final: bool = False) -> None:
        """Bring to the disk what only memory has; then no power cut takes it away. Raises StoreError.

        `only_due`: of the records only those of a stream where it is time for that. `final`: the agent
        ends; nothing is added any more, so that no number is lost.
        """
        if self._flushing and not final:
            return
        self._flushing = True
        found, self._trouble = self._trouble, None
        trouble: StoreError | None = None
        try:
            # At the end the events come last: what has to go of the samples is told by one.
            for stream in (self._samples, self._events) if final else (self._events, self._samples):
                try:
                    await self._flush(stream, only_due, final)
                except StoreError as error:
                    trouble = trouble or error
            if self._aside is not None:
                await self._aside.flush()
        except StoreError as error:
            trouble = trouble or error
        finally:
            self._flushing = False
        if trouble is not None:
            self._again_at = self._now + _AGAIN_MS
        trouble = found or trouble
        if trouble is not None:
            raise trouble

    async def _flush(self, stream: Stream, only_due: bool, final: bool) -> None:
        now = self._now
        wall_ms = None if self._offset is None else now + self._offset
        await stream.flush(now, wall_ms, self._bounds[stream.name], only_due, final)
        if stream is self._events:
            for report in self._reports:
                if stream.is_stored(report[0]):
                    self._reported(report[0])

    def _report(self, stream: Stream, now: int) -> None:
        """Make events of what `stream` lost, so that the other side knows as well."""
        lost, stream.lost = stream.lost, {}
        t = None if self._offset is None else now + self._offset
        for reason in sorted(lost):
            count, first, last = lost[reason]
            fields = {"stream": stream.name, "count": count, "from": first, "to": last, "reason": reason}
            seq = self.add_event(t, "dropped", fields, now)
            self._reports = self._reports[-_MOST_REPORTS:] + [(seq, stream.name, reason, lost[reason])]
        self._note_reports()

    def _reported(self, seq: int) -> None:
        """The event `seq` is safe: what it tells of need not be kept any longer."""
        for report in self._reports:
            if report[0] == seq:
                (self._samples if report[1] == TELEMETRY else self._events).touch(self._now)
        self._reports = [report for report in self._reports if report[0] != seq]
        self._note_reports()

    def _note_reports(self) -> None:
        self._samples.reported, self._events.reported = {}, {}
        for _, name, reason, gap in self._reports:
            stream = self._samples if name == TELEMETRY else self._events
            join_gap(stream.reported, reason, gap[0], gap[1], gap[2])

    def _may_replay(self, now: int) -> bool:
        if now >= self._window_end:
            self._window_end = now + 1000
            self._replays_left = self._replay_rate
        return self._replays_left > 0 or not self._replay_rate
