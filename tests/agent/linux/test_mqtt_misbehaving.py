"""PahoMqtt against a peer that refuses, stalls and cuts: typed errors, and nothing hangs."""

import asyncio

import pytest
from pairlet.core.errors import BrokerError, TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Credentials, Event, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from support.fake_broker import (
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    FakeBroker,
    Peer,
    connack,
    disconnect,
    puback,
    publish,
    suback,
)

CREDENTIALS = Credentials("device", Secret("token-that-nobody-sees"))
SAMPLE = Message("telemetry", b"sample-that-nobody-logs", 1, False)
LEVELS = {"5": 5, "3.1.1": 4}


def client(port: int, version: str = "5", **more: object) -> PahoMqtt:
    return PahoMqtt(
        url=f"mqtt://127.0.0.1:{port}", client_id="device", insecure=True, version=version, **more
    )  # type: ignore[arg-type]


async def soon(mqtt: PahoMqtt) -> Event:
    """The next event; TimeoutError where there is none to come."""
    return await asyncio.wait_for(mqtt.next_event(), 30)


@pytest.mark.parametrize("version", LEVELS)
def test_no_connack_is_a_time_out_and_drops_the_will(version: str) -> None:
    async def run() -> None:
        rest = []

        async def hangs(peer: Peer) -> None:
            await peer.expect(CONNECT)
            rest.extend(await peer.closed())

        async with FakeBroker(hangs) as broker:
            with pytest.raises(TransportError, match="did not answer CONNECT"):
                await client(broker.port, version, connect_timeout_s=1.0).connect(CREDENTIALS, SAMPLE)
            while not rest:
                await asyncio.sleep(0)
        assert [each.type for each in rest] == [DISCONNECT]

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("version", LEVELS)
def test_a_close_after_connect(version: str, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(CONNECT)
        if how == "reset":
            peer.reset()

    async def run() -> None:
        async with FakeBroker(script) as broker:
            with pytest.raises(TransportError, match="no CONNACK"):
                await client(broker.port, version).connect(CREDENTIALS, None)

    asyncio.run(run())


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6])
def test_connack_return_codes_of_3_1_1(code: int) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(code, version=4))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(refuses) as broker:
            with pytest.raises(BrokerError) as caught:
                await client(broker.port, "3.1.1").connect(CREDENTIALS, None)
            # 6 and above are reserved: that the broker refused is all there is to tell.
            assert caught.value.reason_code == (code if code < 6 else 0x80)
            assert broker.connections == 1  # paho would like to try MQTT 3.1 after a 1

    asyncio.run(run())


@pytest.mark.parametrize("code", [0x80, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x97, 0x9D])
def test_connack_reason_codes_of_5(code: int) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(code))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(refuses) as broker:
            with pytest.raises(BrokerError) as caught:
                await client(broker.port).connect(CREDENTIALS, None)
            assert caught.value.reason_code == code

    asyncio.run(run())


@pytest.mark.parametrize("version", LEVELS)
def test_a_withheld_puback_waits_until_the_connection_ends(version: str) -> None:
    level = LEVELS[version]

    async def run() -> None:
        cut = asyncio.Event()

        async def withholds(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0, version=level))
            first = await peer.expect(PUBLISH)
            await peer.expect(PUBLISH)
            await peer.send(puback(first.packet_id, version=level))
            await cut.wait()

        async with FakeBroker(withholds) as broker:
            mqtt = client(broker.port, version)
            await mqtt.connect(CREDENTIALS, None)
            first = asyncio.ensure_future(mqtt.publish(SAMPLE))
            second = asyncio.ensure_future(mqtt.publish(SAMPLE))
            assert await first == 0
            assert not second.done()
            cut.set()
            with pytest.raises(TransportError, match="lost"):
                await second
            event = await soon(mqtt)
            assert (event.kind, event.message) == (DISCONNECTED, None)
            assert "lost" in event.reason
            with pytest.raises(TransportError):
                await mqtt.publish(SAMPLE)

    asyncio.run(run())


def test_a_message_that_failed_is_not_sent_again_by_paho() -> None:
    async def run() -> list[int]:
        after = []

        async def cuts(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0))
            await peer.expect(PUBLISH)

        async def records(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0, session_present=True))
            after.extend(await peer.closed())

        async with FakeBroker(cuts, records) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            outcomes = await asyncio.gather(
                *(mqtt.publish(SAMPLE) for _ in range(50)), return_exceptions=True
            )
            assert all(isinstance(outcome, TransportError) for outcome in outcomes)
            assert await mqtt.connect(CREDENTIALS, None) is True
            await mqtt.disconnect()
            while not after:
                await asyncio.sleep(0)
        return [each.type for each in after]

    assert asyncio.run(asyncio.wait_for(run(), 30)) == [DISCONNECT]


