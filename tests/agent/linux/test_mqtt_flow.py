"""What PahoMqtt lets out: the window, packet_ids, and the limits that a broker set in its CONNACK."""

import asyncio

import pytest
from pairlet.core.errors import TransportError
from pairlet.core.mqtt import Credentials, Event, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from support.fake_broker import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBLISH,
    FakeBroker,
    Peer,
    connack,
    disconnect,
    puback,
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


def test_the_server_keep_alive_counts() -> None:
    """MQTT 5 section 3.2.2.3.14."""

    async def wants_pings(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0, properties=b"\x13\x00\x01"))
        await peer.expect(PINGREQ)
        await peer.send(disconnect(0x98))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(wants_pings) as broker:
            mqtt = client(broker.port, keep_alive=3600)
            await mqtt.connect(CREDENTIALS, None)
            assert "(0x98)" in (await soon(mqtt)).reason

    asyncio.run(run())


def test_the_broker_s_limits_are_kept() -> None:
    """Receive Maximum 3, Maximum QoS 1, no Retain, Maximum Packet Size 200 (section 3.2.2.3)."""
    properties = b"\x21\x00\x03" + b"\x25\x00" + b"\x27\x00\x00\x00\xc8"

    async def run() -> None:
        seen = []

        async def counts(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0, properties=properties))
            for _ in range(4):
                batch = [await peer.expect(PUBLISH) for _ in range(3)]
                # A fourth one would have come right behind the third.
                await asyncio.sleep(0)
                seen.extend(batch)
                await peer.send(b"".join(puback(each.packet_id) for each in batch))
            assert [each.type for each in await peer.closed()] == [DISCONNECT]

        async with FakeBroker(counts) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            sending = [mqtt.publish(Message("t", b"x" * (200 - 11), 1, False)) for _ in range(12)]
            assert await asyncio.gather(*sending) == [0] * 12
            assert await mqtt.publish(Message("t", b"x" * (200 - 10), 1, False)) == 0x95
            assert await mqtt.publish(Message("t", b"x", 1, True)) == 0x9A
            await mqtt.disconnect()
        assert len(seen) == 12

    asyncio.run(asyncio.wait_for(run(), 30))


def test_qos_1_to_a_broker_without_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0, properties=b"\x24\x00"))
        assert (await peer.expect(PUBLISH)).qos == 0
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(script) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            assert await mqtt.publish(SAMPLE) == 0x9B
            assert await mqtt.publish(Message("t", b"x", 0, False)) == 0
            await mqtt.disconnect()

    asyncio.run(run())


def test_at_most_twenty_are_in_flight() -> None:
    async def run() -> None:
        twenty, more = asyncio.Event(), asyncio.Event()

        async def withholds(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0))
            held = [await peer.expect(PUBLISH) for _ in range(20)]
            # QoS 0 asks for no acknowledgement, but waits for its turn all the same.
            twenty.set()
            await more.wait()
            await peer.send(b"".join(puback(each.packet_id) for each in held))
            for _ in range(10):
                await peer.send(puback((await peer.expect(PUBLISH)).packet_id))
            await peer.closed()

        async with FakeBroker(withholds) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            sending = [asyncio.ensure_future(mqtt.publish(SAMPLE)) for _ in range(30)]
            await twenty.wait()
            link = mqtt._link
            assert link is not None
            assert (len(link._window._unacknowledged), len(link._client._out_messages)) == (20, 20)
            more.set()
            assert await asyncio.gather(*sending) == [0] * 30
            await mqtt.disconnect()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_packet_id_that_still_waits_is_not_used_again() -> None:
    """As after 65535 publishes, when one PUBACK was lost long ago."""

    async def run() -> None:
        async def loses_one(peer: Peer) -> None:
            await peer.expect(CONNECT)
            await peer.send(connack(0))
            lost = await peer.expect(PUBLISH)
            assert (await peer.expect(PUBLISH)).qos == 0
            last = await peer.expect(PUBLISH)
            assert last.packet_id != lost.packet_id
            await peer.send(puback(last.packet_id))
            await peer.closed()

        async with FakeBroker(loses_one) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            waiting = asyncio.ensure_future(mqtt.publish(SAMPLE))
            await asyncio.sleep(0)
            link = mqtt._link
            assert link is not None
            for message in (Message("t", b"x", 0, False), SAMPLE):
                link._client._last_mid = 0  # once round
                assert await mqtt.publish(message) == 0
            assert not waiting.done()
            await mqtt.disconnect()
            with pytest.raises(TransportError):
                await waiting

    asyncio.run(asyncio.wait_for(run(), 30))
