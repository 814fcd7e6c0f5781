"""The broker's half of MQTT 3.1.1 for tests: reads what a client sends, makes what a broker sends.

Written from the standard and not from pairlet_board, so that a misreading there does not cancel
itself out. It runs on both interpreters, and it is strict: what it can't read is an AssertionError.
"""

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE = 1, 2, 3, 4, 8, 10
PINGREQ, DISCONNECT = 12, 14

PINGRESP = b"\xd0\x00"


def packet(first, body=b""):
    """A control packet from its first byte and all that follows the fixed header."""
    length = len(body)
    digits = []
    while True:
        digits.append(length % 128 + (128 if length >= 128 else 0))
        length //= 128
        if not length:
            return bytes([first]) + bytes(digits) + body


def number(value):
    """Two bytes, the most significant one first (section 1.5.2)."""
    return bytes([value // 256, value % 256])


def string(text):
    """A string or bytes with its length in front (section 1.5.3)."""
    data = text if isinstance(text, bytes) else text.encode()
    return number(len(data)) + data


def connack(session_present=False, code=0):
    """CONNACK."""
    return packet(0x20, bytes([1 if session_present else 0, code]))


def publish(topic_name, payload, qos=0, packet_id=1, flags=0):
    """PUBLISH; `flags` for DUP (8) and retain (1)."""
    middle = number(packet_id) if qos else b""
    return packet(0x30 + 2 * qos + flags, string(topic_name) + middle + payload)


def puback(packet_id):
    """PUBACK."""
    return packet(0x40, number(packet_id))


def suback(packet_id, code):
    """SUBACK to one topic filter."""
    return packet(0x90, number(packet_id) + bytes([code]))


def unsuback(packet_id):
    """UNSUBACK."""
    return packet(0xB0, number(packet_id))


def packets(data):
    """All control packets in `data` as (type, flags, body); there must be nothing left over."""
    found = []
    at = 0
    while at < len(data):
        first = data[at]
        length, weight = 0, 1
        while True:
            at += 1
            length += data[at] % 128 * weight
            weight *= 128
            if data[at] < 128:
                break
            assert weight <= 128 * 128 * 128, "a fifth byte of remaining length"
        body = data[at + 1 : at + 1 + length]
        assert len(body) == length, "the packet is cut off"
        found.append((first // 16, first % 16, body))
        at += 1 + length
    return found


class Reading:
    """Takes fields out of a body, one after the other."""

    def __init__(self, body):
        self._rest = body

    def take(self, count):
        """The next `count` bytes."""
        assert len(self._rest) >= count, "the body is too short"
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self):
        """The next two bytes as a number."""
        high, low = self.take(2)
        return 256 * high + low

    def data(self):
        """The next field that has its length in front."""
        return self.take(self.number())

    def rest(self):
        """All that is left."""
        return self.take(len(self._rest))


def read_connect(found):
    """The fields of a CONNECT as a dict; the will is (topic_name, payload, qos, retain) or None."""
    kind, flags, body = found
    assert (kind, flags) == (CONNECT, 0)
    reading = Reading(body)
    assert reading.data() == b"MQTT"
    assert reading.take(1) == b"\x04"
    connect_flags = reading.take(1)[0]
    assert connect_flags & 0xC1 == 0xC0, "user name and password, and the reserved bit clear"
    said = {"clean_session": bool(connect_flags & 2), "keep_alive": reading.number(), "will": None}
    said["client_id"] = reading.data().decode()
    if connect_flags & 4:
        topic_name, payload = reading.data().decode(), reading.data()
        said["will"] = (topic_name, payload, connect_flags >> 3 & 3, bool(connect_flags & 0x20))
    else:
        assert not connect_flags & 0x38, "flags of a will that is not there"
    said["username"] = reading.data().decode()
    said["password"] = reading.data().decode()
    assert reading.rest() == b""
    return said


def read_publish(found):
    """(topic_name, payload, qos, retain, dup, packet_id) of a PUBLISH."""
    kind, flags, body = found
    assert kind == PUBLISH
    qos = flags >> 1 & 3
    reading = Reading(body)
    topic_name = reading.data().decode()
    packet_id = reading.number() if qos else 0
    return topic_name, reading.rest(), qos, bool(flags & 1), bool(flags & 8), packet_id


def read_subscribe(found):
    """(packet_id, topic_filter, qos) of a SUBSCRIBE to one filter."""
    kind, flags, body = found
    assert (kind, flags) == (SUBSCRIBE, 2)
    reading = Reading(body)
    packet_id, topic_filter, qos = reading.number(), reading.data().decode(), reading.rest()
    assert len(qos) == 1
    return packet_id, topic_filter, qos[0]


def read_unsubscribe(found):
    """(packet_id, topic_filter) of an UNSUBSCRIBE from one filter."""
    kind, flags, body = found
    assert (kind, flags) == (UNSUBSCRIBE, 2)
    reading = Reading(body)
    packet_id, topic_filter = reading.number(), reading.data().decode()
    assert reading.rest() == b""
    return packet_id, topic_filter
