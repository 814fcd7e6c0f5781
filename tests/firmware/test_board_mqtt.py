"""BoardMqtt against a peer that refuses, stalls, lies and cuts: typed errors, and nothing hangs."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pairlet.core.errors import BrokerError, ConfigError, ProtocolError, TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Credentials, Event, Message
from pairlet.core.secret import Secret
from pairlet.linux.clock import SystemClock
from pairlet_board.mqtt import BoardMqtt, parse_address
from pairlet_board.mqtt_session import Session
from support import fake_broker
from support.fake_broker import (
    CONNECT,
    DISCONNECT,
    MQTT_3_1_1,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    FakeBroker,
    Peer,
)

CREDENTIALS = Credentials("device", Secret("token-that-nobody-sees"))
SAMPLE = Message("telemetry", b"sample-that-nobody-logs", 1, False)


def connack(code: int = 0, *, session_present: bool = False) -> bytes:
    return fake_broker.connack(code, version=MQTT_3_1_1, session_present=session_present)


def puback(packet_id: int) -> bytes:
    return fake_broker.puback(packet_id, version=MQTT_3_1_1)


def client(port: int, *, timeout_s: float = 30, republish: bool = False) -> BoardMqtt:
    session = Session("device", 60, republish=republish)
    url = f"mqtt://127.0.0.1:{port}"
    return BoardMqtt(session, url, SystemClock(), timeout_s=timeout_s, insecure=True)


async def soon(mqtt: BoardMqtt) -> Event:
    """The next event; TimeoutError where there is none to come."""
    return await asyncio.wait_for(mqtt.next_event(), 30)


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Run `story`; nothing in it may hang, or leave a task behind."""

    async def run() -> None:
        async with asyncio.timeout(60):
            await story()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)

    asyncio.run(run())


async def accept(peer: Peer) -> None:
    await peer.expect(CONNECT)
    await peer.send(connack())


async def served(peer: Peer) -> list[int]:
    """Take packets until DISCONNECT, and hang up then, as brokers do; the types of those before it."""
    types = []
    while (packet := await peer.receive()) is not None and packet.type != DISCONNECT:
        types.append(packet.type)
    return types


async def nothing(peer: Peer) -> None:
    """Whatever the client does, it must not send a CONNECT."""
    assert await served(peer) == []


async def good(peer: Peer) -> None:
    await accept(peer)
    await served(peer)


# ---- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("MQTTS://Broker.Example:443/", ("broker.example", 443, True)),
        ("mqtt://127.0.0.1", ("127.0.0.1", 1883, False)),
        ("mqtt://[::1]:9", ("::1", 9, False)),
        ("mqtt://localhost:18", ("localhost", 18, False)),
    ],
)
def test_addresses(url: str, address: tuple[str, int, bool]) -> None:
    assert parse_address(url, True) == address


@pytest.mark.parametrize(
    "url",
    ["", "broker.example", "mqtt://broker.example", "https://broker.example", "mqtts://", "mqtts://a/b"]
    + ["mqtts://user@host", "mqtts://host:0", "mqtts://host:x", "mqtts://host?x", "mqtts://ho st", "://host"]
    + ["mqtt://127.0.0.1.example.com"],
)
def test_what_is_no_address_or_an_unsafe_one(url: str) -> None:
    with pytest.raises(ConfigError, match="mqtts://HOST"):
        parse_address(url, True)


def test_plain_mqtt_is_for_tests_that_say_so() -> None:
    with pytest.raises(ConfigError, match="mqtts"):
        parse_address("mqtt://127.0.0.1", False)


def test_tls_needs_a_ca() -> None:
    with pytest.raises(ConfigError, match="CA"):
        BoardMqtt(Session("c", 60), "mqtts://localhost", SystemClock())


# ---- connecting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x03\x00\x00\x00",
        b"\x20\x02\x00",
        b"\xd0\x00",
        b"\x15\x03\x01\x00\x02\x02\x46",
        bytes(range(256)),
        b"\xff" * 5000,
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_no_connack(answer: bytes, reset: bool) -> None:
    async def peer_of(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(answer)
        if reset:
            peer.reset()

    async def story() -> None:
        async with FakeBroker(peer_of) as broker:
            mqtt = client(broker.port)
            for _ in range(2):
                with pytest.raises(TransportError, match="no CONNACK|broke|closed"):
                    await mqtt.connect(CREDENTIALS, None)

    play(story)


def test_silence_instead_of_a_connack() -> None:
    async def silent(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.closed()

    async def story() -> None:
        async with FakeBroker(silent) as broker:
            with pytest.raises(TransportError, match="did not answer in time"):
                await client(broker.port, timeout_s=1.0).connect(CREDENTIALS, None)

    play(story)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 255])
@pytest.mark.parametrize("session_present", [False, True])
def test_refusals_keep_their_return_code(code: int, session_present: bool) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(code, session_present=session_present))
        await peer.closed()

    async def story() -> None:
        async with FakeBroker(refuse) as broker:
            with pytest.raises(BrokerError) as caught:
                await client(broker.port).connect(CREDENTIALS, None)
        assert caught.value.reason_code == code
        assert "nobody" not in str(caught.value)

    play(story)


def test_a_connect_that_is_cancelled_leaves_nothing() -> None:
    async def story() -> None:
        left = asyncio.Event()

        async def silent(peer: Peer) -> None:
            await peer.expect(CONNECT)
            connecting.cancel()
            await peer.closed()
            left.set()

        async with FakeBroker(silent, good) as broker:
            mqtt = client(broker.port)
            connecting = asyncio.create_task(mqtt.connect(CREDENTIALS, None))
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await left.wait()
            # And it can be tried again.
            assert await mqtt.connect(CREDENTIALS, None) is False
            await mqtt.disconnect()

    play(story)


def test_disconnect_ends_a_connect_that_is_under_way() -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def silent(peer: Peer) -> None:
            await peer.expect(CONNECT)
            asked.set()
            await peer.expect(DISCONNECT)

        async with FakeBroker(silent) as broker:
            mqtt = client(broker.port)
            connecting = asyncio.create_task(mqtt.connect(CREDENTIALS, None))
            await asked.wait()
            with pytest.raises(ProtocolError, match="under way"):
                await mqtt.connect(CREDENTIALS, None)
            await mqtt.disconnect()
            with pytest.raises(TransportError):
                await connecting

    play(story)


def test_disconnect_ends_a_connect_that_has_no_connection_yet() -> None:
    async def story() -> None:
        async with FakeBroker(nothing) as broker:
            mqtt = client(broker.port)
            connecting = asyncio.create_task(mqtt.connect(CREDENTIALS, None))
            await asyncio.sleep(0)
            await mqtt.disconnect()
            with pytest.raises(TransportError, match=r"disconnect\(\) ended"):
                await connecting

    play(story)


def test_a_will_that_can_not_be_sent_leaves_nothing() -> None:
    async def story() -> None:
        async with FakeBroker(nothing, good) as broker:
            mqtt = client(broker.port)
            with pytest.raises(ConfigError):
                await mqtt.connect(CREDENTIALS, Message("a/#", b"", 1, True))
            await mqtt.connect(CREDENTIALS, None)
            await mqtt.disconnect()

    play(story)


