"""pairlet_board/mqtt_packets.py: every packet there and back, cut at every byte, and all that is refused."""

import mqtt_broker_half as broker
from pairlet.core.errors import ConfigError, ProtocolError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet_board import mqtt_packets as packets

# Every kind of packet that a broker sends, and what it means.
KNOWN = [
    (broker.connack(), (packets.CONNACK, False, 0)),
    (broker.connack(True), (packets.CONNACK, True, 0)),
    (broker.connack(False, 5), (packets.CONNACK, False, 5)),
    (broker.publish("a/b", b"payload"), (packets.PUBLISH, Message("a/b", b"payload", 0, False), 0)),
    (broker.publish("a", b"", flags=1), (packets.PUBLISH, Message("a", b"", 0, True), 0)),
    (broker.publish("a", b"x", 1, 0x0102), (packets.PUBLISH, Message("a", b"x", 1, False), 0x0102)),
    (broker.publish("a", b"", 1, 65535, flags=9), (packets.PUBLISH, Message("a", b"", 1, True), 65535)),
    (broker.publish("ä/€", b"\xff\x00"), (packets.PUBLISH, Message("ä/€", b"\xff\x00", 0, False), 0)),
    (broker.puback(1), (packets.PUBACK, 1, 0)),
    (broker.puback(65535), (packets.PUBACK, 65535, 0)),
    (broker.suback(2, 0), (packets.SUBACK, 2, 0)),
    (broker.suback(3, 1), (packets.SUBACK, 3, 1)),
    (broker.suback(3, 0x80), (packets.SUBACK, 3, 0x80)),
    (broker.unsuback(4), (packets.UNSUBACK, 4, 0)),
    (broker.PINGRESP, (packets.PINGRESP, 0, 0)),
]

