"""Bytes: every packet whole, cut at every byte, and whatever hypothesis thinks of."""

import asyncio
import itertools
import logging

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pairlet_sim.broker import wire
from support.token_broker import BrokerThread, Signer, connect_packet, packet, publish_packet, text

LIMIT = 1 << 20
SUBSCRIBE = packet(0x82, b"\x00\x01" + text("a/b") + b"\x01" + text("c") + b"\x00")
UNSUBSCRIBE = packet(0xA2, b"\x00\x01" + text("a/b"))
GOOD = {
    "publish 0": publish_packet("a", b""),
    "publish 1 dup retain": b"\x3b" + publish_packet("a", b"x", qos=1)[1:],
    "publish 2": publish_packet("a", b"x" * 300, qos=2),
    "puback": packet(0x40, b"\x00\x01"),
    "pubrec": packet(0x50, b"\x00\x01"),
    "pubrel": packet(0x62, b"\xff\xff"),
    "pubcomp": packet(0x70, b"\x00\x01"),
    "subscribe": SUBSCRIBE,
    "unsubscribe": UNSUBSCRIBE,
    "pingreq": b"\xc0\x00",
    "disconnect": b"\xe0\x00",
}


def read(data: bytes) -> list[wire.Packet]:
    """All packets in `data`, checked as those of a connected client are."""

    async def main() -> list[wire.Packet]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        packets = []
        while (found := await wire.read_packet(reader, LIMIT)) is not None:
            wire.check(found)
            if found.kind == wire.PUBLISH:
                wire.parse_publish(found)
            packets.append(found)
        return packets

    return asyncio.run(main())


@pytest.mark.parametrize("name", GOOD)
def test_a_good_packet_survives_unchanged(name: str) -> None:
    (found,) = read(GOOD[name])
    assert found.encode() == GOOD[name]


@pytest.mark.parametrize("name", GOOD)
def test_a_packet_cut_anywhere_is_no_packet(name: str) -> None:
    for end in range(len(GOOD[name])):
        assert read(GOOD[name][:end]) == []


@pytest.mark.parametrize("name", [name for name in GOOD if "publish" not in name])
def test_a_body_cut_anywhere_is_malformed(name: str) -> None:
    body = GOOD[name][2:]
    whole = {len(body), 2 + len(text("a/b") + b"\x01")} if name == "subscribe" else {len(body)}
    for end in set(range(len(body))) - whole:
        with pytest.raises(wire.WireError):
            read(packet(GOOD[name][0], body[:end]))
    with pytest.raises(wire.WireError):
        read(packet(GOOD[name][0], body + b"\x00"))


@pytest.mark.parametrize("name", [name for name in GOOD if "publish" not in name])
def test_other_flags_are_malformed(name: str) -> None:
    for flags in set(range(16)) - {GOOD[name][0] & 15}:
        with pytest.raises(wire.WireError, match="flags"):
            read(bytes([GOOD[name][0] & 0xF0 | flags]) + GOOD[name][1:])


@pytest.mark.parametrize(
    "bad",
    [
        packet(0x36, text("a") + b"\x00\x01"),
        packet(0x38, text("a")),
        packet(0x32, text("a") + b"\x00\x00"),
        packet(0x30, text("")),
        packet(0x30, text("a/+")),
        packet(0x30, text("#")),
        packet(0x30, text("a\0b")),
        packet(0x30, text(b"\xff")),
        packet(0x30, text(b"\xed\xa0\x80")),
        packet(0x82, b"\x00\x01" + text("a") + b"\x03"),
        packet(0x82, b"\x00\x01" + text("") + b"\x00"),
        packet(0x82, b"\x00\x01"),
        packet(0x82, b"\x00\x00" + text("a") + b"\x00"),
        packet(0x62, b"\x00\x00"),
        connect_packet("a"),
        b"\x00\x00",
        b"\xf0\x00",
        b"\xd0\x00",
        b"\x20\x02\x00\x00",
        b"\x30\x80\x80\x80\x80\x01",
        b"\x30\xff\xff\xff\x7f",
    ],
)
def test_what_the_standard_forbids_is_malformed(bad: bytes) -> None:
    with pytest.raises(wire.WireError):
        read(bad)


