"""What a link does for the downlink: subscription, messages in, replies out, retained messages."""

from link_rig import HOUR, MINUTE, SECOND, LinkRig
from pairlet.core.mqtt import Message


class Downlink:
    """Keeps what it is given and answers each message, after `takes_ms`."""

    topic_filters = ["devices/d1/cmd/+"]

    def __init__(self, takes_ms=0, retained=0):
        self.rig = None
        self.takes_ms = takes_ms
        self.retained = [
            Message("homeassistant/device/%d/config" % number, b"{}", 1, True) for number in range(retained)
        ]
        self.received = []
        self.connects = 0

    async def receive(self, message):
        if self.takes_ms:
            await self.rig.clock.sleep_until(self.rig.clock.now() + self.takes_ms)
        self.received.append(message)
        self.rig.link.reply(Message("devices/d1/reply/ping", message.payload, 1, False))

    def news(self):
        self.connects += 1
        return list(self.retained)


def make_rig(takes_ms=0, retained=0, **options):
    downlink = Downlink(takes_ms, retained)
    downlink.rig = rig = LinkRig(downlink=downlink, **options)
    return rig, downlink


def command(number):
    return Message("devices/d1/cmd/ping", b'{"id":%d}' % number, 1, False)


def replies_of(rig):
    topic = ("publish", "devices/d1/reply/ping")
    return [entry[2] for entry in rig.broker.journal if entry[:2] == topic]


def test_it_subscribes_after_each_connect_and_answers():
    rig, downlink = make_rig()

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        rig.broker.deliver(command(1))
        rig.broker.deliver(command(2))
        await rig.clock.sleep_until(10 * SECOND)
        rig.broker.kick()

    rig.run(MINUTE, story())
    assert rig.broker.subscribed == ["devices/d1/cmd/+"] * 2 and downlink.connects == 2
    assert downlink.received == [command(1), command(2)]
    assert replies_of(rig) == [b'{"id":1}', b'{"id":2}']


def test_a_command_outlives_the_connection_that_it_came_over_and_its_answer_does_not():
    rig, downlink = make_rig(takes_ms=10 * SECOND)

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        rig.broker.deliver(command(1))
        await rig.clock.sleep_until(8 * SECOND)
        rig.broker.check = lambda credentials: 3
        rig.broker.kick()

    rig.run(MINUTE, story())
    assert downlink.received == [command(1)] and not replies_of(rig)


def test_an_answer_outlives_the_renewal_of_the_token():
    rig, downlink = make_rig(takes_ms=100)

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        rig.broker.latency_ms = 200
        rig.broker.deliver(command(1))
        await rig.clock.sleep_until(5 * SECOND + 1)
        rig.keeper.next()
        rig.link.token_renewed()

    rig.run(MINUTE, story())
    assert replies_of(rig) == [b'{"id":1}']


def test_no_command_is_lost_where_many_wait_and_the_token_is_renewed():
    rig, downlink = make_rig(takes_ms=10 * SECOND)
    next_event = rig.broker.next_event
    taken = []  # and thereby acknowledged: the broker will not send it again

    async def take():
        event = await next_event()
        taken.append(event.message)
        return event

    async def story():
        rig.broker.next_event = take
        await rig.clock.sleep_until(5 * SECOND)
        for number in range(9):
            rig.broker.deliver(command(number))
        await rig.clock.sleep_until(6 * SECOND)
        rig.keeper.next()
        rig.link.token_renewed()

    rig.run(3 * MINUTE, story())
    assert rig.link.reconnects == 1 and len(taken) >= 5
    assert downlink.received == taken == [command(number) for number in range(len(taken))]


def test_a_handler_that_hangs_holds_up_neither_the_samples_nor_the_link():
    rig, downlink = make_rig(takes_ms=HOUR)

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        for number in range(30):
            rig.broker.deliver(command(number))
        rig.measure(30)

    rig.run(MINUTE, story())
    assert rig.seqs() == list(range(30)) and downlink.received == []


