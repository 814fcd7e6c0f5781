"""MQTT 3.1.1 packets as bytes: strict reading of what clients send, and the few answers of the front door.

Section numbers are those of the OASIS standard MQTT 3.1.1; rules in brackets are its conformance
statements. Whatever passes here is whole and well-formed, so that the library behind it never meets
anything else.
"""

import asyncio
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14

# CONNACK return codes (section 3.2.2.3).
ACCEPTED, BAD_PROTOCOL_VERSION, IDENTIFIER_REJECTED, UNAVAILABLE, BAD_CREDENTIALS, NOT_AUTHORIZED = range(6)

# CONNACK of MQTT 5 with reason code 0x84, Unsupported Protocol Version, and no properties (MQTT 5,
# 3.2.2.2).
CONNACK_MQTT5_UNSUPPORTED = b"\x20\x03\x00\x84\x00"

# The flags that the fixed header must have (section 2.2.2); PUBLISH alone may choose.
_FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
_FROM_CLIENTS = {PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT}


class WireError(Exception):
    """The client broke the protocol: its connection must be closed (section 4.8)."""


class UnsupportedVersion(Exception):
    """The CONNECT asks for another version of MQTT: `level` is 3 (MQTT 3.1), 5, or what else it said."""

    def __init__(self, level: int):
        super().__init__("protocol level %d" % level)
        self.level = level


class Packet(NamedTuple):
    """A whole packet: its type, the four flags of the fixed header, and all bytes behind the fixed header."""

    kind: int
    flags: int
    body: bytes

    def encode(self) -> bytes:
        """The bytes that this packet came from."""
        return encode(self.kind, self.flags, self.body)