# ---- while there is a connection -------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "was lost"),
        (b"\x20\x02\x00\x00", "not allow"),
        (b"GET / HTTP/1.1\r\n" * 5, "not allow"),
        (b"\x50\x02\x00\x01", "not allow"),
        (b"\x30\xff\xff\xff\x7f", "too large"),
        (b"\x30\xff\xff\xff\xff\x7f", "not allow"),
        (b"\x30\x05\x00", "was lost"),
    ],
)
def test_an_end_fails_who_waits_and_is_told_once(data: bytes, words: str) -> None:
    async def ends(peer: Peer) -> None:
        await accept(peer)
        await peer.expect(PUBLISH)
        await peer.send(data)

    async def story() -> None:
        async with FakeBroker(ends, good) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            for _ in range(2):
                with pytest.raises(TransportError, match=words):
                    await mqtt.publish(SAMPLE)
            event = await soon(mqtt)
            assert event.kind == DISCONNECTED
            assert words in event.reason
            # It is told once, and not at all to who does not ask before the next connection.
            waiting = asyncio.create_task(mqtt.next_event())
            await mqtt.connect(CREDENTIALS, None)
            assert not waiting.done()
            waiting.cancel()
            await mqtt.disconnect()

    play(story)


def test_messages_before_the_end_come_out_before_it() -> None:
    async def sends(peer: Peer) -> None:
        await accept(peer)
        await peer.send(b"".join(fake_broker.publish("cmd", b"%d" % n, version=MQTT_3_1_1) for n in range(5)))

    async def story() -> None:
        async with FakeBroker(sends) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            events = [await soon(mqtt) for _ in range(6)]
        assert [each.kind for each in events] == [MESSAGE] * 5 + [DISCONNECTED]
        assert [each.message.payload for each in events[:5]] == [b"%d" % n for n in range(5)]

    play(story)


def test_a_publisher_that_gives_up_does_not_disturb_the_others() -> None:
    publishing: list[asyncio.Task[int]] = []

    async def slow(peer: Peer) -> None:
        await accept(peer)
        first = await peer.expect(PUBLISH)
        publishing[0].cancel()
        second = await peer.expect(PUBLISH)
        assert first.packet_id != second.packet_id
        await peer.send(puback(second.packet_id) + puback(first.packet_id))
        await served(peer)

    async def story() -> None:
        async with FakeBroker(slow) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            publishing.append(asyncio.create_task(mqtt.publish(SAMPLE)))
            with pytest.raises(asyncio.CancelledError):
                await publishing[0]
            assert mqtt.unacked_ms() is not None
            assert await mqtt.publish(SAMPLE) == 0
            while mqtt.unacked_ms() is not None:
                await asyncio.sleep(0)
            await mqtt.disconnect()

    play(story)


def test_a_publish_that_was_given_up_in_time_is_not_sent() -> None:
    async def full(peer: Peer) -> None:
        await accept(peer)
        sent = [await peer.expect(PUBLISH) for _ in range(8)]
        waiting.pop().cancel()
        for packet in sent:
            await peer.send(puback(packet.packet_id))
        assert await served(peer) == []

    waiting: list[asyncio.Task[int]] = []

    async def story() -> None:
        async with FakeBroker(full) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            waiting.extend(asyncio.create_task(mqtt.publish(SAMPLE)) for _ in range(9))
            publishing = list(waiting)
            assert await asyncio.gather(*publishing[:8]) == [0] * 8
            await mqtt.disconnect()
            assert publishing[8].cancelled()

    play(story)


def test_subscribe_without_an_answer_is_a_time_out() -> None:
    async def deaf(peer: Peer) -> None:
        await accept(peer)
        await peer.expect(SUBSCRIBE)
        publish = await peer.expect(PUBLISH)
        await peer.send(puback(publish.packet_id))
        await served(peer)

    async def story() -> None:
        async with FakeBroker(deaf) as broker:
            mqtt = client(broker.port, timeout_s=1.0)
            await mqtt.connect(CREDENTIALS, None)
            with pytest.raises(TransportError, match="SUBSCRIBE in time"):
                await mqtt.subscribe("cmd", 1)
            # The connection is as good as before.
            assert await mqtt.publish(SAMPLE) == 0
            await mqtt.disconnect()

    play(story)


def test_a_message_is_acknowledged_when_it_is_taken() -> None:
    async def sends(peer: Peer) -> None:
        await accept(peer)
        await peer.send(fake_broker.publish("cmd", b"x", packet_id=5, version=MQTT_3_1_1))
        publish = await peer.expect(PUBLISH)  # so the PUBACK was not sent on arrival
        await peer.send(puback(publish.packet_id))
        assert (await peer.expect(PUBACK)).packet_id == 5
        acknowledged.set()
        await served(peer)

    acknowledged = asyncio.Event()

    async def story() -> None:
        async with FakeBroker(sends) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            await mqtt.publish(SAMPLE)
            assert (await soon(mqtt)).message.payload == b"x"
            await acknowledged.wait()
            await mqtt.disconnect()

    play(story)


def test_bad_names_are_refused_before_anything_is_sent() -> None:
    async def story() -> None:
        received = []

        async def listens(peer: Peer) -> None:
            await accept(peer)
            received.extend(await served(peer))

        async with FakeBroker(listens) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            for topic_name in ("", "a/#", "\ud800"):
                with pytest.raises(ConfigError):
                    await mqtt.publish(Message(topic_name, b"x", 1, False))
            with pytest.raises(ConfigError):
                await mqtt.publish(Message("a", b"x", 2, False))
            with pytest.raises(ConfigError):
                await mqtt.subscribe("a\0", 0)
            await mqtt.disconnect()
        assert received == []

    play(story)


def test_republish_carries_a_publisher_over_a_lost_connection() -> None:
    async def cuts(peer: Peer) -> None:
        await accept(peer)
        first = await peer.expect(PUBLISH)
        seen.append((first.packet_id, bool(first.flags & 8)))

    async def keeps(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(connack(session_present=True))
        again = await peer.expect(PUBLISH)
        seen.append((again.packet_id, bool(again.flags & 8)))
        await peer.send(puback(again.packet_id))
        await served(peer)

    async def story() -> None:
        async with FakeBroker(cuts, keeps) as broker:
            mqtt = client(broker.port, republish=True)
            await mqtt.connect(CREDENTIALS, None)
            publishing = asyncio.create_task(mqtt.publish(SAMPLE))
            assert (await soon(mqtt)).kind == DISCONNECTED
            assert not publishing.done()
            assert await mqtt.connect(CREDENTIALS, None) is True
            assert await publishing == 0
            await mqtt.disconnect()
        assert seen == [(1, False), (1, True)]

    seen: list[tuple[int, bool]] = []
    play(story)


def test_disconnect_ends_the_waiting_for_a_republish() -> None:
    async def cuts(peer: Peer) -> None:
        await accept(peer)
        await peer.expect(PUBLISH)

    async def story() -> None:
        async with FakeBroker(cuts) as broker:
            mqtt = client(broker.port, republish=True)
            await mqtt.connect(CREDENTIALS, None)
            publishing = asyncio.create_task(mqtt.publish(SAMPLE))
            assert (await soon(mqtt)).kind == DISCONNECTED
            await mqtt.disconnect()
            with pytest.raises(TransportError):
                await publishing

    play(story)


def test_disconnect_gives_up_on_a_broker_that_does_not_hang_up() -> None:
    async def stays(peer: Peer) -> None:
        await accept(peer)
        await peer.expect(PUBLISH)
        await peer.expect(DISCONNECT)
        assert await peer.receive() is None  # the client closed, although we did not

    async def story() -> None:
        async with FakeBroker(stays) as broker:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            publishing = asyncio.create_task(mqtt.publish(SAMPLE))
            listening = asyncio.create_task(mqtt.next_event())
            while mqtt.unacked_ms() is None:
                await asyncio.sleep(0)
            await mqtt.disconnect()
            with pytest.raises(TransportError):
                await publishing
            assert not listening.done()  # an end that was asked for is no news
            listening.cancel()

    play(story)