def test_retained_messages_go_out_one_by_one_and_hold_up_nothing():
    rig, downlink = make_rig(retained=40, latency_ms=100)
    rig.measure(200)
    rig.run(MINUTE)
    topics = [entry[1] for entry in rig.broker.journal if entry[0] == "publish"]
    assert len([topic for topic in topics if topic.startswith("homeassistant/")]) == 40
    assert rig.seqs() == list(range(200))
    # The samples have not waited for them.
    last = max([index for index, topic in enumerate(topics) if topic == "devices/d1/telemetry"])
    assert len([topic for topic in topics[last:] if topic.startswith("homeassistant/")]) >= 25


def test_without_a_connection_an_answer_is_dropped_and_so_are_too_many():
    rig, downlink = make_rig()
    rig.link.reply(command(1))

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        rig.broker.silent = True
        for number in range(100):
            rig.link.reply(Message("devices/d1/reply/ping", b"%d" % number, 1, False))
        await rig.clock.sleep_until(6 * SECOND)
        rig.broker.speak()

    rig.run(MINUTE, story())
    assert replies_of(rig) == [b"%d" % number for number in range(len(replies_of(rig)))]
    assert 20 <= len(replies_of(rig)) < 40


def test_a_broker_that_hangs_up_on_the_subscription_still_gets_the_samples():
    rig, downlink = make_rig()
    broker = rig.broker
    granted = broker.subscribe

    async def subscribe(topic_filter, qos):
        broker.kick()
        return await granted(topic_filter, qos)

    broker.subscribe = subscribe
    rig.measure(30)
    rig.run(30 * MINUTE)
    assert rig.seqs() == list(range(30)) and rig.link.reconnects == 3
    assert any("cmd/+" in error for error in rig.errors())


def test_a_refused_subscription_is_said_and_costs_nothing():
    rig, downlink = make_rig()

    async def refuse(topic_filter, qos):
        return 0x87

    rig.broker.subscribe = refuse
    rig.measure(30)
    rig.run(MINUTE)
    assert rig.seqs() == list(range(30)) and rig.link.reconnects == 0
    assert ["cmd/+" in error for error in rig.errors()] == [True]


def test_a_broker_that_hangs_up_on_retained_messages_still_gets_the_samples():
    def accepts(message):
        return None if message.topic_name.startswith("homeassistant/") else 0

    rig, downlink = make_rig(retained=3, accepts=accepts)
    rig.measure(30)
    rig.run(30 * MINUTE)
    assert set(rig.seqs()) == set(range(30)) and not rig.told("dropped")
    assert rig.link.reconnects == 3 and len(rig.errors()) == 1


def test_a_broker_that_hangs_up_on_the_status_still_gets_the_samples():
    rig, downlink = make_rig(accepts=lambda message: None if message.topic_name.endswith("/status") else 0)
    rig.measure(30)
    rig.run(30 * MINUTE)
    assert rig.seqs() == list(range(30)) and rig.link.reconnects == 3
    assert any("status" in error for error in rig.errors())


def test_an_answer_that_is_refused_is_said_and_forgotten():
    rig, downlink = make_rig(accepts=lambda message: 0x87 if "/reply/" in message.topic_name else 0)

    async def story():
        await rig.clock.sleep_until(5 * SECOND)
        rig.broker.deliver(command(1))
        rig.broker.deliver(command(2))

    rig.run(MINUTE, story())
    assert len(rig.errors()) == 1 and rig.link.reconnects == 0 and len(downlink.received) == 2


def test_figures_of_the_link():
    rig, downlink = make_rig(latency_ms=1000)
    seen = []

    async def story():
        link = rig.link
        seen.append((link.connected_at, link.reconnects, link.last_acknowledged_at))
        await rig.clock.sleep_until(5 * SECOND)
        rig.measure(1)
        seen.append((link.connected_at is not None, link.oldest_unacknowledged_at))
        await rig.clock.sleep_until(7 * SECOND)
        seen.append((link.last_acknowledged_at, link.oldest_unacknowledged_at))
        rig.broker.kick()
        await rig.clock.sleep_until(30 * SECOND)
        seen.append((link.reconnects, link.connected_at is not None))

    rig.run(MINUTE, story())
    assert seen == [(None, 0, None), (True, 5 * SECOND), (6 * SECOND, None), (1, True)]
