"""MQTT 3.1.1 control packets: bytes out of values, and values out of bytes. No I/O, no clock.

It is a client's half: what a client sends is encoded, what a broker sends is decoded. QoS 2 is left
out: nothing asks for it, and a broker that sends it anyway breaks the protocol. Sections are those
of the OASIS standard "MQTT Version 3.1.1".
"""

from pairlet.core.errors import ConfigError, ProtocolError
from pairlet.core.mqtt import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pairlet.core.mqtt import Credentials

    # What is in a packet from a broker: its type, and two values that differ with it. See decode().
    Packet = tuple[int, Any, Any]
    # A packet that a broker acknowledges: type of the answer (0: none comes), own first byte, what
    # stands before the packet_id and what stands after it. It gets its packet_id when it is sent.
    Parts = tuple[int, int, bytes, bytes]

# What a broker sends, by the first byte without its flags (section 2.2.1).
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
SUBACK = 0x90
UNSUBACK = 0xB0
PINGRESP = 0xD0

# All that have no flags, with the length of what follows the fixed header (for a SUBACK: of ours,
# to one topic filter). The dispatch table of decode(); PUBLISH alone is of another kind.
_LENGTHS = {CONNACK: 2, PUBACK: 2, SUBACK: 3, UNSUBACK: 2, PINGRESP: 0}

# The two packets of a client that are always the same (sections 3.12 and 3.14).
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


def broken(first: int) -> ProtocolError:
    """The error for a packet that a broker may not send like that. It quotes one byte, the `first`."""
    return ProtocolError("the broker sent a packet (0x%02X) that MQTT 3.1.1 does not allow" % first)


# ---- out -------------------------------------------------------------------------------------


def connect(
    client_id: str, clean_session: bool, keep_alive: int, credentials: "Credentials", will: "Message | None"
) -> bytes:
    """CONNECT (section 3.1); `keep_alive` in seconds. ConfigError for what it can't carry."""
    flags = 0xC2 if clean_session else 0xC0
    last = b""
    if will is not None:
        flags |= 0x04 | _qos(will.qos) << 3 | (0x20 if will.retain else 0)
        last = _string(will.topic_name, True) + _prefixed(will.payload)
    username, password = credentials.login()
    if password is None:
        raise ConfigError("a board speaks MQTT 3.1.1, which has no enhanced authentication")
    last += _string(username) + _prefixed(password.encode())
    first = _string("MQTT") + bytes((4, flags)) + keep_alive.to_bytes(2, "big") + _string(client_id)
    return b"".join((_header(0x10, len(first) + len(last)), first, last))


def publish(message: Message) -> "Parts":
    """PUBLISH (section 3.3). ConfigError for what it may not carry."""
    first = PUBLISH | _qos(message.qos) << 1 | (1 if message.retain else 0)
    return PUBACK if message.qos else 0, first, _string(message.topic_name, True), message.payload


def subscribe(topic_filter: str, qos: int) -> "Parts":
    """SUBSCRIBE to one topic filter (section 3.8). ConfigError for one that no packet can carry."""
    return SUBACK, 0x82, b"", _string(topic_filter) + bytes((_qos(qos),))


def unsubscribe(topic_filter: str) -> "Parts":
    """UNSUBSCRIBE from one topic filter (section 3.10). ConfigError for one that no packet can carry."""
    return UNSUBACK, 0xA2, b"", _string(topic_filter)


def puback(packet_id: int) -> bytes:
    """PUBACK (section 3.4)."""
    return bytes((PUBACK, 2, packet_id >> 8, packet_id & 0xFF))


def start_of(parts: "Parts", packet_id: int, dup: bool) -> bytes:
    """Everything of a packet before its last part, which may be long and is not copied here.

    `packet_id` 0: the packet has none (PUBLISH with QoS 0). `dup`: it is a PUBLISH that was sent
    before (section 3.3.1.1).
    """
    _, first, head, tail = parts
    if packet_id:
        head += packet_id.to_bytes(2, "big")
    return _header(first | 8 if dup else first, len(head) + len(tail)) + head


def _header(first: int, length: int) -> bytes:
    """The fixed header: the first byte and the Remaining Length (section 2.2.3)."""
    if length > 268435455:
        raise ConfigError("an MQTT packet can't be so large")
    out = bytearray((first,))
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)


def _qos(qos: int) -> int:
    if qos not in (0, 1):
        raise ConfigError("the MQTT qos must be 0 or 1")
    return qos


def _string(text: str, is_name: bool = False) -> bytes:
    """A UTF-8 encoded string (section 1.5.3) that is not empty; `is_name`: of a topic to publish to."""
    try:
        data = text.encode()
    except UnicodeError:  # CPython alone sees half a surrogate pair here
        data = b""
    if not data or not is_utf8(data) or (is_name and _has_wildcard(text)):
        raise ConfigError("mqtt: a name, topic name or topic filter is one that MQTT can't carry")
    return _prefixed(data)


def _has_wildcard(text: str) -> bool:
    return "+" in text or "#" in text


