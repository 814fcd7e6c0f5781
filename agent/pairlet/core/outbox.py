"""What waits for the broker, bounded in bytes: the oldest go first when there is no room.

This one lives in memory: what waits is lost with the process.
"""

import json
from collections import namedtuple

from .telemetry import finite

TELEMETRY = "telemetry"
EVENT = "event"

# What is to be published: `stream` is TELEMETRY or EVENT, `seq` its number there, `payload` bytes.
Record = namedtuple("Record", ("stream", "seq", "payload"))

# What had to go: how many of a stream, the first and last of their numbers, and why: one of
# "no room" and "refused".
Gap = namedtuple("Gap", ("stream", "count", "first", "last", "reason"))

# What waited longer than this for the broker is a replay.
_FRESH_MS = 3000


class Outbox:
    """Two queues, events and samples, of at most `limit_bytes` together. Events go out first."""

    def __init__(self, limit_bytes: int):
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._seqs = {EVENT: 0, TELEMETRY: 0}
        # What waits: (Record, when it was added); and what is under way, in the same order.
        self._waiting: dict[str, list[tuple[Record, int]]] = {EVENT: [], TELEMETRY: []}
        self._under_way: list[Record] = []
        self._gaps: list[Gap] = []

    def __len__(self) -> int:
        """How many records are not acknowledged."""
        return len(self._under_way) + sum([len(queue) for queue in self._waiting.values()])

    def add_sample(self, t: "int | None", values: "dict[str, int | float]", now: int) -> int:
        """Queue a sample taken at `t` (Unix time in ms, None while the clock is unset); return its seq."""
        seq = self._seqs[TELEMETRY]
        return self._add(TELEMETRY, {"t": t, "seq": seq, "v": finite(values)}, now)

    def add_event(self, t: "int | None", name: str, fields: "dict[str, object]", now: int) -> int:
        """Queue an event with `fields` (JSON values); return its seq."""
        record: dict[str, object] = {"t": t, "seq": self._seqs[EVENT], "event": name}
        record.update(fields)
        return self._add(EVENT, record, now)

    def _add(self, stream: str, members: "dict[str, object]", now: int) -> int:
        seq = self._seqs[stream]
        self._seqs[stream] += 1
        record = Record(stream, seq, json.dumps(members, separators=(",", ":")).encode())
        self._waiting[stream].append((record, now))
        self._bytes += len(record.payload)
        dropped = []
        queue = self._waiting[TELEMETRY] or self._waiting[EVENT]
        while self._bytes > self._limit_bytes and len(self) > 1 and queue:
            oldest = queue.pop(0)[0]
            self._bytes -= len(oldest.payload)
            dropped.append(oldest)
        if dropped:
            stream = dropped[0].stream
            self._gaps.append(Gap(stream, len(dropped), dropped[0].seq, dropped[-1].seq, "no room"))
        return seq

    def next(self, now: int) -> "Record | None":
        """The next to send, which is under way from now on; None when there is none."""
        queue = self._waiting[EVENT] or self._waiting[TELEMETRY]
        if not queue:
            return None
        record, added_at = queue.pop(0)
        if now - added_at > _FRESH_MS:
            record = _historical(record)
        self._under_way.append(record)
        return record

    def due(self, now: int) -> "int | None":
        """When next() may have something although it has nothing now: never."""
        return None

    def acknowledge(self, record: Record) -> None:
        """The broker has it."""
        if record in self._under_way:
            self._under_way.remove(record)
            self._bytes -= len(record.payload)

    def set_aside(self, record: Record) -> None:
        """The broker will never take it."""
        if record in self._under_way:
            self.acknowledge(record)
            self._gaps.append(Gap(record.stream, 1, record.seq, record.seq, "refused"))

    def interrupted(self, now: int) -> None:
        """What is under way is sent again, first, in order, and marked as a replay."""
        for record in reversed(self._under_way):
            self._waiting[record.stream].insert(0, (_historical(record), now))
        self._under_way = []

    def gaps(self) -> "list[Gap]":
        """What had to go since this was last asked."""
        gaps, self._gaps = self._gaps, []
        return gaps

    async def flush(self) -> None:
        """Nothing is kept beyond the process."""

    def flush_due(self, now: int) -> "int | None":
        """When flush() has something to do: never."""
        return None


def _historical(record: Record) -> Record:
    """`record` with "historical": true, so that whoever gets it twice knows."""
    mark = b',"historical":true}'
    if record.payload.endswith(mark):
        return record
    return Record(record.stream, record.seq, record.payload[:-1] + mark)
