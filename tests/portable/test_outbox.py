"""pairlet.core.outbox: what is promised is sent, once, in order, or told to be lost."""

import json

from model_log import finish
from outbox_device import HOUR, SECOND, WALL, Device, samples
from pairlet.core.errors import StoreError
from pairlet.core.outbox import EVENT, TELEMETRY, Bounds, Gap, Outbox


def test_what_is_acknowledged_before_the_next_flush_never_reaches_the_disk():
    device = Device()
    written = device.disks[TELEMETRY].appends
    for _ in range(100):
        device.sample()
        assert len(device.send()) == 1
    assert device.disks[TELEMETRY].appends == written and len(device.outbox) == 0


def test_a_payload_says_what_was_measured_and_when():
    device = Device()
    device.now = 5
    device.outbox.add_sample(WALL, {"cpu": 12.5, 'odd "name"': 3, "nan": float("nan"), "on": True}, 5)
    device.outbox.add_event(None, "door", {"open": True, "by": "cat"}, 5)
    event, sample = [json.loads(record.payload) for record in device.send()]
    assert event == {"t": None, "seq": 0, "event": "door", "open": True, "by": "cat"}
    assert sample == {"t": WALL, "seq": 0, "v": {"cpu": 12.5, 'odd "name"': 3, "on": True}}


def test_events_go_first():
    device = Device()
    device.sample(3)
    device.outbox.add_event(WALL, "door", {}, device.now)
    assert [record.stream for record in device.send()] == [EVENT, TELEMETRY, TELEMETRY, TELEMETRY]


def test_a_power_cut_costs_what_came_after_the_last_flush():
    device = Device()
    device.sample(30)  # 300 s: two flushes, the last at 250 s
    outbox = device.boot()
    kept = samples(device.send())
    assert kept == list(range(len(kept))) and len(kept) >= 18
    assert outbox.gaps()[0].reason == "restart" or outbox.gaps() == []


def test_numbers_grow_across_power_cuts_and_the_doubtful_ones_are_told():
    device = Device()
    seen = []
    for _ in range(20):
        device.sample(7)
        seen += samples(device.send())
        device.boot()
        gaps = [gap for gap in device.outbox.gaps() if gap.stream == TELEMETRY]
        assert [gap.reason for gap in gaps] == ["restart"]
        assert gaps[0].first <= seen[-1] + 1 and gaps[0].last >= seen[-1]
    assert seen == sorted(set(seen)) and len(seen) == 140


def test_a_stop_costs_no_number():
    device = Device()
    assert device.sample(7) == 6
    device.flush(final=True)
    device.boot()
    assert device.outbox.gaps() == []
    assert device.sample() == 7
    assert samples(device.send()) == list(range(8))


def test_what_was_under_way_is_sent_again_first_and_marked():
    device = Device()
    device.sample(3, step_ms=500)
    first = device.send(2, acknowledge=False)
    assert b"historical" not in first[0].payload
    device.outbox.interrupted(device.now)
    again = device.send()
    assert samples(again) == [0, 1, 2]
    assert [json.loads(record.payload).get("historical") for record in again] == [True, True, None]
    assert len(device.outbox) == 0


def test_under_way_at_a_power_cut_is_sent_again():
    device = Device()
    device.sample(20)
    device.send(5, acknowledge=False)
    device.boot()
    assert samples(device.send())[:8] == list(range(8))


def test_what_was_acknowledged_and_noted_does_not_come_again():
    device = Device()
    device.sample(20)
    device.send(10)
    device.now += 200 * SECOND
    device.flush()
    device.boot()
    assert samples(device.send())[0] == 10


def test_memory_does_not_grow_with_the_backlog():
    device = Device()
    device.sample(3000)
    outbox = device.outbox
    assert len(outbox) == 3000
    assert outbox._samples._bytes < 2000


def test_a_full_disk_costs_nothing_while_there_is_memory():
    device = Device()
    device.disks[TELEMETRY].room = 0
    try:
        device.sample(30)
        raise AssertionError("nothing was said")
    except StoreError:
        pass
    for _ in range(30):
        device.now += 10 * SECOND
        device.outbox.add_sample(WALL, {"cpu": 1}, device.now)
    assert len(samples(device.send())) == len(set(range(43)))


