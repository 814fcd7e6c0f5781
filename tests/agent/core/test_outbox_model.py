"""The outbox against a simple model, whatever comes in whatever order: nothing promised is lost, all is told.

The disk answers when it likes, so that everything else can come between what it did and its word; it may be
full; and the power may go at any moment, with any part of what was being written or removed on the disk.
"""

import copy
import json
from collections.abc import Coroutine, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pairlet.core.errors import StoreError
from pairlet.core.outbox import EVENT, TELEMETRY, Bounds, Outbox, Record
from pairlet.core.stream import Stream
from portable.model_log import ModelLog, Pause

SECOND = 1000
WALL = 1700000000000
STREAMS = (TELEMETRY, EVENT)
# Small, so that there is no room all the time; age is short, so that time matters.
BOUNDS = Bounds(9000, 3000, 3600 * SECOND, 60 * SECOND, 12)
_SEGMENT = 2250
# What a record or a note may take beyond its bound: the newest of each is never dropped.
_ONE = 400


class SlowLog(ModelLog):
    """A log that does at once what it is asked for, says so later, and forgets part of it with the power."""

    def __init__(self) -> None:
        super().__init__()
        self.undo: list[tuple[int, bytes | None]] = []  # what was before, from the last to the first

    async def append(self, number: int, data: bytes) -> None:
        self.undo = [(number, self.files.get(number))]
        try:
            await super().append(number, data)
            await Pause()
        finally:
            self.undo = []

    async def remove(self, numbers: list[int]) -> None:
        self.undo = [(number, self.files.get(number)) for number in sorted(numbers, reverse=True)]
        await super().remove(numbers)
        await Pause()
        self.undo = []

    def cut(self, share: float) -> None:
        """The power goes, and `share` of what was being done is on the disk."""
        for number, before in self.undo[: len(self.undo) - int(share * len(self.undo))]:
            after = self.files.get(number)
            if after is not None:  # it was appended to
                kept = len(before or b"") + int(share * (len(after) - len(before or b"")))
                self.files[number] = after[:kept]
                if before is None and not kept:
                    del self.files[number]
            elif before is not None:
                self.files[number] = before
        self.undo = []


class Kept:
    """What the model knows of one stream."""

    def __init__(self) -> None:
        self.payloads: dict[int, str] = {}  # what was added, by number
        self.pending: set[int] = set()
        self.safe: set[int] = set()  # a flush said that no power cut takes them
        self.under_way: dict[int, Record] = {}
        self.waits_again: set[int] = set()  # was under way when the connection ended
        self.used = -1  # the highest number that left the device or is promised
        self.sent = -1  # the highest that left it
        self.position = -1  # the last that left it since the connection began
        self.gone: list[tuple[int, int, int]] = []  # count, first, last of what had to go
        self.done = 0  # all below it was acknowledged when a flush began that went well
        self.at_the_broker: set[int] = set()
        self.told: list[tuple[int, int]] = []  # first and last, by events that the broker has
        self.begin(0, 0)

    def begin(self, seq: int, waiting: int) -> None:
        """A run of the device begins, with so many records that wait."""
        self.seq0, self.waiting0 = seq, waiting
        self.acknowledged = self.lost = 0
        self.arrived: set[int] = set()
        self.told_while_under_way: set[int] = set()
        self.under_way, self.waits_again, self.position = {}, set(), -1

    def forget(self, numbers: "set[int]") -> None:
        """These need not be on the disk any more."""
        self.safe -= numbers
        self.pending -= numbers


