"""The port Mqtt of a board: MQTT 3.1.1 over asyncio streams, plain on loopback or over verified TLS.

Three tasks for each connection: one reads, one writes, one looks at the clock. All decisions are
the session's (mqtt_session); here are the socket, the time-outs and those who wait.
"""

import asyncio

from pairlet.core.errors import BrokerError, ConfigError, ProtocolError, TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Event
from pairlet.core.url import is_loopback, split

from . import mqtt_packets as packets
from . import tls
from .dial import dial
from .mqtt_session import CLOSED, CONNECTED, NOT_CONNECTED, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pairlet.core.mqtt import Credentials, Message
    from pairlet.ports import Clock

# The longest wait, in seconds, for a broker to take the DISCONNECT.
_FAREWELL_S = 2
_LOST = "the connection to the broker was lost"
_TimeoutError = asyncio.TimeoutError  # noqa: UP041  MicroPython has it nowhere else


def parse_address(url: str, insecure: bool) -> "tuple[str, int, bool]":
    """Host, port and whether TLS is used, of mqtts://host[:8883] or mqtt://host[:1883].

    ConfigError if it may not be used: mqtt:// would show the token to the network, so it is for
    loopback only, and only with `insecure`.
    """
    scheme, _, rest = url.partition("://")
    # What makes an address doubtful does not depend on its scheme: one strict reader for all of them.
    parts = split("https://" + rest)
    if parts is not None and parts.path in ("", "/") and parts.query is None:
        if scheme.lower() == "mqtts":
            return parts.host, parts.port or 8883, True
        if scheme.lower() == "mqtt" and insecure and is_loopback(parts.host):
            return parts.host, parts.port or 1883, False
    raise ConfigError("mqtt.url must be mqtts://HOST or mqtts://HOST:PORT, and nothing more.")