def _prefixed(data: bytes) -> bytes:
    if len(data) > 65535:
        raise ConfigError("mqtt: a name, token or will is too long")
    return len(data).to_bytes(2, "big") + data


def is_utf8(data: "bytes | memoryview") -> bool:
    """Whether `data` is well-formed UTF-8 without U+0000 (section 1.5.3, Unicode table 3-7).

    MicroPython's own decoder lets surrogates, overlong forms and what lies beyond U+10FFFF pass.
    """
    need, low, high = 0, 0x80, 0xBF
    for byte in data:
        if need:
            if not low <= byte <= high:
                return False
            need, low, high = need - 1, 0x80, 0xBF
        elif byte >= 0x80:
            if not 0xC2 <= byte <= 0xF4:
                return False
            need = 1 + (byte >= 0xE0) + (byte >= 0xF0)
            # Overlong forms begin lower, surrogates and what is beyond Unicode end higher.
            low = 0xA0 if byte == 0xE0 else 0x90 if byte == 0xF0 else 0x80
            high = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF
        elif not byte:
            return False
    return not need


# ---- in --------------------------------------------------------------------------------------


def decode(first: int, body: memoryview) -> "Packet":
    """The packet with this first byte and this `body`, all behind the fixed header.

    CONNACK, session_present, return code · PUBLISH, Message, packet_id (0: none) · PUBACK, SUBACK,
    UNSUBACK, packet_id, granted qos or 0x80 · PINGRESP, 0, 0. ProtocolError for anything else.
    """
    if first & 0xF0 == PUBLISH:
        return _publish(first, body)
    if _LENGTHS.get(first) != len(body):
        raise broken(first)
    number = body[0] << 8 | body[1] if body else 0
    if first == CONNACK:
        if number > 0x1FF:  # reserved flags (section 3.2.2.1)
            raise broken(first)
        return first, number > 0xFF, number & 0xFF
    code = body[2] if first == SUBACK else 0
    # packet_id 0 is none (section 2.3.1). We never ask for QoS 2, so 2 can't be granted.
    if (body and not number) or code not in (0, 1, 0x80):
        raise broken(first)
    return first, number, code


def _publish(first: int, body: memoryview) -> "Packet":
    qos = first >> 1 & 3
    at = 2 + (body[0] << 8 | body[1]) if len(body) > 1 else 3
    end = at + 2 if qos else at
    # A QoS 0 message is never a second try (MQTT-3.3.1-2). A memoryview slice stops at the end
    # without complaint, so lengths have to be looked at; 2 is an empty topic name.
    if qos > 1 or first & 0x0A == 8 or not 2 < at <= end <= len(body) or not is_utf8(body[2:at]):
        raise broken(first)
    topic_name = str(body[2:at], "utf-8")
    packet_id = body[at] << 8 | body[at + 1] if qos else 0
    if _has_wildcard(topic_name) or (qos and not packet_id):
        raise broken(first)
    return PUBLISH, Message(topic_name, bytes(body[end:]), qos, first & 1 == 1), packet_id


class PacketReader:
    """Cuts the byte stream of a broker into packets, in a buffer that is there from the start.

    Put bytes into `space()`, say how many with `added(count)`, and take packets with `next()`. A
    packet that does not fit gets a buffer of its own size, for as long as it takes; one of more
    than `most` bytes, with its fixed header, is a ProtocolError as soon as its length is known.
    """

    def __init__(self, most: int):
        self._most = most
        self._small = bytearray(256)
        self.reset()

    def reset(self) -> None:
        """Forget everything: another connection begins."""
        self._buffer = self._small
        self._start = self._end = 0

    def space(self) -> memoryview:
        """Where the next bytes go; never empty when next() has been asked for all it has."""
        if self._end == len(self._buffer):
            self._to_front(self._buffer)
        return memoryview(self._buffer)[self._end :]

    def added(self, count: int) -> None:
        """`count` bytes were put into the last `space()`."""
        self._end += count

    def next(self) -> "Packet | None":
        """The next packet, None if more bytes are needed. After a ProtocolError nothing makes sense."""
        buffer, start = self._buffer, self._start
        length, shift, at = 0, 0, start + 1
        while True:
            if at >= self._end:
                return None
            length |= (buffer[at] & 0x7F) << shift
            at += 1
            if buffer[at - 1] < 0x80:
                break
            shift += 7
            if shift > 21:  # four bytes at most (section 2.2.3)
                raise broken(buffer[start])
        end = at + length
        if end - start > self._most:
            raise ProtocolError("the broker sent a packet that is too large")
        if end > self._end:
            if end > len(buffer):
                size = end - start
                self._to_front(buffer if size <= len(buffer) else bytearray(size))
            return None
        packet = decode(buffer[start], memoryview(buffer)[at:end])
        self._start = end
        if end == self._end:
            self.reset()
        return packet

    def _to_front(self, target: bytearray) -> None:
        """Move what is unread to the beginning of `target`, which may be the buffer itself."""
        count = self._end - self._start
        memoryview(target)[:count] = memoryview(self._buffer)[self._start : self._end]
        self._buffer, self._start, self._end = target, 0, count