class OutboxModel(RuleBasedStateMachine):
    """A device that takes samples and events, sends, flushes, and loses power."""

    @initialize(replay_rate=st.sampled_from([0, 5]))
    def boots_for_the_first_time(self, replay_rate: int) -> None:
        self.replay_rate = replay_rate
        self.count = 0
        self.fresh()

    def fresh(self) -> None:
        self.is_muted = False  # an event had to go, and with it what it may have told of
        self.disks = {name: SlowLog() for name in (*STREAMS, "refused")}
        self.kept = {name: Kept() for name in STREAMS}
        self.boot()

    def boot(self) -> None:
        self.now = 0
        self.work: Coroutine[Any, Any, None] | None = None
        self.flushes: set[tuple[str, int]] = set()
        self.floors = dict.fromkeys(STREAMS, 0)
        self.failed = False
        probe = self.opened(copy.deepcopy(self.disks))
        doubtful = probe.gaps()  # numbers that were perhaps in use
        self.drive(probe.flush())
        dropped = probe.gaps()  # where the start itself has to make room
        coming = drained(probe, 0)
        self.outbox = self.opened(self.disks)
        for name, kept in self.kept.items():
            stream = self.stream(name)
            waiting = [seq for seq, _ in coming[name] if seq < stream.seq]
            assert waiting == sorted(set(waiting))
            lost = [gap for gap in dropped if gap.stream == name]
            assert {gap.reason for gap in lost} <= {"no room", "too old", "thinned"}
            kept.gone += [(gap.count, gap.first, gap.last) for gap in lost]
            assert len(stream) == len(waiting) + sum(gap.count for gap in lost), "len() is not what comes"
            for seq, payload in coming[name]:
                if seq in kept.payloads:
                    assert plain(payload) == kept.payloads[seq], "torn, or another's"
                else:
                    assert name == EVENT and b'"event":"dropped"' in payload
            self.judge_promise(name, set(waiting))
            assert stream.seq > kept.used, "a number comes again"
            assert not waiting or waiting[0] >= kept.done, "what was done with comes again"
            told = kept.gone + [(gap.count, gap.first, gap.last) for gap in doubtful if gap.stream == name]
            # What was being thinned is noted ahead of that, and an event tells of it.
            told += [(count, first, last) for count, first, last in stream.lost.values()]
            for seq in kept.pending - set(waiting):
                assert any(first <= seq <= last for _, first, last in told), "lost without a word"
            kept.begin(stream.seq, len(stream))
            kept.payloads = {seq: text for seq, text in kept.payloads.items() if seq in waiting}
            # What was sent and noted is no repeat; what comes now is one.
            kept.safe = set(waiting)
            kept.pending = set()
            kept.gone = []
        self.outbox.gaps()
        self.drive(self.outbox.flush())

    def judge_promise(self, name: str, waiting: "set[int]") -> None:
        kept = self.kept[name]
        missing = kept.safe - waiting
        for seq in missing:
            assert any(first <= seq <= last for _, first, last in kept.gone), f"{name} {seq} was promised"
        assert len(missing) <= sum(count for count, _, _ in kept.gone)

    def opened(self, disks: "dict[str, SlowLog]") -> Outbox:
        return Outbox(BOUNDS, disks.__getitem__, self.replay_rate)

    def stream(self, name: str) -> Stream:
        return self.outbox._samples if name == TELEMETRY else self.outbox._events

    def drive(self, work: "Coroutine[Any, Any, None]") -> bool:
        """Have the disk answer until `work` is done; whether it went well."""
        try:
            while True:
                work.send(None)
        except StopIteration:
            return True
        except StoreError:
            return False
        finally:
            self.look()

    # ---- what happens ----

    @rule(count=st.integers(1, 9), size=st.integers(0, 120), step_ms=st.integers(0, 20 * SECOND))
    def takes_samples(self, count: int, size: int, step_ms: int) -> None:
        self.take(count, size, step_ms)

    @rule(count=st.integers(10, 300), size=st.integers(0, 40), step_ms=st.sampled_from([0, 100, 3000]))
    def is_away(self, count: int, size: int, step_ms: int) -> None:
        """Flushes when that is due, and sends nothing."""
        while count > 0:
            self.take(min(count, 10), size, step_ms)
            count -= 10
            due = self.outbox.flush_due(self.now)
            if self.work is None and due is not None and due <= self.now:
                self.flush_begins(True)
            if self.work is not None:
                self.disk_answers()

    def take(self, count: int, size: int, step_ms: int) -> None:
        for _ in range(count):
            self.now += step_ms
            self.count += 1
            values = {"n": self.count, "x" * size: 1}
            seq = self.outbox.add_sample(WALL + self.now, values, self.now)
            self.added(TELEMETRY, seq, {"t": WALL + self.now, "seq": seq, "v": values})

    @rule(size=st.integers(0, 60))
    def something_happens(self, size: int) -> None:
        self.count += 1
        seq = self.outbox.add_event(WALL, "door", {"n": self.count, "x" * size: 1}, self.now)
        self.added(EVENT, seq, {"t": WALL, "seq": seq, "event": "door", "n": self.count, "x" * size: 1})

    def added(self, name: str, seq: int, message: "dict[str, Any]") -> None:
        kept = self.kept[name]
        assert seq not in kept.payloads and seq >= kept.seq0
        kept.payloads[seq] = json.dumps(message, sort_keys=True)
        kept.pending.add(seq)
        self.look()

    @rule(count=st.integers(1, 20))
    def sends(self, count: int) -> None:
        for _ in range(count):
            if not self.send():
                break

    def send(self) -> bool:
        record = self.outbox.next(self.now)
        self.look()
        if record is None:
            return False
        kept = self.kept[record.stream]
        assert record.seq > kept.position, "out of order"
        assert record.seq not in kept.under_way and record.seq not in kept.arrived, "twice at a time"
        kept.position = record.seq
        historical = record.payload.endswith(b'"historical":true}')
        assert historical or record.seq > kept.sent, "a repeat that does not say so"
        if record.seq in kept.payloads:
            assert plain(record.payload) == kept.payloads[record.seq], "torn, or another's"
        else:
            assert record.stream == EVENT and b'"event":"dropped"' in record.payload
        kept.sent = max(kept.sent, record.seq)
        if not self.failed:
            kept.used = max(kept.used, record.seq)
        kept.under_way[record.seq] = record
        kept.waits_again.discard(record.seq)
        return True

    @rule(data=st.data(), name=st.sampled_from(STREAMS), aside=st.integers(0, 9))
    def broker_answers(self, data: st.DataObject, name: str, aside: int) -> None:
        kept = self.kept[name]
        if not kept.under_way:
            return
        seq = data.draw(st.sampled_from(sorted(kept.under_way)))
        self.answer(kept.under_way[seq], aside == 0)

    def answer(self, record: Record, aside: bool) -> None:
        kept = self.kept[record.stream]
        del kept.under_way[record.seq]
        kept.forget({record.seq})
        if aside:
            self.outbox.set_aside(record)
            kept.lost -= 1  # as one that is not lost as well: it counts once
        else:
            self.outbox.acknowledge(record)
            kept.at_the_broker.add(record.seq)
            self.hear(record)
        kept.acknowledged += 1
        kept.arrived.add(record.seq)
        self.look()

    def hear(self, record: Record) -> None:
        """The other side has the record."""
        message = json.loads(record.payload)
        if message.get("event") == "dropped":
            self.kept[message["stream"]].told.append((message["from"], message["to"]))

    @rule(share=st.floats(0.2, 1))
    def broker_answers_all(self, share: float) -> None:
        for name in STREAMS:
            waiting = sorted(self.kept[name].under_way.items())
            for _, record in waiting[: int(share * len(waiting)) + 1]:
                self.answer(record, False)

    @rule()
    def connection_ends(self) -> None:
        self.outbox.interrupted(self.now)
        for kept in self.kept.values():
            kept.waits_again |= set(kept.under_way)
            kept.under_way = {}
            kept.position = -1
        self.look()

    @rule(ms=st.one_of(st.integers(0, 5 * SECOND), st.integers(0, 900 * SECOND)))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @rule()
    def clock_is_set(self) -> None:
        self.outbox.clock_is(WALL + self.now, self.now)

    # ---- the disk ----

    @precondition(lambda self: self.work is None)
    @rule(only_due=st.booleans())
    def flush_begins(self, only_due: bool) -> None:
        self.outbox.flush_due(self.now)
        self.note_what_is_to_be_flushed(not only_due)
        self.work = self.outbox.flush(only_due)
        self.disk_answers()

    def note_what_is_to_be_flushed(self, everything: bool) -> None:
        self.flushes = set()
        self.floors = dict.fromkeys(STREAMS, 0)
        if everything:
            for name, kept in self.kept.items():
                self.flushes |= {(name, seq) for seq in kept.pending}
                waiting = kept.pending | kept.safe | set(kept.under_way) | kept.waits_again
                if waiting and not kept.lost:
                    self.floors[name] = min(waiting)

    @precondition(lambda self: self.work is not None)
    @rule()
    def disk_answers(self) -> None:
        assert self.work is not None
        try:
            self.work.send(None)
        except StopIteration:
            self.flushed()
        except StoreError:
            self.work = None
            self.failed = True  # numbers may come again from here on, until it works again
        finally:
            self.look()

    def flushed(self) -> None:
        self.work = None
        for name, seq in self.flushes:
            kept = self.kept[name]
            if seq in kept.pending:
                kept.pending.discard(seq)
                kept.safe.add(seq)
                kept.used = max(kept.used, seq)
        self.failed = False
        for name, kept in self.kept.items():
            kept.used = max(kept.used, kept.sent)
            kept.done = max(kept.done, self.floors[name])

    @precondition(lambda self: self.work is not None)
    @rule()
    def disk_finishes(self) -> None:
        while self.work is not None:
            self.disk_answers()

    @rule(room=st.one_of(st.none(), st.integers(0, 3000)))
    def disk_has_room_for(self, room: "int | None") -> None:
        for disk in self.disks.values():
            disk.room = None if room is None else room + sum(len(data) for data in disk.files.values())

    @rule(share=st.floats(0, 1), chance=st.integers(0, 2))
    def power_goes(self, share: float, chance: int) -> None:
        if chance:
            return
        for disk in self.disks.values():
            disk.cut(share)
            disk.room = None
        if self.work is not None:
            self.work.close()
        if self.failed:
            self.fresh()  # without a disk numbers may come again: what is known of them says nothing
        else:
            self.look()
            self.boot()

    @precondition(lambda self: self.work is None)
    @rule()
    def stops_in_good_order(self) -> None:
        self.note_what_is_to_be_flushed(True)
        if self.drive(self.outbox.flush(final=True)):
            self.flushed()
            numbers = {name: self.stream(name).seq for name in STREAMS}
            for disk in self.disks.values():
                disk.room = None
            self.boot()
            assert numbers[TELEMETRY] == self.kept[TELEMETRY].seq0, "a stop costs a number"
        else:
            self.failed = True

    @precondition(lambda self: self.work is None)
    @rule()
    def all_is_sent(self) -> None:
        """With a disk that works and a broker that answers all comes that will come, and nothing is left."""
        for disk in self.disks.values():
            disk.room = None
        for _ in range(2000):
            for name in STREAMS:
                for _, record in sorted(self.kept[name].under_way.items()):
                    self.answer(record, False)
            if not self.send():
                if not len(self.outbox):
                    break
                due = self.outbox.due(self.now)
                self.now = max(self.now + 1, due or 0)
                self.note_what_is_to_be_flushed(False)
                assert self.drive(self.outbox.flush(True))
                self.flushed()
        assert len(self.outbox) == 0, "it does not come to an end"
        samples = self.kept[TELEMETRY]
        for seq in () if self.is_muted else range(self.stream(TELEMETRY).seq):
            assert seq in samples.at_the_broker or any(
                first <= seq <= last for first, last in samples.told
            ), f"number {seq} is missing without a word"

    # ---- what holds ----

    def look(self) -> None:
        """Take note of what the outbox says it lost."""
        for gap in self.outbox.gaps() if hasattr(self, "outbox") else ():
            kept = self.kept[gap.stream]
            assert 0 < gap.count <= gap.last - gap.first + 1 and gap.last < self.stream(gap.stream).seq
            assert gap.reason in ("no room", "too old", "thinned", "refused"), gap
            kept.lost += gap.count
            self.is_muted = self.is_muted or gap.stream == EVENT
            numbers = set(range(gap.first, gap.last + 1))
            if gap.reason in ("no room", "too old"):
                # It may still arrive: what is under way of what had to go counts as lost.
                kept.told_while_under_way |= numbers & (set(kept.under_way) | kept.waits_again)
            kept.gone.append((gap.count, gap.first, gap.last))
            kept.pending -= numbers

    @invariant()
    def every_number_is_accounted_for(self) -> None:
        for name, kept in self.kept.items() if hasattr(self, "kept") else ():
            stream = self.stream(name)
            given = stream.seq - kept.seq0 + kept.waiting0
            told = kept.acknowledged + kept.lost - len(kept.told_while_under_way)
            assert given == told + len(stream), (name, given, told, len(stream))

    @invariant()
    def bounds_are_kept(self) -> None:
        if not hasattr(self, "outbox"):
            return
        for name in STREAMS:
            stream, bounds = self.stream(name), self.outbox._bounds[name]
            waiting = sum(len(entry[1]) for entry in stream._queue)
            assert waiting == stream._bytes <= bounds.memory_bytes
            used = sum(len(data) for data in self.disks[name].files.values())
            assert used <= bounds.disk_bytes + 2 * _SEGMENT + bounds.memory_bytes, (name, used)
        refused = sum(len(data) for data in self.disks["refused"].files.values())
        assert refused < 3 * 2048


def plain(payload: bytes) -> str:
    """What a payload says, but not whether it is a repeat."""
    message = json.loads(payload)
    message.pop("historical", None)
    return json.dumps(message, sort_keys=True)


def drained(outbox: Outbox, now: int) -> "dict[str, list[tuple[int, bytes]]]":
    """All that `outbox` sends, by stream."""
    found: dict[str, list[tuple[int, bytes]]] = {name: [] for name in STREAMS}
    for record in records(outbox, now):
        found[record.stream].append((record.seq, record.payload))
    return found


def records(outbox: Outbox, now: int) -> "Iterator[Record]":
    while True:
        record = outbox.next(now)
        if record is not None:
            yield record
        else:
            due = outbox.due(now)
            if due is None or due <= now:
                return
            now = due


OutboxModel.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestOutboxModel = OutboxModel.TestCase