class BoardMqtt:
    """One broker, one connection at a time. See pairlet.ports.Mqtt for the methods.

    Inbound QoS 1 messages are acknowledged when next_event() hands them over; when too many wait
    (8 KB), what comes on top is left out, and the broker sends it again after the next connect. A
    message may therefore arrive twice. Nothing here ever shows a user name, a token or a payload.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        clock: "Clock",
        *,
        context: "ssl.SSLContext | None" = None,
        timeout_s: float = 30,
        insecure: bool = False,
    ):
        """ConfigError for an address that can't be used. Nothing is opened yet.

        context: for mqtts, from tls.context. timeout_s: for TCP, again for TLS and CONNECT, for the
        CONNACK, for a SUBACK. insecure: allows mqtt:// to this very machine.
        """
        self._host, self._port, uses_tls = parse_address(url, insecure)
        if uses_tls and context is None:
            raise ConfigError("there is no CA to check the MQTT broker with", "Set a CA file.")
        self._context = context if uses_tls else None
        self._session = session
        self._clock = clock
        self._timeout_s = timeout_s
        self._close: Callable[[], None] | None = None  # there while there is a socket
        self._tasks: list[asyncio.Task[None]] = []
        self._connecting = self._given_up = False
        self._ended: str | None = None  # an end that nobody has been told of
        self._news = asyncio.Event()  # for those who wait for something to come in
        self._wake = asyncio.Event()  # for the writing task

    # ---- the port --------------------------------------------------------------------------

    async def connect(self, credentials: "Credentials", will: "Message | None") -> bool:
        """Open a connection, after closing an earlier one; return session_present.

        TransportError (also when disconnect() is called meanwhile), TlsError, BrokerError with the
        CONNACK's return code, ConfigError for a will that can't be sent, ProtocolError when a
        connect is under way already.
        """
        if self._connecting:
            raise ProtocolError("an MQTT connect is under way already")
        self._connecting = True
        self._given_up = False
        free = None
        try:
            await self._hang_up()
            self._ended = None
            free = tls.free_heap()
            reader, writer, self._close = await dial(self._host, self._port, self._context, self._timeout_s)
            if self._given_up:
                raise TransportError("disconnect() ended the attempt to connect")
            await asyncio.wait_for(self._introduce(writer, credentials, will), self._timeout_s)
            for task in (self._reading(reader), self._writing(writer)):
                self._tasks.append(asyncio.create_task(task))
            await asyncio.wait_for(self._connack(), self._timeout_s)
        except _TimeoutError:  # before OSError, which it is on CPython
            raise TransportError(self._host + " did not answer in time") from None
        except (OSError, ValueError, MemoryError) as error:
            raise tls.error(error, self._host, free) from None
        finally:
            self._connecting = False
            if self._session.state != CONNECTED:
                self._finish(NOT_CONNECTED)
        return self._session.session_present

    async def publish(self, message: "Message") -> int:
        """Send `message`, with QoS 1 wait for its PUBACK; return 0. ConfigError for a bad topic name.

        There is no time-out for a broker that answers pings but acknowledges nothing: see unacked_ms.
        """
        return await self._outcome(packets.publish(message))

    def room(self) -> int:
        """How many messages send() would put out at once; 0 without a connection."""
        return self._session.room()

    def send(self, message: "Message", settle: "Callable[[int | None], None]") -> None:
        """As publish(), but without a task or an event for each message: see pairlet.ports.Mqtt.send."""
        parts = packets.publish(message)
        try:
            self._session.send(parts, settle)
        except TransportError:
            asyncio.create_task(_tell_failure(settle))
        self._wake.set()

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """Return the granted qos, or 0x80. TransportError also when there is no answer in time."""
        try:
            parts = packets.subscribe(topic_filter, qos)
            return await asyncio.wait_for(self._outcome(parts), self._timeout_s)
        except _TimeoutError:
            raise TransportError("the broker did not answer SUBSCRIBE in time") from None

    async def next_event(self) -> Event:
        """Wait for a message or the end of the connection, also across connections."""
        while True:
            message = self._session.next_message()
            if message is not None:
                self._wake.set()  # its PUBACK
                return Event(MESSAGE, message, None, None)
            if self._ended is not None:
                reason, self._ended = self._ended, None
                return Event(DISCONNECTED, None, reason, None)
            await self._something_new()

    async def disconnect(self) -> None:
        """Send DISCONNECT, which drops the will, and close; some seconds at most. Never raises.

        A connect() that is under way fails, at the latest when it would have succeeded.
        """
        self._given_up = True
        self._session.disconnect()
        await self._hang_up()
        self._ended = None

    def unacked_ms(self) -> "int | None":
        """The age of the oldest packet that waits for its acknowledgement, None if there is none."""
        return self._session.unacked_ms(self._clock.now())

    async def _outcome(self, parts: "packets.Parts") -> int:
        ended = asyncio.Event()
        delivery = self._session.send(parts, lambda code: ended.set())
        self._wake.set()
        try:
            await ended.wait()
        finally:
            self._session.forget(delivery)
        if delivery.code is None:
            raise TransportError(self._session.reason)
        return delivery.code

    async def _something_new(self) -> None:
        self._news.clear()
        await self._news.wait()

    # ---- from nothing to a connection ------------------------------------------------------

    async def _introduce(
        self, writer: "asyncio.StreamWriter", credentials: "Credentials", will: "Message | None"
    ) -> None:
        """Write CONNECT. On MicroPython the TLS handshake is in that write."""
        now = self._clock.now()
        self._session.connect(credentials, will, now)
        writer.write(self._session.data_to_send(now) or b"")
        await writer.drain()

    async def _connack(self) -> None:
        """Wait for the broker's verdict."""
        session = self._session
        while session.return_code is None:
            if session.state == CLOSED:
                raise TransportError("no CONNACK from the broker: " + session.reason)
            await self._something_new()
        if session.return_code:
            from pairlet.core.mqtt_reasons import reason_text

            reason = "the broker refused the connection: " + reason_text(session.return_code)
            raise BrokerError(reason, session.return_code)
        self._tasks.append(asyncio.create_task(self._watching()))

    # ---- while there is one ----------------------------------------------------------------

    async def _reading(self, reader: "asyncio.StreamReader") -> None:
        reason = _LOST
        try:
            while True:
                count = await _read_into(reader, self._session.space())
                if count:
                    self._session.receive(count, self._clock.now())
                    self._news.set()
                    self._wake.set()
                elif count is not None:
                    break  # the broker closed; None is a TLS record that is not complete yet
        except ProtocolError as error:
            reason = str(error)
            self._session.start_over()
        except MemoryError:
            reason = "not enough memory for what the broker sent"
        except (OSError, ValueError):
            pass
        self._finish(reason)

    async def _writing(self, writer: "asyncio.StreamWriter") -> None:
        # The only one that writes: on MicroPython two drains at once lose data, and so does one that
        # is cancelled half-way, as a publisher's would be.
        try:
            while True:
                data = self._session.data_to_send(self._clock.now())
                if data is None:
                    self._wake.clear()
                    await self._wake.wait()
                else:
                    writer.write(data)
                    await writer.drain()
        except (OSError, ValueError, MemoryError):
            self._finish(_LOST)

    async def _watching(self) -> None:
        # Apart from the writer, which may be stuck with a socket that is full.
        try:
            while (deadline := self._session.deadline()) is not None:
                await self._clock.sleep_until(deadline)
                self._session.tick(self._clock.now())
                self._wake.set()
        except TransportError as error:
            self._finish(str(error))

    # ---- the end ---------------------------------------------------------------------------

    async def _hang_up(self) -> None:
        """End a connection in the orderly way, in bounded time."""
        if self._close is not None:
            self._session.disconnect()
            self._wake.set()
            try:
                # The reader goes on until the broker closes: closing with something unread would make
                # the kernel reset the connection, and the DISCONNECT might get lost.
                await asyncio.wait_for(self._until_gone(), _FAREWELL_S)
            except _TimeoutError:
                self._finish(NOT_CONNECTED)

    async def _until_gone(self) -> None:
        while self._close is not None:
            await self._something_new()

    def _finish(self, reason: str) -> None:
        """Close, and tell everybody who waits. Called by whoever sees the end first; then harmless."""
        close, self._close = self._close, None
        if close is None:
            return
        if self._session.state == CONNECTED:
            self._ended = reason
        self._session.lost(reason)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._tasks = []
        close()
        self._news.set()


async def _tell_failure(settle: "Callable[[int | None], None]") -> None:
    settle(None)


async def _read_into(reader: "asyncio.StreamReader", space: memoryview) -> "int | None":
    """Put what has come into `space`; how many bytes, 0 at the end."""
    if hasattr(reader, "readinto"):  # MicroPython: no copy, no garbage
        return await reader.readinto(space)  # type: ignore[no-any-return]
    data = await reader.read(len(space))
    space[: len(data)] = data
    return len(data)