def parse(data: bytes) -> wire.Connect:
    header = 2 if data[1] < 128 else 3
    return wire.parse_connect(wire.Packet(data[0] >> 4, data[0] & 15, data[header:]))


def test_connect_fields() -> None:
    connect = parse(connect_packet("secret", "me", clean=False, keep_alive=300, will=("w", b"\x00\xff")))
    assert connect == ("me", False, 300, ("w", b"\x00\xff", 1, True, 0), "user", b"secret")
    assert parse(connect_packet(None)) == ("A", True, 60, None, None, None)
    assert "secret" not in repr(connect)


def test_a_connect_cut_anywhere_is_malformed() -> None:
    body = connect_packet("t", will=("w", b"x"))[2:]
    for end in range(len(body)):
        with pytest.raises(wire.WireError):
            wire.parse_connect(wire.Packet(wire.CONNECT, 0, body[:end]))
    with pytest.raises(wire.WireError):
        wire.parse_connect(wire.Packet(wire.CONNECT, 0, body + b"x"))


@pytest.mark.parametrize(
    ("flags", "fields", "rule"),
    [
        (0x03, 0, "3.1.2-3]"),
        (0x1E, 2, "3.1.2-14]"),
        (0x0A, 0, "3.1.2-13]"),
        (0x22, 0, "3.1.2-13]"),
        (0x42, 1, "2-22]"),
    ],
)
def test_connect_flags_that_contradict_each_other(flags: int, fields: int, rule: str) -> None:
    body = text("MQTT") + bytes([4, flags, 0, 60]) + text("A") + text("x") * fields
    with pytest.raises(wire.WireError, match=rule):
        wire.parse_connect(wire.Packet(wire.CONNECT, 0, body))


def test_the_remaining_length_at_its_borders() -> None:
    for length in (0, 127, 128, 16383, 16384, 70000):
        data = wire.encode(wire.PUBLISH, 0, text("a") + b"x" * length)
        assert len(data) == length + 3 + 1 + next(
            n for n, top in enumerate((128, 16384, 1 << 21), 1) if length + 3 < top
        )
        (found,) = read(data)
        assert len(wire.parse_publish(found).payload) == length


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_a_wire_error(data: bytes) -> None:
    try:
        read(data)
    except wire.WireError:
        pass


@given(st.binary(max_size=60), st.integers(0, 15))
def test_any_connect_is_read_or_refused(body: bytes, flags: int) -> None:
    try:
        wire.parse_connect(wire.Packet(wire.CONNECT, flags, body))
        wire.parse_connect(wire.Packet(wire.CONNECT, flags, b"\x00\x04MQTT\x04" + body))
    except (wire.WireError, wire.UnsupportedVersion):
        pass


PACKETS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(list(GOOD.values())),
    st.builds(lambda first, body: packet(first, body), st.integers(0, 255), st.binary(max_size=40)),
    st.builds(
        lambda first, topic, rest: packet(first, text(topic) + rest),
        st.integers(0x30, 0x3F),
        st.sampled_from(["devices/A/x", "devices/B/x", ""]),
        st.binary(max_size=10),
    ),
)


def test_no_bytes_on_the_socket_kill_the_broker(
    running: BrokerThread, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    """With and without a CONNECT before them; afterwards a good client is served as ever."""
    token = signer.token("A")
    counter = itertools.count()

    @examples(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.booleans(), st.lists(PACKETS, max_size=8))
    def attack(connected: bool, packets: list[bytes]) -> None:
        with running.raw() as client:
            prefix = connect_packet(token, "A/%d" % next(counter)) if connected else b""
            client.send(prefix + b"".join(packets))
            client.socket.shutdown(1)
            client.rest()

    attack()
    # As another device: the attack may have left retained messages of A.
    with running.raw_connected(signer.token("B"), "B") as client:
        client.send(SUBSCRIBE + packet(0x82, b"\x00\x02" + text("devices/B/#") + b"\x00"))
        assert client.receive(11) == b"\x90\x04\x00\x01\x80\x80" + b"\x90\x03\x00\x02\x00"
        client.send(publish_packet("devices/B/x", b"alive"))
        assert client.receive(20) == publish_packet("devices/B/x", b"alive")
        assert running.client_ids() == ["B"]
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []
