"""The echo check: whether samples that a broker acknowledges come back from it."""

from link_rig import MINUTE, SECOND, LinkRig


def swallowing(rig, swallowed):
    """A broker that acknowledges all and, while `swallowed` says so, passes nothing on."""
    keep = rig.broker._keep

    def lose(message, code):
        if not (message.topic_name.endswith("/telemetry") and swallowed(rig)):
            keep(message, code)

    rig.broker._keep = lose


def test_samples_that_come_back_are_no_news():
    rig = LinkRig(echo_every=10)
    rig.measure(100)
    rig.run(5 * MINUTE)
    assert rig.broker.subscribed == ["devices/d1/telemetry"]
    assert not rig.errors() and rig.link.reconnects == 0 and rig.seqs() == list(range(100))


def test_samples_that_do_not_come_back_are_said_once_and_bring_one_new_token():
    rig = LinkRig(echo_every=10)
    swallowing(rig, lambda rig: True)

    async def story():
        for _ in range(50):
            rig.measure(10)
            await rig.clock.sleep_until(rig.clock.now() + 10 * SECOND)

    rig.run(20 * MINUTE, story())
    assert len(rig.errors()) == 1
    assert "does not pass them on" in rig.errors()[0]
    assert len(rig.keeper.asked) == 1 and rig.link.reconnects == 1


def test_a_token_that_has_ended_is_found_out():
    # mosquitto-go-auth with MQTT 3.1.1: the link stays, and what is published is acknowledged and gone.
    rig = LinkRig(echo_every=5)
    swallowing(rig, lambda rig: rig.clock.now() > MINUTE and rig.broker.passwords[-1] == "token-1")

    async def story():
        for _ in range(60):
            rig.measure(1)
            await rig.clock.sleep_until(rig.clock.now() + 5 * SECOND)

    rig.run(6 * MINUTE, story())
    assert rig.broker.passwords == ["token-1", "token-2"]
    assert len(rig.seqs()) > 45 and len(rig.errors()) == 1


def test_a_broker_that_refuses_the_subscription_is_not_suspected():
    rig = LinkRig(echo_every=5)

    async def refuse(topic_filter, qos):
        return 0x87

    rig.broker.subscribe = refuse
    rig.measure(50)
    rig.run(5 * MINUTE)
    assert rig.seqs() == list(range(50)) and len(rig.errors()) == 1 and rig.link.reconnects == 0
    assert "refused the subscription to devices/d1/telemetry" in rig.errors()[0]
