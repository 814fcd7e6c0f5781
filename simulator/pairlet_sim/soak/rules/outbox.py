"""Rule 6: lose no sample that was promised to be kept, seen from the disk and from the broker."""

import json
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..weather import HOUR_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

# The default of telemetry.flush, on a clock that may run at another speed, and what writing takes.
_FLUSHED_WITHIN_MS = 2 * 120 * SECOND_MS + 30 * SECOND_MS
_DELIVERED_WITHIN_MS = 10 * MINUTE_MS
# Within an hour: flushes of each stream, room that has to be made, numbers that are reserved.
_MOST_WRITES = 150
# A start reserves numbers of each stream, and its end gives them back and stores what waits.
_WRITES_OF_A_START = 6
_INTENDED = ("no room", "too old", "thinned", "refused")


def uses_no_number_twice(seq: int, highest: int) -> str:
    """Numbers grow, whatever happens to the device."""
    return f"a sample gets number {seq}, and {highest} was used before" if seq <= highest else ""


def keeps_order(seq: int, highest: int) -> str:
    """A sample comes for the first time after all that were taken before it, or not at all."""
    return f"sample {seq} comes for the first time, after {highest}" if seq < highest else ""


def marks_repeats(seq: int, historical: bool) -> str:
    """What may have arrived before says so."""
    return "" if historical else f"sample {seq} comes again and does not say so"


def accounts_for_every_number(missing: list[tuple[int, int]]) -> str:
    """Each number that never comes is in a record of a gap on P/event."""
    return f"numbers {missing[0][0]} to {missing[0][1]} are missing without a word" if missing else ""


def delivers_what_was_flushed(seqs: list[int]) -> str:
    """What was on the disk once comes, or was dropped on purpose and with a word."""
    return f"sample {seqs[0]} was on the disk and never came, as {len(seqs)} in all" if seqs else ""


def loses_no_more_than_a_flush(seq: int, age_ms: int) -> str:
    """A power cut costs what came after the last flush."""
    late = age_ms > _FLUSHED_WITHIN_MS
    return f"sample {seq} was lost with the power, {age_ms} ms after it was taken" if late else ""


def flushes_when_it_stops(seqs: list[int]) -> str:
    """An end in good order costs nothing."""
    return f"it stopped, and sample {seqs[0]} was neither on the disk nor with the broker" if seqs else ""


def tells_of_a_restart_only_after_one(clean: bool) -> str:
    """Nor does it cost a number."""
    return "it tells of numbers that a restart cost, after an end in good order" if clean else ""


def writes_in_batches(writes: int, measured: int, starts: int) -> str:
    """Samples are written together: a card wears out by the number of writes."""
    most = _MOST_WRITES + measured // 8 + starts * _WRITES_OF_A_START
    return f"it wrote {writes} times within an hour, for {measured} samples" if writes > most else ""


def reads_what_it_wrote(disk_failed: bool, count: int) -> str:
    """A disk that works gives back what it got."""
    return "" if disk_failed else f"it could not read {count} samples from a disk that works"


@lru_cache(maxsize=64)
def read(payload: bytes) -> dict[str, Any]:
    """The members of a sample or event, to be read only; it is looked at on each stage of its way."""
    members: dict[str, Any] = json.loads(payload.decode())
    return members