def test_no_room_thins_the_old_then_drops_the_oldest_and_tells():
    device = Device(Bounds(20000, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    device.sample(3000)
    assert sum([len(file) for file in device.disks[TELEMETRY].files.values()]) < 24000
    gaps = device.outbox.gaps()
    assert {gap.reason for gap in gaps} == {"thinned", "no room"}
    kept = samples(device.send())
    assert kept == sorted(set(kept)) and kept[-1] == 2999
    assert sum([gap.count for gap in gaps]) + len(kept) == 3000
    assert max([kept[at + 1] - kept[at] for at in range(len(kept) - 1)]) == 8
    assert kept[-60:] == list(range(2940, 3000))


def test_what_is_lost_is_published_as_an_event_also_after_a_power_cut():
    device = Device(Bounds(20000, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    device.sample(3000)
    lost = {gap.reason: gap for gap in device.outbox.gaps()}
    device.boot()
    events = [json.loads(record.payload) for record in device.send() if record.stream == EVENT]
    told = {event["reason"]: event for event in events if event["stream"] == TELEMETRY}
    for reason in ("thinned", "no room"):
        gap = lost[reason]
        event = told[reason]
        assert event["event"] == "dropped"
        assert (event["count"], event["from"], event["to"]) == (gap.count, gap.first, gap.last)
    device.now += 300 * SECOND
    device.flush()
    device.boot()
    events = [json.loads(record.payload) for record in device.send() if record.stream == EVENT]
    assert [event for event in events if event["reason"] not in ("restart",)] == []


def test_too_old_is_dropped_by_the_machines_clock():
    device = Device(Bounds(1 << 20, 65536, HOUR, 120 * SECOND, 500))
    device.sample(1000)
    gaps = device.outbox.gaps()
    assert [gap.reason for gap in gaps] == ["too old"]
    kept = samples(device.send())
    assert len(kept) + gaps[0].count == 1000 and len(kept) >= 360 and kept[-1] == 999


def test_after_a_restart_age_counts_only_with_a_clock_that_is_trusted_both_times():
    for trusted in ((True, True), (True, False), (False, True), (False, False)):
        device = Device(Bounds(20000, 4000, HOUR, 120 * SECOND, 500))
        if trusted[0]:
            device.outbox.clock_is(WALL, 0)
        device.sample(200)
        device.flush(final=True)
        device.now = 0
        device.boot()
        if trusted[1]:
            device.outbox.clock_is(WALL + 5 * HOUR, 0)
        device.outbox.add_event(None, "tick", {}, 1)
        device.flush()
        gone = [gap.count for gap in device.outbox.gaps() if gap.reason == "too old"]
        assert (len(gone) == 1 and gone[0] > 100) if trusted == (True, True) else gone == [], trusted


def test_a_sample_from_before_the_clock_was_known_gets_its_time_while_it_is_in_memory():
    device = Device()
    device.outbox.add_sample(None, {"x": 1}, 1000)
    device.outbox.clock_is(WALL, 5000)
    assert json.loads(device.send()[0].payload)["t"] == WALL - 4000
    device.outbox = Outbox(65536)
    device.outbox.add_sample(None, {"x": 1}, 1000)
    assert json.loads(device.send()[0].payload)["t"] is None


def test_replay_is_paced_and_live_samples_are_not():
    device = Device(replay_rate=50)
    device.sample(500)
    device.boot()
    started = device.now
    sent = 0
    while len(device.outbox):
        sent += len(device.send())
        due = device.outbox.due(device.now)
        if len(device.outbox):
            assert device.now < due <= device.now + SECOND
            device.now = due
    assert sent >= 488 and 9 * SECOND <= device.now - started <= 11 * SECOND
    for _ in range(5):
        device.sample(100, step_ms=1)
        assert len(samples(device.send())) == 100


def test_a_record_that_is_refused_is_set_aside_and_told():
    device = Device()
    device.sample(3)
    record = device.send(1, acknowledge=False)[0]
    device.outbox.set_aside(record)
    assert device.outbox.gaps() == [Gap(TELEMETRY, 1, 0, 0, "refused")]
    device.flush()
    assert device.disks["refused"].files[0] == record.payload + b"\n"
    assert [record.stream for record in device.send()] == [EVENT, TELEMETRY, TELEMETRY]


def test_a_refused_report_makes_no_report():
    device = Device()
    device.sample(1)
    device.outbox.set_aside(device.send(acknowledge=False)[0])
    report = device.send(acknowledge=False)[0]
    assert report.stream == EVENT
    device.outbox.set_aside(report)
    assert device.send() == []


def test_what_is_set_aside_is_bounded():
    device = Device(Bounds(65536, 65536, HOUR, 120 * SECOND, 500))
    for _ in range(500):
        device.sample()
        for record in device.send(acknowledge=False):
            device.outbox.set_aside(record)
        device.flush()
    assert 1000 < sum([len(file) for file in device.disks["refused"].files.values()]) < 3000


def test_numbers_far_beyond_32_bits():
    device = Device()
    device.outbox._samples.seq = 1 << 40
    device.sample(30)
    device.boot()
    kept = samples(device.send())
    assert kept == [(1 << 40) + index for index in range(len(kept))] and len(kept) >= 12


def accounted(outbox, count, kept):
    """Assert that each of `count` samples was kept or is lost with a word; return the losses by reason."""
    gaps = {gap.reason: gap for gap in outbox.gaps() if gap.stream == TELEMETRY}
    assert len(kept) + sum([gap.count for gap in gaps.values()]) == count
    missing = [seq for seq in range(count) if seq not in kept]
    ends = [gap.first for gap in gaps.values()] + [gap.last for gap in gaps.values()]
    assert [min(ends), max(ends)] == [missing[0], missing[-1]] if missing else not ends
    return gaps


def test_what_waits_in_memory_is_thinned_before_anything_is_dropped():
    # Without a disk, and with one that takes nothing any more.
    for disk in (False, True):
        for count in (60, 100, 300, 3000):
            device = Device(Bounds(1 << 20, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
            if disk:
                device.disks[TELEMETRY].room = device.disks[EVENT].room = 0
            else:
                device.outbox = Outbox(4000)
            for _ in range(count):
                device.now += 10 * SECOND
                device.outbox.add_sample(WALL + device.now, {"cpu": 12.5}, device.now)
                if disk and device.now % (100 * SECOND) == 0:
                    try:
                        device.flush()
                        raise AssertionError("nothing was said")
                    except StoreError:
                        pass
            kept = samples(device.send())
            gaps = accounted(device.outbox, count, kept)
            assert ("thinned" in gaps) == (count >= 100) and ("no room" in gaps) == (count >= 3000), gaps
            apart = [kept[at + 1] - kept[at] for at in range(len(kept) - 1)]
            assert max(apart) <= 8 and sum(apart[:10]) >= sum(apart[10:20]) >= sum(apart[20:30])
            assert kept[-1] == count - 1 and len(kept) > 30 and apart[-20:] == [1] * 20


def test_events_are_not_thinned_in_memory():
    outbox = Outbox(80000)
    for _ in range(300):
        outbox.add_event(WALL, "door", {"open": True}, 0)
    assert {gap.reason for gap in outbox.gaps()} == {"no room"}
    kept = []
    while (record := outbox.next(0)) is not None:
        kept.append(record.seq)
    doors = [seq for seq in kept if seq < 300]
    assert doors == list(range(doors[0], 300)) and len(doors) > 100


def test_what_is_on_its_way_to_the_disk_is_not_lost_from_memory():
    device = Device(Bounds(1 << 20, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    for _ in range(30):
        device.outbox.add_sample(WALL, {"cpu": 12.5}, 0)
    device.disks[TELEMETRY].is_slow = True
    flush = device.outbox.flush()
    flush.send(None)  # the disk has it, and has not answered yet
    for _ in range(100):
        device.outbox.add_sample(WALL, {"cpu": 12.5}, 0)
    device.disks[TELEMETRY].is_slow = False
    finish(flush)
    device.flush()
    accounted(device.outbox, 130, samples(device.send()))
