"""PahoMqtt against garbage, and against a conversation cut at every byte: a typed end, never a traceback."""

import asyncio
import logging

import pytest
from pairlet.core.errors import TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Credentials, Event, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from pairlet.linux.mqtt_dial import MOST_BYTES
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
    packet,
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


GARBAGE = {
    "zeros": bytes(64),
    "all ones": b"\xff" * 64,
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n" + b"<h1>Bad Request</h1>" * 10,
    "endless length": b"\x30\xff\xff\xff\xff\xff\xff",
    "announces 256 MiB": b"\x30\xff\xff\xff\x7f" + bytes(1000),
    "above the limit": packet(PUBLISH, bytes(MOST_BYTES + 1)),
    "topic name longer than packet": packet(PUBLISH, b"\x00\x10ab"),
    "topic name not UTF-8": publish(b"\xff\xfe", b"x"),
    "topic name not UTF-8, QoS 1": publish(b"\xff\xfe", b"x", packet_id=1),
    "QoS 3": packet(PUBLISH, b"\x00\x01a\x00\x01\x00", 6),
    "empty PUBACK": packet(PUBACK),
    "SUBACK without codes": packet(9, b"\x00\x01\x00"),
    "SUBACK with an unknown code": packet(9, b"\x00\x01\x00\x77"),
    "PINGRESP with a body": packet(13, b"x"),
    "unknown reason code in DISCONNECT": packet(DISCONNECT, b"\x77\x00"),
    "AUTH": packet(15, b"\x18\x00"),
    "packet type 0": packet(0),
    "a CONNECT": packet(CONNECT, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"),
    "a refusal after CONNACK": connack(0x87),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_ends_the_connection_and_nothing_else(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(0))
        await peer.expect(SUBSCRIBE)
        await peer.send(garbage)
        await peer.closed()

    async def run() -> Event:
        loop = asyncio.get_running_loop()
        strays: list[object] = []
        loop.set_exception_handler(lambda _loop, context: strays.append(context))
        async with FakeBroker(script) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            with pytest.raises(TransportError):
                await mqtt.subscribe("cmd/+", 1)
            event = await soon(mqtt)
        assert strays == []
        return event

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(run()).kind == DISCONNECTED
    assert "token-that-nobody-sees" not in caplog.text


@pytest.mark.parametrize("version", LEVELS)
@pytest.mark.parametrize("garbage", [bytes(8), b"\xff" * 8, b"HTTP/1.1 400\r\n\r\n", packet(PUBLISH, b"")])
def test_garbage_instead_of_a_connack(garbage: bytes, version: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(garbage)
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(script) as broker:
            with pytest.raises(TransportError):
                await client(broker.port, version, connect_timeout_s=1).connect(CREDENTIALS, None)

    asyncio.run(run())


CONVERSATION = [
    connack(0, properties=b"\x13\x00\x3c"),
    publish("cmd/reboot", b"now", packet_id=7),
    publish("cmd/reboot", b"again"),
    puback(1, 0x10),
    suback(2, 1),
    packet(13),
    disconnect(0xA0),
]


@pytest.mark.parametrize("at", range(len(b"".join(CONVERSATION))))
def test_a_conversation_cut_at_every_byte(at: int) -> None:
    """Whatever the broker got out before the cut, the client comes back with a typed end."""

    async def script(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(b"".join(CONVERSATION)[:at])

    async def run() -> None:
        strays: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: strays.append(context))
        async with FakeBroker(script) as broker:
            mqtt = client(broker.port)
            try:
                await mqtt.connect(CREDENTIALS, None)
            except TransportError:
                assert at < len(CONVERSATION[0])
            else:
                assert at >= len(CONVERSATION[0])
                kinds = []
                while DISCONNECTED not in kinds:
                    kinds.append((await soon(mqtt)).kind)
                whole = [at >= len(b"".join(CONVERSATION[:count])) for count in (2, 3)]
                assert kinds == [MESSAGE] * sum(whole) + [DISCONNECTED]
            await mqtt.disconnect()
        assert strays == []

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_packet_that_arrives_byte_by_byte() -> None:
    async def drips(peer: Peer) -> None:
        await peer.expect(CONNECT)
        for byte in connack(0) + publish("cmd/x", b"payload"):
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(drips) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            assert (await soon(mqtt)).message == Message("cmd/x", b"payload", 0, False)
            await mqtt.disconnect()

    asyncio.run(run())