class OutboxWitness:
    """Sees samples from when they are taken to when they arrive."""

    def __init__(self, world: "World"):
        self._world = world
        self._used = -1  # the highest number that anybody may have seen
        self._arrived = -1  # and that has arrived
        self.with_more_room = -1  # measured up to here: files may be larger than the bounds of now
        self._pending: dict[int, int] = {}  # not safe yet: when it was taken
        self._kept: dict[int, int] = {}  # on the disk, and not arrived: since when
        self._refused: set[int] = set()
        self._missing: list[tuple[int, int]] = []
        self._told: list[tuple[int, int]] = []
        self._known = -1  # the highest number that the device has told of
        self._muted_to = -1  # events were lost, and what they had to tell of numbers up to this one
        self._disk_failed = False
        self._began_at, self._failed_at = 0, -1
        self._hour = 0
        self._writes = self._measured = self._starts = 0
        self._is_open = False
        self._stopped_well = True  # the last process that opened the outbox
        self._began_well = True  # and what came before the present one

    @property
    def waiting(self) -> int:
        """How many samples have not arrived."""
        return len(self._pending) + len(self._kept)

    # ---- on the device ----

    def begins(self, process: "Process") -> None:
        """`pairlet run` starts."""
        self._is_open = False
        self._began_at = self._world.schedule.now
        self._pending = {}

    def has_less_room(self) -> None:
        """From now on it is configured to keep less. What has to go, goes by whole files."""
        self.with_more_room = self._used

    def opened(self) -> None:
        """It opens the outbox, which one without a token does not: that leaves all as it was."""
        if not self._is_open:
            self._is_open = True
            self._began_well, self._stopped_well = self._stopped_well, False
            self._look_at_the_hour()
            self._starts += 1

    def _look_at_the_hour(self) -> None:
        hour = self._world.schedule.now // HOUR_MS
        if hour != self._hour:
            self._hour = hour
            self._writes = self._measured = self._starts = 0

    def taken(self, seq: int) -> None:
        """A sample gets a number."""
        if not self._disk_failed:
            self._world.judge(uses_no_number_twice, seq, self._used)
        self._pending[seq] = self._world.schedule.now
        self._known = max(self._known, seq)
        self._measured += 1

    def kept(self, name: str, data: bytes) -> None:
        """Bytes are on the disk for good."""
        self._look_at_the_hour()
        self._writes += 1
        self._world.judge(writes_in_batches, self._writes, self._measured, self._starts)
        for seq in _samples_in(data) if name == "telemetry" else ():
            if self._pending.pop(seq, None) is not None:
                self._kept[seq] = self._world.schedule.now
                self._used = max(self._used, seq)

    def sent(self, seq: int) -> None:
        """A sample leaves the device. Without a disk its number may come again."""
        if not self._disk_failed:
            self._used = max(self._used, seq)

    def dropped(self, fields: dict[str, Any]) -> None:
        """The agent tells of a loss."""
        if fields["reason"] == "restart":
            self._world.judge(tells_of_a_restart_only_after_one, self._began_well and not self._disk_failed)
        if fields["stream"] != "telemetry":
            # With an event that no broker takes goes what it has to tell. No power cut takes that away.
            if fields["reason"] != "restart":
                self._muted_to = self._known
            return
        self._known = max(self._known, fields["to"])
        if fields["reason"] == "unreadable":
            self._world.judge(reads_what_it_wrote, self._disk_failed, fields["count"])
        self._let_go(fields)
        if fields["reason"] == "refused":
            # A broker that refuses a sample may refuse what tells of it.
            self._told.append((fields["from"], fields["to"]))

    def _let_go(self, gap: dict[str, Any]) -> None:
        if gap["reason"] in (*_INTENDED, "unreadable"):
            for seqs in (self._kept, self._pending):
                for seq in [seq for seq in seqs if gap["from"] <= seq <= gap["to"]]:
                    del seqs[seq]

    def disk_fails(self) -> None:
        """Without a disk it goes on in memory, and promises less."""
        self._disk_failed = True
        self._failed_at = self._world.schedule.now
        self._kept = {}

    def dies(self) -> None:
        """Power or process are gone in this moment."""
        now, device = self._world.schedule.now, self._world.device
        if self._pending and not self._disk_failed and device.frozen_until < now - _FLUSHED_WITHIN_MS:
            seq = min(self._pending)
            self._world.judge(loses_no_more_than_a_flush, seq, now - self._pending[seq])

    def stopped(self, error: "BaseException | None") -> None:
        """It has come to its end in good order."""
        if self._is_open:
            self._stopped_well = error is None
        if error is None and not self._disk_failed:
            self._world.judge(flushes_when_it_stops, sorted(self._pending))

    # ---- at the broker ----

    def refused(self, seq: int) -> None:
        """The broker did not take it, and may have taken what was sent behind it."""
        self._refused.add(seq)

    def arrived(self, topic: str, payload: bytes) -> None:
        """The broker has taken a message."""
        if topic.endswith("/telemetry"):
            sample = read(payload)
            self._sample_arrived(sample["seq"], sample.get("historical") is True)
        elif topic.endswith("/event"):
            event = read(payload)
            if event["event"] == "dropped" and event["stream"] == "telemetry":
                self._let_go(event)
                self._told.append((event["from"], event["to"]))
                self._missing = _without(self._missing, event["from"], event["to"])

    def _sample_arrived(self, seq: int, historical: bool) -> None:
        world = self._world
        self._pending.pop(seq, None)
        self._kept.pop(seq, None)
        if seq > self._arrived:
            missing = [(self._arrived + 1, seq - 1)] if seq > self._arrived + 1 else []
            for first, last in self._told:
                missing = _without(missing, first, last)
            self._missing += missing
            self._told = [told for told in self._told if told[1] > seq]
            self._arrived = seq
        elif any(first <= seq <= last for first, last in self._missing):
            if seq not in self._refused and not self._disk_failed:
                world.judge(keeps_order, seq, self._arrived)
            self._missing = _without(self._missing, seq, seq)
        elif not self._disk_failed and seq not in self._refused:
            world.judge(marks_repeats, seq, historical)
        self._refused.discard(seq)

    def settled(self) -> None:
        """Nothing has been wrong for long, and the device is connected: all has come that will come."""
        world, now = self._world, self._world.schedule.now
        if not self._disk_failed:
            world.judge(accounts_for_every_number, _without(self._missing, 0, self._muted_to))
            late = [seq for seq in sorted(self._kept) if now - self._kept[seq] > _DELIVERED_WITHIN_MS]
            world.judge(delivers_what_was_flushed, late)
        self._missing = []
        # One that could not read its disk when it started works in memory until its end.
        self._disk_failed = self._failed_at >= self._began_at


def _samples_in(data: bytes) -> list[int]:
    """The numbers of the samples in a piece of a segment: CRC, number, length, value and so on."""
    found, at = [], 0
    while at < len(data):
        _, number, length = struct.unpack_from("<III", data, at)
        if data[at + 12 : at + 13] == b"{":
            found.append(number | length >> 20 << 32)
        at += 12 + (length & 0xFFFFF)
    return found


def _without(ranges: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """`ranges` of numbers less those from `first` to `last`."""
    left = []
    for begin, end in ranges:
        if last < begin or first > end:
            left.append((begin, end))
            continue
        if begin < first:
            left.append((begin, first - 1))
        if end > last:
            left.append((last + 1, end))
    return left