class Publish(NamedTuple):
    """A PUBLISH; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int


class Connect(NamedTuple):
    """A CONNECT. `password` is what the client sent, and is never shown: see `__repr__`."""

    client_id: str
    clean_session: bool
    keep_alive: int
    will: Publish | None
    username: str | None
    password: bytes | None

    def __repr__(self) -> str:
        return "<CONNECT of %r>" % self.client_id


class _Body:
    """Takes a packet's body apart from the front; WireError when it is too short."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise WireError("the packet is shorter than its fields")
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, width: int) -> int:
        """An unsigned integer of `width` bytes, most significant first (section 1.5.2)."""
        return int.from_bytes(self.take(width))

    def binary(self) -> bytes:
        """Bytes behind their two-byte length."""
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 encoded string (section 1.5.3): well-formed, and without U+0000."""
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("a string is not UTF-8 [MQTT-1.5.3-1]") from None
        if "\0" in text:
            raise WireError("a string holds U+0000 [MQTT-1.5.3-2]")
        return text

    def packet_id(self) -> int:
        """A packet identifier, which is never 0."""
        value = self.number(2)
        if not value:
            raise WireError("the packet identifier is 0 [MQTT-2.3.1-1]")
        return value

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._data)

    def end(self) -> None:
        """WireError unless everything was taken."""
        if not self.empty:
            raise WireError("the packet is longer than its fields")


async def read_packet(reader: asyncio.StreamReader, limit: int) -> Packet | None:
    """The next packet, None when the client has closed; WireError if malformed or over `limit` bytes."""
    try:
        first = await reader.readexactly(1)
        length = await _remaining_length(reader)
        if length > limit:
            raise WireError("a packet of %d bytes is over the limit of %d" % (length, limit))
        return Packet(first[0] >> 4, first[0] & 15, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        # A TimeoutError here is ETIMEDOUT of the socket: the other side is gone.
        return None


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    """Section 2.2.3: seven bits a byte, least significant first, at most four bytes."""
    value = 0
    for place in range(4):
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value
    raise WireError("the remaining length takes more than four bytes")


def parse_connect(packet: Packet) -> Connect:
    """Read a CONNECT (section 3.1). WireError if malformed, UnsupportedVersion if it is not MQTT 3.1.1."""
    if packet.kind != CONNECT or packet.flags:
        raise WireError("the first packet is not a CONNECT [MQTT-3.1.0-1]")
    body = _Body(packet.body)
    name, level = body.text(), body.number(1)
    if name not in ("MQTT", "MQIsdp"):
        raise WireError("the protocol name is not MQTT [MQTT-3.1.2-1]")
    if (name, level) != ("MQTT", 4):
        # Its further fields are those of another standard: not for us to judge.
        raise UnsupportedVersion(level)
    flags, keep_alive = body.number(1), body.number(2)
    _check_connect_flags(flags)
    client_id = body.text()
    will = None
    if flags & 0x04:
        topic, payload = body.text(), body.binary()
        will = Publish(topic, payload, flags >> 3 & 3, bool(flags & 0x20), 0)
    username = body.text() if flags & 0x80 else None
    password = body.binary() if flags & 0x40 else None
    body.end()
    return Connect(client_id, bool(flags & 0x02), keep_alive, will, username, password)


def _check_connect_flags(flags: int) -> None:
    """The rules of section 3.1.2.3 and the ones after it."""
    if flags & 0x01:
        raise WireError("the reserved connect flag is set [MQTT-3.1.2-3]")
    if flags & 0x18 == 0x18:
        raise WireError("the will's QoS is 3 [MQTT-3.1.2-14]")
    if not flags & 0x04 and flags & 0x38:
        raise WireError("will QoS or will retain without a will [MQTT-3.1.2-13]")
    if flags & 0x40 and not flags & 0x80:
        raise WireError("a password without a user name [MQTT-3.1.2-22]")


def parse_publish(packet: Packet) -> Publish:
    """Read a PUBLISH (section 3.3); WireError if it is malformed or its topic name holds a wildcard."""
    qos = packet.flags >> 1 & 3
    if qos == 3 or (packet.flags & 8 and not qos):
        raise WireError("QoS 3, or DUP at QoS 0 [MQTT-3.3.1-4]")
    body = _Body(packet.body)
    topic = body.text()
    if not is_topic_name(topic):
        raise WireError("the topic name is empty or holds a wildcard [MQTT-3.3.2-2]")
    packet_id = body.packet_id() if qos else 0
    return Publish(topic, body.rest(), qos, bool(packet.flags & 1), packet_id)


def is_topic_name(topic: str) -> bool:
    """Whether `topic` can be published to (section 4.7): not empty and without wildcards."""
    return bool(topic) and "+" not in topic and "#" not in topic


def check(packet: Packet) -> None:
    """WireError unless this is a whole packet that a connected client may send."""
    if packet.kind not in _FROM_CLIENTS:
        raise WireError("a connected client may not send a packet of type %d" % packet.kind)
    if packet.kind == PUBLISH:
        return
    if packet.flags != _FLAGS.get(packet.kind, 0):
        raise WireError("the fixed header has wrong flags [MQTT-2.2.2-2]")
    body = _Body(packet.body)
    if packet.kind not in (PINGREQ, DISCONNECT):
        body.packet_id()
    if packet.kind in (SUBSCRIBE, UNSUBSCRIBE):
        _check_filters(body, with_qos=packet.kind == SUBSCRIBE)
    body.end()


def _check_filters(body: _Body, *, with_qos: bool) -> None:
    """The payload of SUBSCRIBE and UNSUBSCRIBE: at least one topic filter (sections 3.8.3, 3.10.3)."""
    if body.empty:
        raise WireError("a packet without a topic filter [MQTT-3.8.3-3]")
    while not body.empty:
        if not body.text():
            raise WireError("an empty topic filter [MQTT-4.7.3-1]")
        if with_qos and body.number(1) > 2:
            raise WireError("a requested QoS over 2 [MQTT-3.8.3-4]")


def packet_id_of(packet: Packet) -> int:
    """The packet identifier of a PUBREL, SUBSCRIBE ... that `check` has passed."""
    return int.from_bytes(packet.body[:2])


def encode(kind: int, flags: int, body: bytes) -> bytes:
    """A whole packet: fixed header (section 2.2) and body."""
    out = bytearray([kind << 4 | flags])
    length = len(body)
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out) + body


def encode_connack(code: int) -> bytes:
    """A CONNACK that refuses: Session Present is 0 whenever the code is not [MQTT-3.2.2-4]."""
    return encode(CONNACK, 0, bytes((0, code)))


def encode_acknowledgement(kind: int, packet_id: int) -> bytes:
    """PUBACK, PUBREC or PUBCOMP for `packet_id`."""
    return encode(kind, 0, packet_id.to_bytes(2))


def encode_connect(client_id: str, clean_session: bool, username: str, password: str) -> bytes:
    """A CONNECT without will and keep alive: what the front door passes on to the library behind it."""
    fields = [each.encode("utf-8") for each in (client_id, username, password)]
    flags = 0xC0 | (0x02 if clean_session else 0)
    body = b"\x00\x04MQTT\x04" + bytes((flags, 0, 0))
    return encode(CONNECT, 0, body + b"".join(len(each).to_bytes(2) + each for each in fields))
