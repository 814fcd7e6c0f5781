"""The board's MQTT packets against whatever bytes there are, and against a codec that somebody else wrote."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from amqtt.adapters import BufferReader
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.unsuback import UnsubackPacket
from hypothesis import example, given
from hypothesis import strategies as st
from pairlet.core.errors import ConfigError, ProtocolError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet_board import mqtt_packets as packets
from pairlet_board.mqtt_session import CONNECTED, Session
from support.wire import PROPERTY

MOST = 600

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
TOPIC_NAMES = TEXT.filter(lambda text: not set(text) & set("+#"))
MESSAGES = st.builds(
    Message, TOPIC_NAMES, st.binary(max_size=400), st.sampled_from([0, 1]), st.sampled_from([False, True])
)
PACKET_IDS = st.integers(1, 65535)
# Fixed headers that decode() knows, with bodies that are about right and lengths that tell the truth.
NEARLY = st.builds(
    lambda first, body: bytes([first, len(body)]) + body,
    st.one_of(
        st.sampled_from([0x20, 0x30, 0x31, 0x32, 0x33, 0x3A, 0x40, 0x90, 0xB0, 0xD0]), st.integers(0, 255)
    ),
    st.one_of(
        st.binary(max_size=5),
        st.builds(
            lambda text, more: bytes([0, len(text)]) + text + more,
            st.binary(max_size=5),
            st.binary(max_size=9),
        ),
    ),
)
STREAMS = st.lists(st.one_of(NEARLY, st.binary(max_size=40)), max_size=12).map(b"".join)
CUTS = st.lists(st.integers(1, 50), min_size=1, max_size=20)


def read(data: bytes, cuts: list[int]) -> tuple[list[Any], str | None]:
    """The packets in `data`, handed over in pieces of these sizes in turn, and the error that ended it."""
    reader = packets.PacketReader(MOST)
    found: list[Any] = []
    turn = 0
    try:
        while data:
            space = reader.space()
            assert len(space) > 0
            count = min(len(space), len(data), cuts[turn % len(cuts)])
            space[:count] = data[:count]
            reader.added(count)
            data, turn = data[count:], turn + 1
            while (packet := reader.next()) is not None:
                found.append(packet)
    except ProtocolError as error:
        return found, str(error)
    return found, None


@PROPERTY
@given(STREAMS, CUTS)
def test_any_bytes_are_packets_or_a_protocol_error_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    assert read(data, cuts) == read(data, [1]) == read(data, [10_000])


@PROPERTY
@given(st.lists(MESSAGES, min_size=1, max_size=6), CUTS, st.data())
def test_a_stream_with_one_byte_changed(
    messages: list[Message], cuts: list[int], data: st.DataObject
) -> None:
    stream = bytearray()
    for message in messages:
        stream += asyncio.run(theirs(PublishPacket.build(*_fields(message, 7))))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    found, _ = read(bytes(stream), cuts)
    assert len(found) <= len(stream) // 2


@PROPERTY
@given(st.binary(max_size=12))
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xc0\x80")
def test_utf8_is_what_python_takes_without_the_zero_character(data: bytes) -> None:
    try:
        good = "\0" not in data.decode()
    except UnicodeDecodeError:
        good = False
    assert packets.is_utf8(data) == good


@PROPERTY
@given(STREAMS, CUTS, st.booleans())
def test_a_session_takes_any_bytes(data: bytes, cuts: list[int], accepted: bool) -> None:
    session = Session("client", 60, most=MOST)
    session.connect(Credentials("user", Secret("token")), None, 0)
    data = b"\x20\x02\x00\x00" + data if accepted else data
    turn = 0
    with contextlib.suppress(ProtocolError):
        while data:
            space = session.space()
            count = min(len(space), len(data), cuts[turn % len(cuts)])
            space[:count] = data[:count]
            session.receive(count, turn)
            data, turn = data[count:], turn + 1
            if session.state == CONNECTED and turn % 3 == 0:
                session.send(packets.publish(Message("t", b"x", 1, False)))
            while session.data_to_send(turn) is not None:
                pass
            session.next_message()
    session.lost("over")
    assert session.data_to_send(turn) is None
    assert session.deadline() is None


# ---- against another codec -------------------------------------------------------------------


async def theirs(packet: Any) -> bytes:
    """The bytes that amqtt makes of its own packet."""
    return bytes(packet.to_bytes())


async def understood(data: bytes) -> Any:
    """What amqtt reads in `data`; all of it has to be one packet."""
    reader = BufferReader(data)
    header = await MQTTFixedHeader.from_stream(reader)
    assert header is not None
    packet = await packet_class(header).from_stream(reader, fixed_header=header)
    assert await reader.read(1) == b""
    return packet


def _fields(message: Message, packet_id: int) -> tuple[str, bytes, int | None, bool, int, bool]:
    number = packet_id if message.qos else None
    return message.topic_name, message.payload, number, False, message.qos, message.retain


def ours(parts: "packets.Parts", packet_id: int, dup: bool = False) -> bytes:
    """A whole packet as the session puts it together."""
    return packets.start_of(parts, packet_id, dup) + bytes(parts[3])


@PROPERTY
@given(MESSAGES, PACKET_IDS, st.booleans())
def test_they_understand_our_publish(message: Message, packet_id: int, again: bool) -> None:
    number, dup = (packet_id, again) if message.qos else (0, False)
    packet = asyncio.run(understood(ours(packets.publish(message), number, dup)))
    assert (packet.topic_name, bytes(packet.data), packet.qos) == message[:3]
    assert (packet.retain_flag, packet.dup_flag) == (message.retain, dup)
    assert packet.packet_id == (number or None)


@PROPERTY
@given(TEXT, TEXT, TEXT, st.booleans(), st.integers(0, 65535), st.none() | MESSAGES)
def test_they_understand_our_connect(
    client_id: str, username: str, token: str, clean: bool, keep_alive: int, will: Message | None
) -> None:
    credentials = Credentials(username, Secret(token))
    packet = asyncio.run(understood(packets.connect(client_id, clean, keep_alive, credentials, will)))
    assert (packet.proto_name, packet.proto_level, packet.reserved_flag) == ("MQTT", 4, False)
    assert (packet.client_id, packet.username, packet.password) == (client_id, username, token)
    assert (packet.clean_session_flag, packet.keep_alive) == (clean, keep_alive)
    assert packet.will_flag == (will is not None)
    if will is not None:
        assert (packet.will_topic, bytes(packet.will_message), packet.will_qos) == will[:3]
        assert packet.will_retain_flag == will.retain


@PROPERTY
@given(TEXT, st.sampled_from([0, 1]), PACKET_IDS)
def test_they_understand_our_subscribe_and_unsubscribe(topic_filter: str, qos: int, packet_id: int) -> None:
    packet = asyncio.run(understood(ours(packets.subscribe(topic_filter, qos), packet_id)))
    assert (packet.variable_header.packet_id, packet.payload.topics) == (packet_id, [(topic_filter, qos)])
    packet = asyncio.run(understood(ours(packets.unsubscribe(topic_filter), packet_id)))
    assert (packet.variable_header.packet_id, packet.payload.topics) == (packet_id, [topic_filter])


@PROPERTY
@given(MESSAGES, PACKET_IDS, CUTS)
def test_we_understand_their_publish(message: Message, packet_id: int, cuts: list[int]) -> None:
    data = asyncio.run(theirs(PublishPacket.build(*_fields(message, packet_id))))
    number = packet_id if message.qos else 0
    assert read(data, cuts) == ([(packets.PUBLISH, message, number)], None)


@PROPERTY
@given(PACKET_IDS, st.sampled_from([0, 1, 0x80]), st.booleans(), st.integers(0, 5), CUTS)
def test_we_understand_their_answers(
    packet_id: int, code: int, session_present: bool, return_code: int, cuts: list[int]
) -> None:
    answers: list[tuple[Any, Any]] = [
        (ConnackPacket.build(int(session_present), return_code), (0x20, session_present, return_code)),
        (PubackPacket.build(packet_id), (0x40, packet_id, 0)),
        (SubackPacket.build(packet_id, [code]), (0x90, packet_id, code)),
        (UnsubackPacket.build(packet_id), (0xB0, packet_id, 0)),
    ]
    for packet, meaning in answers:
        assert read(asyncio.run(theirs(packet)), cuts) == ([meaning], None)


# ---- what a board has no room to try -----------------------------------------------------------


@pytest.mark.parametrize("size", [65535, 65536])
def test_strings_have_65535_bytes_at_most(size: int) -> None:
    long, credentials = "x" * size, Credentials("u", Secret("t"))
    calls: list[Callable[[], object]] = [
        lambda: packets.publish(Message(long, b"", 0, False)),
        lambda: packets.subscribe(long, 1),
        lambda: packets.unsubscribe(long),
        lambda: packets.connect(long, True, 60, credentials, None),
        lambda: packets.connect("c", True, 60, Credentials(long, Secret("t")), None),
        lambda: packets.connect("c", True, 60, Credentials("u", Secret(long)), None),
        lambda: packets.connect("c", True, 60, credentials, Message("w", long.encode(), 0, False)),
    ]
    for call in calls:
        if size == 65535:
            call()
            continue
        with pytest.raises(ConfigError) as caught:
            call()
        assert "xxx" not in str(caught.value)