@pytest.mark.parametrize("code", [0x87, 0x8E, 0xA0, 0x98, 0x00])
def test_a_disconnect_of_the_broker_names_its_reason_code(code: int) -> None:
    async def ends(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0) + disconnect(code))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(ends) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            event = await soon(mqtt)
            assert event.kind == DISCONNECTED
            assert f"(0x{code:02X})" in event.reason

    asyncio.run(run())


@pytest.mark.parametrize("version", LEVELS)
def test_a_refused_subscription(version: str) -> None:
    level = LEVELS[version]
    refusal = 0x87 if version == "5" else 0x80

    async def refuses(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0, version=level))
        for code in (refusal, 1):
            await peer.send(suback((await peer.expect(SUBSCRIBE)).packet_id, code, version=level))
        await peer.closed()

    async def run() -> list[int]:
        async with FakeBroker(refuses) as broker:
            mqtt = client(broker.port, version)
            await mqtt.connect(CREDENTIALS, None)
            answers = [await mqtt.subscribe("forbidden/#", 1), await mqtt.subscribe("allowed/#", 1)]
            await mqtt.disconnect()
            return answers

    assert asyncio.run(run()) == [refusal, 1]


def test_a_subscription_that_is_never_answered() -> None:
    async def ignores(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(ignores) as broker:
            mqtt = client(broker.port, connect_timeout_s=1.0)
            await mqtt.connect(CREDENTIALS, None)
            with pytest.raises(TransportError, match="SUBSCRIBE"):
                await mqtt.subscribe("cmd/+", 1)
            await mqtt.disconnect()

    asyncio.run(run())


def test_qos_1_is_acknowledged_when_taken_and_not_before() -> None:
    async def run() -> None:
        taken = asyncio.Event()
        acknowledged = []

        async def script(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0) + publish("cmd/x", b"1", packet_id=9))
            probe = await peer.expect(PUBLISH)  # what the client sends first is not a PUBACK
            await peer.send(puback(probe.packet_id))
            taken.set()
            acknowledged.append((await peer.expect(PUBACK)).packet_id)
            await peer.closed()

        async with FakeBroker(script) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            await mqtt.publish(SAMPLE)
            await taken.wait()
            assert (await soon(mqtt)).message == Message("cmd/x", b"1", 1, False)
            await mqtt.disconnect()
            while not acknowledged:
                await asyncio.sleep(0)
            assert acknowledged == [9]

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_flood_fills_the_inbox_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    async def floods(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0))
        await peer.send(b"".join(publish("cmd/x", b"%d" % number) for number in range(500)))
        probe = await peer.expect(PUBLISH)
        await peer.send(puback(probe.packet_id) + disconnect(0x98))
        await peer.closed()

    async def run() -> list[Event]:
        async with FakeBroker(floods) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            await mqtt.publish(SAMPLE)  # its PUBACK comes behind the flood
            events = [await soon(mqtt)]
            while events[-1].kind == MESSAGE:
                events.append(await soon(mqtt))
            return events

    events = asyncio.run(run())
    assert [each.message.payload for each in events[:-1]] == [b"%d" % number for number in range(64)]
    assert "left out" in caplog.text


def test_disconnect_while_the_connack_is_awaited_drops_the_will() -> None:
    async def run() -> None:
        asked = asyncio.Event()
        rest = []

        async def hangs(peer: Peer) -> None:
            await peer.expect(CONNECT)
            asked.set()
            rest.extend(await peer.closed())

        async with FakeBroker(hangs) as broker:
            mqtt = client(broker.port, connect_timeout_s=3600)
            connecting = asyncio.ensure_future(mqtt.connect(CREDENTIALS, SAMPLE))
            await asked.wait()
            await mqtt.disconnect()
            with pytest.raises(TransportError, match="disconnect"):
                await connecting
            while not rest:
                await asyncio.sleep(0)
            await mqtt.disconnect()
        assert [each.type for each in rest] == [DISCONNECT]

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_cancelled_connect_drops_the_will() -> None:
    async def run() -> None:
        asked = asyncio.Event()
        rest = []

        async def hangs(peer: Peer) -> None:
            await peer.expect(CONNECT)
            asked.set()
            rest.extend(await peer.closed())

        async with FakeBroker(hangs) as broker:
            connecting = asyncio.ensure_future(client(broker.port).connect(CREDENTIALS, SAMPLE))
            await asked.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            while not rest:
                await asyncio.sleep(0)
        assert [each.type for each in rest] == [DISCONNECT]

    asyncio.run(asyncio.wait_for(run(), 30))