# Bodies are what they would be if all else were right.
REFUSED = [
    ("type 0", broker.packet(0x00)),
    ("CONNECT from a broker", broker.packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")),
    ("PUBREC", broker.packet(0x50, b"\x00\x01")),
    ("PUBREL", broker.packet(0x62, b"\x00\x01")),
    ("PUBCOMP", broker.packet(0x70, b"\x00\x01")),
    ("SUBSCRIBE from a broker", broker.packet(0x82, b"\x00\x01\x00\x01a\x00")),
    ("PINGREQ from a broker", broker.packet(0xC0)),
    ("DISCONNECT from a broker", broker.packet(0xE0)),
    ("type 15", broker.packet(0xF0)),
    ("CONNACK with flags", broker.packet(0x21, b"\x00\x00")),
    ("CONNACK with reserved bits", broker.packet(0x20, b"\x02\x00")),
    ("CONNACK too short", broker.packet(0x20, b"\x00")),
    ("CONNACK of MQTT 5", broker.packet(0x20, b"\x00\x00\x00")),
    ("PUBACK with flags", broker.packet(0x42, b"\x00\x01")),
    ("PUBACK too short", broker.packet(0x40, b"\x01")),
    ("PUBACK too long", broker.packet(0x40, b"\x00\x01\x00")),
    ("PUBACK of packet_id 0", broker.puback(0)),
    ("SUBACK of packet_id 0", broker.suback(0, 1)),
    ("SUBACK with QoS 2", broker.suback(1, 2)),
    ("SUBACK with a reserved code", broker.suback(1, 0x81)),
    ("SUBACK to two filters", broker.packet(0x90, b"\x00\x01\x00\x00")),
    ("SUBACK without a code", broker.packet(0x90, b"\x00\x01")),
    ("UNSUBACK of packet_id 0", broker.unsuback(0)),
    ("UNSUBACK too long", broker.packet(0xB0, b"\x00\x01\x00")),
    ("PINGRESP with a body", broker.packet(0xD0, b"\x00")),
    ("PINGRESP with flags", broker.packet(0xD1)),
    ("PUBLISH with QoS 2", broker.publish("a", b"x", 2)),
    ("PUBLISH with QoS 3", broker.publish("a", b"x", 3)),
    ("PUBLISH with DUP and QoS 0", broker.publish("a", b"x", flags=8)),
    ("PUBLISH of packet_id 0", broker.publish("a", b"x", 1, 0)),
    ("PUBLISH with nothing", broker.packet(0x30)),
    ("PUBLISH with half a length", broker.packet(0x30, b"\x00")),
    ("PUBLISH with an empty topic name", broker.publish("", b"x")),
    ("PUBLISH with a topic name that goes on", broker.packet(0x30, b"\x00\x05abc")),
    ("PUBLISH with half a packet_id", broker.packet(0x32, b"\x00\x01a\x00")),
    ("PUBLISH without a packet_id", broker.packet(0x32, b"\x00\x01a")),
    ("PUBLISH to a wildcard", broker.publish("a/+", b"x")),
    ("PUBLISH to all", broker.publish("#", b"x")),
    ("PUBLISH with U+0000", broker.publish(b"a\x00b", b"x")),
    ("PUBLISH that is no UTF-8", broker.publish(b"a\xff", b"x")),
    ("PUBLISH with a surrogate", broker.publish(b"\xed\xa0\x80", b"x")),
    ("a fifth byte of length", b"\x30\xff\xff\xff\xff\x01"),
]

# Unicode table 3-7, at its edges.
GOOD_UTF8 = [b"", b"a", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xec\xbf\xbf", b"\xed\x9f\xbf"]
GOOD_UTF8 += [b"\xee\x80\x80", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf3\xbf\xbf\xbf", b"\xf4\x8f\xbf\xbf"]
BAD_UTF8 = [b"\x00", b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x7f", b"\xc2\xc0"]
BAD_UTF8 += [b"\xe0\x9f\xbf", b"\xe0\xa0", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xe1\x80\x7f", b"\xe1\x80\xc0"]
BAD_UTF8 += [b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff"]


def put(reader, data):
    """Give `data` to the reader as far as it takes it at once; how much that was."""
    space = reader.space()
    count = min(len(space), len(data))
    space[:count] = data[:count]
    reader.added(count)
    return count


def read_all(reader, data):
    """All packets in `data`, given in pieces as large as the reader takes."""
    found = []
    while data:
        data = data[put(reader, data) :]
        while True:
            packet = reader.next()
            if packet is None:
                break
            found.append(packet)
    return found


def refusal(call, *arguments):
    """The ConfigError or ProtocolError that `call` raises."""
    try:
        result = call(*arguments)
    except (ConfigError, ProtocolError) as error:
        return error
    raise AssertionError("%r was taken, as %r" % (arguments, result))


def test_every_packet_of_a_broker_is_read():
    for data, meaning in KNOWN:
        assert read_all(packets.PacketReader(4096), data) == [meaning], data


def test_a_message_is_made_of_the_types_that_callers_expect():
    _, message, _ = read_all(packets.PacketReader(4096), broker.publish("a", b"x", 1, 5, flags=1))[0]
    assert type(message.topic_name) is str
    assert type(message.payload) is bytes
    assert message.retain is True


def test_every_packet_cut_at_every_byte_needs_more():
    for data, meaning in KNOWN:
        for cut in range(len(data)):
            reader = packets.PacketReader(4096)
            assert read_all(reader, data[:cut]) == [], (data, cut)
            assert read_all(reader, data[cut:]) == [meaning], (data, cut)


def test_packets_come_out_whole_however_they_go_in():
    data = b"".join([data for data, _ in KNOWN])
    meanings = [meaning for _, meaning in KNOWN]
    for size in (1, 2, 3, 7, 64, 255, 256, len(data)):
        reader = packets.PacketReader(4096)
        found = []
        for at in range(0, len(data), size):
            found += read_all(reader, data[at : at + size])
        assert found == meanings, size


def test_what_a_broker_may_not_send_is_refused():
    for name, data in REFUSED:
        error = refusal(read_all, packets.PacketReader(4096), data)
        assert isinstance(error, ProtocolError), name
        assert "the broker sent" in str(error), name


def test_what_a_broker_may_not_send_is_refused_when_it_comes_byte_by_byte_too():
    for name, data in REFUSED:
        reader = packets.PacketReader(4096)
        try:
            for at in range(len(data)):
                assert read_all(reader, data[at : at + 1]) == [], name
        except ProtocolError:
            continue
        raise AssertionError(name + " was taken")


def test_a_packet_larger_than_the_buffer_gets_one_and_gives_it_back():
    reader = packets.PacketReader(4096)
    usual = len(reader.space())
    for size in (200, 250, 251, 252, 253, 254, 255, 256, 257, 1000, 4000):
        data = broker.publish("a", b"x" * size)
        kind, message, _ = read_all(reader, broker.PINGRESP + data)[1]
        assert (kind, len(message.payload)) == (packets.PUBLISH, size)
        assert len(reader.space()) == usual


def test_a_payload_arrives_byte_for_byte_over_the_edge_of_the_buffer():
    payload = bytes([index * 7 % 256 for index in range(600)])
    reader = packets.PacketReader(4096)
    for lead in (0, 1, 100):
        found = read_all(reader, broker.PINGRESP * lead + broker.publish("a", payload) + broker.puback(7))
        assert found[lead][1].payload == payload, lead
        assert found[-1] == (packets.PUBACK, 7, 0)


def test_the_largest_packet_is_taken_and_one_more_byte_is_not():
    for most in (256, 300, 4096):
        whole = broker.publish("a", b"x" * (most - 6))
        assert len(whole) == most
        assert len(read_all(packets.PacketReader(most), whole)) == 1
        error = refusal(read_all, packets.PacketReader(most), broker.publish("a", b"x" * (most - 5)))
        assert "too large" in str(error)


def test_a_packet_that_is_too_large_is_refused_before_it_comes():
    error = refusal(read_all, packets.PacketReader(4096), b"\x30\xff\xff\xff\x7f")
    assert "too large" in str(error)


def test_a_new_connection_begins_with_an_empty_buffer():
    reader = packets.PacketReader(4096)
    assert read_all(reader, broker.publish("a", b"x" * 1000)[:700]) == []
    reader.reset()
    assert read_all(reader, broker.puback(1)) == [(packets.PUBACK, 1, 0)]


def test_utf8_is_judged_as_unicode_does():
    for data in GOOD_UTF8:
        assert packets.is_utf8(data), data
        assert packets.is_utf8(b"x" + data + b"x"), data
    for data in BAD_UTF8:
        assert not packets.is_utf8(data), data
        assert not packets.is_utf8(b"x" + data), data


def test_garbage_is_a_packet_more_or_a_protocol_error():
    state = 12345
    outcomes = [0, 0, 0]
    for _ in range(1500):
        data = bytearray()
        for _ in range(1 + state % 11):
            state = (state * 1103515245 + 12345) & 0x3FFFFFFF
            data.append(state >> 16 & 0xFF)
        if state & 0x100:
            data[0] = (0x20, 0x30, 0x32, 0x40, 0x90, 0xB0, 0xD0)[state % 7]
            data[1:2] = bytes([len(data) - 2 if len(data) > 2 else 0])
        try:
            outcomes[1 if read_all(packets.PacketReader(4096), data) else 0] += 1
        except ProtocolError:
            outcomes[2] += 1
    # Otherwise this looks at one kind of garbage only.
    assert min(outcomes) > 20, outcomes


# ---- out -------------------------------------------------------------------------------------


def whole(parts, packet_id, dup=False):
    """A packet as it goes out, put together as the session does it."""
    return packets.start_of(parts, packet_id, dup) + parts[3]


def connect(will=None, clean_session=True):
    return packets.connect("client", clean_session, 60, Credentials("user", Secret("token")), will)


def test_connect():
    said = broker.read_connect(broker.packets(connect())[0])
    assert said == {
        "clean_session": True,
        "keep_alive": 60,
        "will": None,
        "client_id": "client",
        "username": "user",
        "password": "token",
    }


def test_connect_asks_for_the_session():
    assert broker.read_connect(broker.packets(connect(clean_session=False))[0])["clean_session"] is False


def test_connect_with_a_will():
    for qos in (0, 1):
        for retain in (False, True):
            will = Message("a/status", b"off\x00line", qos, retain)
            said = broker.read_connect(broker.packets(connect(will))[0])
            assert said["will"] == ("a/status", b"off\x00line", qos, retain)


def test_connect_with_a_long_token():
    token = "x" * 5000
    data = packets.connect("c", True, 65535, Credentials("u", Secret(token)), None)
    said = broker.read_connect(broker.packets(data)[0])
    assert (said["password"], said["keep_alive"]) == (token, 65535)


def test_publish():
    for qos in (0, 1):
        for retain in (False, True):
            parts = packets.publish(Message("a/ä", b"\x00\xff", qos, retain))
            packet_id = 0x1234 if qos else 0
            found = broker.packets(whole(parts, packet_id))
            assert broker.read_publish(found[0]) == ("a/ä", b"\x00\xff", qos, retain, False, packet_id)
            assert parts[0] == (packets.PUBACK if qos else 0)


def test_publish_again():
    parts = packets.publish(Message("a", b"x", 1, True))
    assert broker.read_publish(broker.packets(whole(parts, 7, True))[0]) == ("a", b"x", 1, True, True, 7)


def test_subscribe_and_unsubscribe():
    parts = packets.subscribe("a/+/b/#", 1)
    assert parts[0] == packets.SUBACK
    assert broker.read_subscribe(broker.packets(whole(parts, 9))[0]) == (9, "a/+/b/#", 1)
    parts = packets.unsubscribe("a/#")
    assert parts[0] == packets.UNSUBACK
    assert broker.read_unsubscribe(broker.packets(whole(parts, 65535))[0]) == (65535, "a/#")


def test_the_small_ones():
    assert broker.packets(packets.puback(258)) == [(broker.PUBACK, 0, b"\x01\x02")]
    assert broker.packets(packets.PINGREQ) == [(broker.PINGREQ, 0, b"")]
    assert broker.packets(packets.DISCONNECT) == [(broker.DISCONNECT, 0, b"")]


def test_remaining_length_at_the_edges():
    """The table of section 2.2.3. A range has a length and no bytes, which is enough for the header."""
    edges = ((0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (16383, b"\xff\x7f"))
    edges += ((16384, b"\x80\x80\x01"), (2097151, b"\xff\xff\x7f"), (2097152, b"\x80\x80\x80\x01"))
    edges += ((268435455, b"\xff\xff\xff\x7f"),)
    for length, digits in edges:
        assert packets.start_of((0, 0x30, b"", range(length)), 0, False) == b"\x30" + digits
    assert isinstance(
        refusal(packets.start_of, (0, 0x30, b"", range(268435456)), 0, False),
        ConfigError,
    )


def test_what_can_not_be_sent_is_refused_by_name():
    bad_names = ["", "a\x00b"]
    for topic_name in bad_names + ["a/+", "#", "a#"]:
        assert isinstance(refusal(packets.publish, Message(topic_name, b"", 0, False)), ConfigError)
        assert isinstance(refusal(connect, Message(topic_name, b"", 0, False)), ConfigError)
    for topic_filter in bad_names:
        assert isinstance(refusal(packets.subscribe, topic_filter, 1), ConfigError)
        assert isinstance(refusal(packets.unsubscribe, topic_filter), ConfigError)
    for qos in (2, 3, -1):
        assert isinstance(refusal(packets.publish, Message("a", b"", qos, False)), ConfigError)
        assert isinstance(refusal(packets.subscribe, "a", qos), ConfigError)


def test_half_a_surrogate_pair_can_not_be_sent():
    assert isinstance(refusal(packets.subscribe, "a" + chr(0xD800), 1), ConfigError)


def test_no_refusal_shows_user_name_or_token():
    for username in ("private\x00", ""):
        error = refusal(packets.connect, "c", True, 60, Credentials(username, Secret("private")), None)
        assert "private" not in str(error)
