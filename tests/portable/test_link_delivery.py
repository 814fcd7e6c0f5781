"""How a link delivers: a window, in order, and nothing lost, in virtual time."""

import asyncio

from link_rig import HOUR, MINUTE, SECOND, LinkRig, seq_of
from model_log import ModelLog
from pairlet.core.outbox import Bounds, Outbox


def test_many_are_under_way_at_once_and_arrive_in_order():
    rig = LinkRig(latency_ms=100)
    rig.measure(300)
    rig.run(10 * SECOND)
    assert rig.seqs() == list(range(300))
    assert rig.broker.most_under_way == rig.broker.window
    assert not len(rig.outbox) and sum([fields["count"] for fields in rig.told("published")]) == 300
    # 300 of them, 20 at a time, each of which takes 100 ms.
    assert rig.link.last_acknowledged_at - 1000 <= 2 * SECOND


def test_events_go_first():
    rig = LinkRig(latency_ms=100)
    rig.measure(50)
    rig.outbox.add_event(None, "boot", {"reason": "power"}, rig.clock.now())
    rig.run(10 * SECOND)
    assert rig.payloads("event") == [{"t": None, "seq": 0, "event": "boot", "reason": "power"}]
    topics = [entry[1] for entry in rig.broker.journal if entry[0] == "publish"]
    assert topics[:3] == ["devices/d1/status", "devices/d1/event", "devices/d1/telemetry"]
    assert rig.seqs() == list(range(50))


def test_what_can_not_be_read_is_told_of_before_what_follows_is_sent():
    logs = {"telemetry": ModelLog(), "event": ModelLog()}
    outbox = Outbox(Bounds(1 << 20, 65536, HOUR, MINUTE, 500), logs.get)
    for _ in range(10):
        outbox.add_sample(None, {"x": 1}, 0)
    asyncio.run(outbox.flush(final=True))
    log = logs["telemetry"]
    outbox = Outbox(Bounds(1 << 20, 65536, HOUR, MINUTE, 500), logs.get)
    log.unreadable = list(log.files)
    rig = LinkRig(outbox=outbox)
    under_way = []
    hear = rig._hear

    def listen(event, **fields):
        hear(event, **fields)
        if event == "dropped":
            under_way.append(rig.link.oldest_unacknowledged_at)

    rig.link._emit = rig.link._delivery._emit = listen
    asyncio.run(outbox.flush())
    rig.measure(1)
    rig.run(MINUTE)
    assert [(gap["from"], gap["to"], gap["count"]) for gap in rig.told("dropped")] == [(0, 9, 10)]
    assert under_way == [None] and rig.seqs() == [10]


def test_a_broker_that_is_cut_off_every_two_seconds_gets_everything():
    rig = LinkRig(latency_ms=150)

    async def story():
        for _ in range(40):
            rig.measure(10)
            await rig.clock.sleep_until(rig.clock.now() + 2 * SECOND)
            rig.broker.kick()

    rig.run(HOUR, story())
    assert not rig.told("dropped") and not rig.errors() and not len(rig.outbox)
    assert_all_arrived(rig, 400)


def assert_all_arrived(rig, count):
    """Each of `count` samples, in order, and every one that came twice says so."""
    seqs, seen, last = [], set(), -1
    for payload in rig.payloads():
        seq = payload["seq"]
        if seq in seen:
            assert payload["historical"] is True
        else:
            assert seq > last, "out of order"
            last = seq
        seen.add(seq)
        seqs.append(seq)
    assert seen == set(range(count)), "lost: %s" % (set(range(count)) - seen)
    return len(seqs)


def test_connections_too_short_for_any_acknowledgement_cost_nothing():
    # The status gets through at times; each time the samples behind it are cut off at the same place.
    for latency_ms, lasts_ms in ((3000, 2000), (1000, 1100), (1000, 1300), (1000, 1900), (4000, 7000)):
        rig = LinkRig(latency_ms=latency_ms)
        rig.measure(3)
        rig.broker.lasts_ms = lasts_ms

        async def story(rig=rig):
            await rig.clock.sleep_until(2 * HOUR)
            assert len(rig.outbox)
            rig.broker.lasts_ms = 0

        rig.run(3 * HOUR, story())
        assert not rig.told("dropped") and not len(rig.outbox)
        assert_all_arrived(rig, 3)


def test_a_record_for_which_the_broker_hangs_up_is_set_aside():
    def accepts(message):
        return None if seq_of(message) == 7 else 0

    rig = LinkRig(accepts=accepts, latency_ms=50)
    rig.measure(30)
    rig.run(20 * MINUTE)
    assert rig.seqs() == [seq for seq in range(30) if seq != 7] or assert_all_but(rig, 30, 7)
    gone = {"count": 1, "stream": "telemetry", "reason": "refused", "from": 7, "to": 7}
    assert rig.told("dropped") == [gone]
    assert "number 7 of devices/d1/telemetry" in rig.errors()[0] and len(rig.errors()) == 1
    # Bounded tries: two to get suspicious, and six alone.
    assert rig.link.reconnects == 8
    assert rig.link.last_acknowledged_at < 8 * MINUTE


def assert_all_but(rig, count, gone):
    """Like assert_all_arrived, without one."""
    seen = set(rig.seqs())
    assert seen == {seq for seq in range(count) if seq != gone}
    return True


def test_several_such_records_and_a_window_of_others_between_them():
    bad = (0, 1, 25, 39)
    rig = LinkRig(accepts=lambda message: None if seq_of(message) in bad else 0, latency_ms=50)
    rig.measure(40)
    rig.run(2 * HOUR)
    assert {seq for seq in range(40) if seq not in bad} == set(rig.seqs())
    assert [fields["from"] for fields in rig.told("dropped")] == list(bad)


def test_a_broker_that_is_down_for_a_day_gets_everything_afterwards():
    rig = LinkRig(latency_ms=50)
    from pairlet.core.errors import TransportError

    async def story():
        rig.broker.check = lambda credentials: TransportError("connection refused")
        rig.broker.kick()
        for _ in range(6):
            rig.measure(10)
            await rig.clock.sleep_until(rig.clock.now() + 4 * HOUR)
        rig.broker.check = lambda credentials: 0

    rig.run(25 * HOUR, story())
    assert not rig.told("dropped") and assert_all_arrived(rig, 60) == 60
    assert all(payload.get("historical") for payload in rig.payloads())


def test_a_message_that_is_never_acknowledged_renews_the_link_and_is_kept():
    silenced = []

    def accepts(message):
        if seq_of(message) == 3 and not silenced:
            silenced.append(message)
            rig.broker.silent = True
        return 0

    rig = LinkRig(latency_ms=50)
    rig.broker.accepts = accepts
    rig.broker.check = lambda credentials: rig.broker.speak() if silenced else 0
    rig.measure(30)
    rig.run(5 * MINUTE)
    assert rig.reasons() == ["the broker acknowledges nothing for 15 s"]
    assert assert_all_arrived(rig, 30) == 30 and not rig.told("dropped")
    assert [payload["seq"] for payload in rig.payloads() if payload.get("historical")] == list(range(4, 30))


def test_a_silent_broker_makes_no_suspects():
    rig = LinkRig(latency_ms=50)
    rig.measure(5)
    rig.broker.silent = True
    connects = []

    def check(credentials):
        connects.append(rig.clock.now())
        if len(connects) > 12:
            rig.broker.speak()
        return 0

    rig.broker.check = check
    rig.run(3 * HOUR)
    assert not rig.told("dropped") and assert_all_arrived(rig, 5) == 5


def test_a_quota_is_waited_for():
    refused = []

    def accepts(message):
        if seq_of(message) is not None and len(refused) < 200:
            refused.append(rig.clock.now())
            return 0x97
        return 0

    rig = LinkRig(latency_ms=50)
    rig.broker.accepts = accepts
    rig.measure(30)
    rig.run(10 * HOUR)
    assert not rig.told("dropped") and assert_all_arrived(rig, 30) == 30
    assert rig.link.reconnects == 0 and len(rig.errors()) == 1
    # Each pause is told, so that nobody takes a broker's quota for an agent that hangs; the first is for all
    # that was under way.
    assert [fields["what"] for fields in rig.told("waiting")] == ["delivery"] * (len(refused) - 19)
    # Slower and slower, up to once a minute, one at a time.
    assert refused[150] - refused[100] > 30 * MINUTE


def test_what_is_refused_again_and_again_is_set_aside_without_a_reconnect():
    rig = LinkRig(accepts=lambda message: 0x80 if seq_of(message) == 4 else 0, latency_ms=50)
    rig.measure(30)
    rig.run(10 * MINUTE)
    assert [fields["from"] for fields in rig.told("dropped")] == [4]
    assert rig.link.reconnects == 0 and assert_all_but(rig, 30, 4)


def test_a_forbidden_record_gets_one_new_token_and_is_then_set_aside():
    rig = LinkRig(accepts=lambda message: 0x87 if seq_of(message) == 4 else 0, latency_ms=50)
    rig.measure(30)
    rig.run(10 * MINUTE)
    assert len(rig.keeper.asked) == 1 and rig.link.reconnects == 1
    assert [fields["from"] for fields in rig.told("dropped")] == [4]
    assert assert_all_but(rig, 30, 4)


def test_a_broker_may_refuse_and_hang_up():
    # mosquitto, where its queues are not limited.
    def accepts(message):
        if seq_of(message) != 4:
            return 0
        rig.broker.kick()
        return 0x87

    rig = LinkRig(latency_ms=50)
    rig.broker.accepts = accepts
    rig.measure(30)
    rig.run(30 * MINUTE)
    assert len(rig.keeper.asked) == 1
    assert [fields["from"] for fields in rig.told("dropped")] == [4]
    assert assert_all_but(rig, 30, 4)


def test_without_a_new_token_a_forbidden_record_is_kept():
    rig = LinkRig(accepts=lambda message: 0x87 if seq_of(message) == 4 else 0, latency_ms=50)
    rig.keeper.works = False
    rig.measure(30)
    rig.run(50 * MINUTE)
    assert not rig.told("dropped") and len(rig.outbox) and len(rig.keeper.asked) == 1


def test_a_forbidden_topic_keeps_its_samples_until_somebody_mends_the_broker():
    allowed = []
    rig = LinkRig(accepts=lambda message: 0x87 if seq_of(message) is not None and not allowed else 0)

    async def story():
        rig.measure(30)
        await rig.clock.sleep_until(6 * HOUR)
        allowed.append(True)

    rig.run(7 * HOUR, story())
    assert [fields["from"] for fields in rig.told("dropped")] == [0]
    assert rig.seqs() == list(range(1, 30)) and len(rig.keeper.asked) == 1
    assert len(rig.errors()) == 1


def test_forbidden_events_do_not_hold_up_the_samples():
    rig = LinkRig(accepts=lambda message: 0x87 if message.topic_name.endswith("/event") else 0)
    for number in range(10):
        rig.outbox.add_event(None, "boot", {"number": number}, rig.clock.now())
    rig.measure(30)
    rig.run(10 * MINUTE)
    # The outbox tells of them by events, which are refused as well.
    assert rig.seqs() == list(range(30)) and 10 <= len(rig.told("dropped")) <= 20
    assert len(rig.keeper.asked) == 1
