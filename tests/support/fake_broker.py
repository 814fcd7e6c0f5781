"""A scriptable MQTT peer for what no real broker does on request: silence, lies, cuts and garbage.

    async def script(peer):
        await peer.expect(CONNECT)
        await peer.send(connack(0))
        await peer.closed()

    async with FakeBroker(script) as broker:
        ... mqtt://127.0.0.1:{broker.port} ...

The script runs once for each connection and the connection ends with it. What it raises comes out of the
`async with`, so that a wrong expectation fails the test. It runs in the loop of the test itself.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self

# Types of control packets: the high nibble of the first byte (MQTT 5 section 2.1.2).
CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14

MQTT_3_1_1, MQTT_5 = 4, 5

TIMEOUT = 30.0


class Packet(NamedTuple):
    """A control packet as it came: `type`, the low nibble `flags`, and all behind the fixed header."""

    type: int
    flags: int
    body: bytes

    @property
    def level(self) -> int:
        """The protocol level of a CONNECT: 4 or 5."""
        return self.body[6]

    @property
    def connect_flags(self) -> int:
        """The flags of a CONNECT (section 3.1.2.3)."""
        return self.body[7]

    @property
    def qos(self) -> int:
        """The QoS of a PUBLISH."""
        return (self.flags >> 1) & 3

    @property
    def topic_name(self) -> str:
        """The topic name of a PUBLISH."""
        (length,) = struct.unpack_from("!H", self.body)
        return self.body[2 : 2 + length].decode()

    @property
    def packet_id(self) -> int:
        """The packet_id of a PUBLISH with QoS 1, a SUBSCRIBE or a PUBACK."""
        at = 2 + len(self.topic_name.encode()) if self.type == PUBLISH else 0
        (packet_id,) = struct.unpack_from("!H", self.body, at)
        return int(packet_id)


def packet(type_: int, body: bytes = b"", flags: int = 0) -> bytes:
    """A control packet with its fixed header."""
    length, header = len(body), bytearray([type_ << 4 | flags])
    while True:
        length, digit = divmod(length, 128)
        header.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(header) + body


def connack(
    code: int, *, version: int = MQTT_5, session_present: bool = False, properties: bytes = b""
) -> bytes:
    """A CONNACK; `properties` are the encoded ones of MQTT 5, without their length (below 128 bytes)."""
    more = bytes([len(properties)]) + properties if version == MQTT_5 else b""
    return packet(CONNACK, bytes([session_present, code]) + more)


def puback(packet_id: int, code: int = 0, *, version: int = MQTT_5) -> bytes:
    """A PUBACK; MQTT 3.1.1 has no room for a code."""
    return packet(PUBACK, struct.pack("!H", packet_id) + (bytes([code, 0]) if version == MQTT_5 else b""))


def suback(packet_id: int, *codes: int, version: int = MQTT_5) -> bytes:
    """A SUBACK."""
    return packet(SUBACK, struct.pack("!H", packet_id) + (b"\0" if version == MQTT_5 else b"") + bytes(codes))


def publish(
    topic_name: str | bytes, payload: bytes, *, packet_id: int | None = None, version: int = MQTT_5
) -> bytes:
    """A PUBLISH: QoS 1 with a packet_id, QoS 0 without."""
    name = topic_name.encode() if isinstance(topic_name, str) else topic_name
    body = struct.pack("!H", len(name)) + name
    body += struct.pack("!H", packet_id) if packet_id is not None else b""
    body += b"\0" if version == MQTT_5 else b""
    return packet(PUBLISH, body + payload, 0 if packet_id is None else 2)


def disconnect(code: int) -> bytes:
    """A DISCONNECT of MQTT 5."""
    return packet(DISCONNECT, bytes([code, 0]))


class Peer:
    """The broker's end of one connection. All waiting ends after 30 s with a TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader = reader
        self._writer = writer

    async def receive(self) -> Packet | None:
        """The next control packet, or None when the client has closed."""
        try:
            async with asyncio.timeout(TIMEOUT):
                (first,) = await self._reader.readexactly(1)
                length = shift = 0
                while True:
                    (digit,) = await self._reader.readexactly(1)
                    length |= (digit & 127) << shift
                    shift += 7
                    if digit < 128:
                        return Packet(first >> 4, first & 15, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def expect(self, type_: int) -> Packet:
        """The next control packet, which must be of this type."""
        received = await self.receive()
        assert received is not None, f"the client closed instead of sending packet type {type_}"
        assert received.type == type_, f"packet type {received.type} instead of {type_}"
        return received

    async def send(self, data: bytes) -> None:
        """Write `data`, whatever it is. A client that has closed is no error."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def closed(self) -> list[Packet]:
        """Wait until the client closes; the packets that came before, unanswered."""
        rest = []
        while (received := await self.receive()) is not None:
            rest.append(received)
        return rest

    def stop_reading(self) -> None:
        """Let the client's data pile up, as a broker that hangs does."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """End with a TCP reset instead of the orderly close at the end of the script."""
        endpoint = self._writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.close()


Script = Callable[[Peer], Awaitable[None]]


class FakeBroker:
    """Listens on 127.0.0.1 at `port`. Give one script for all connections, or one for each, in order.

    With several scripts the last one also serves what comes after. `tls`: a server's context, for mqtts.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None):
        self._scripts = scripts
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._failure: BaseException | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        if self._failure is not None:
            raise self._failure

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await script(Peer(reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._serving.discard(task)
            writer.close()
