"""The front door: one client's connection, from its first byte to its last.

Everything that amqtt does too late, or not at all, is done here: the protocol version, the token (gate.py),
the takeover of an older connection, the right to publish, the acknowledgement after that, the keep alive,
the end of the token, and the will.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakSet

from . import wire
from .access import Access
from .core import Admission, Admissions, Core, PacketReader, PacketWriter
from .feed import Message, MessageFeed
from .gate import Entry, Gate, Refused
from .settings import BrokerSettings

log = logging.getLogger("pairlet_sim.broker")

# A client that leaves more bytes than this unread is dropped: its messages would pile up in our memory.
MAX_UNREAD = 4 * 1024 * 1024
# Longest time that the socket and amqtt get for their part of the goodbye, in seconds.
_GOODBYE = 5.0


@dataclass
class Premises:
    """What all connections of one broker share."""

    settings: BrokerSettings
    gate: Gate
    admissions: Admissions
    core: Core
    # The connections that were let in, by client_id: there is never more than one of each.
    live: dict[str, "ClientConnection"] = field(default_factory=dict)
    # QoS 2 packet identifiers that were received but not yet released, by client_id (section 4.3.3).
    unreleased: dict[str, set[int]] = field(default_factory=dict)
    feeds: WeakSet[MessageFeed] = field(default_factory=WeakSet)

    async def accept(self, message: Message) -> None:
        """Hand a message that may be published to the watchers and to the subscribers."""
        for feed in list(self.feeds):
            feed.put(message)
        await self.core.accept(message.topic, message.payload, message.qos, message.retain)


class ClientConnection:
    """One TCP connection. `run` it in a task of its own; `end` it from anywhere."""

    def __init__(self, premises: Premises, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._premises = premises
        self._reader = reader
        self._writer = writer
        self._entry: Entry | None = None
        self._to_core = PacketReader()
        self._answered = {kind: asyncio.Event() for kind in (wire.CONNACK, wire.SUBACK, wire.UNSUBACK)}
        self._task: asyncio.Task[None] | None = None
        self._serving = False
        self._stop = asyncio.Event()
        self._reason = ""
        self._publish_will = True
        self.ended = asyncio.Event()

    @property
    def client_id(self) -> str:
        """The client_id; "" before a CONNECT was accepted."""
        return self._entry.client_id if self._entry else ""

    @property
    def access(self) -> Access:
        """The rights of its token; only once a CONNECT was accepted."""
        assert self._entry is not None
        return self._entry.access

    async def run(self) -> None:
        """Serve the client until it is gone. No exception leaves: what a client does is its own problem."""
        self._task = asyncio.current_task()
        try:
            if self._stop.is_set():  # before this task had its first turn
                return
            self._entry = await self._introduce()
            await self._take_over()
            await self._serve(self._entry)
        except Refused as refusal:
            log.info("refused a client: %s", refusal)
            self._send(wire.encode_connack(refusal.code))
        except wire.UnsupportedVersion as other:
            # At once, and in words of its own version, so that the client falls back instead of waiting.
            connack = wire.encode_connack(wire.BAD_PROTOCOL_VERSION)
            self._send(wire.CONNACK_MQTT5_UNSUPPORTED if other.level == 5 else connack)
        except wire.WireError as broken:
            log.info("closed %r: %s", self.client_id, broken)
        except asyncio.CancelledError:
            log.info("closed %r: %s", self.client_id, self._reason or "cancelled")
        except Exception as bug:
            log.error("closed %r: an unexpected %s", self.client_id, type(bug).__name__)
        finally:
            await self._leave()

    def end(self, reason: str, *, publish_will: bool = True) -> None:
        """Close this connection soon, and publish its will unless told not to; `reason` is for the log."""
        if self._stop.is_set():
            return
        self._reason, self._publish_will = reason, publish_will
        self._stop.set()
        if not self._serving and self._task is not None:
            self._task.cancel()

    async def _introduce(self) -> Entry:
        """Read the CONNECT and judge it; raises Refused, WireError or UnsupportedVersion."""
        settings = self._premises.settings
        try:
            async with asyncio.timeout(settings.connect_timeout):
                packet = await wire.read_packet(self._reader, settings.max_packet)
        except TimeoutError:
            raise wire.WireError("no CONNECT within %g s" % settings.connect_timeout) from None
        if packet is None:
            raise wire.WireError("it left before its CONNECT")
        return await self._premises.gate.judge(wire.parse_connect(packet))

    async def _take_over(self) -> None:
        """End the older connection of this client_id [MQTT-3.1.4-2], and wait until nothing is left of it."""
        live = self._premises.live
        while (older := live.get(self.client_id)) is not None:
            older.end("a new connection of the same client_id took over")
            await older.ended.wait()
        live[self.client_id] = self
        self._serving = True

    async def _serve(self, entry: Entry) -> None:
        """From the CONNACK to the end. WireError if the client broke the protocol."""
        core = asyncio.create_task(self._attach(entry))
        pump = asyncio.create_task(self._pump(entry))
        stop = asyncio.create_task(self._stop.wait())
        remaining = max(0.0, entry.access.expires_at - self._premises.settings.now())
        expiry = asyncio.get_running_loop().call_later(remaining, self.end, "its token has expired")
        log.info("connected %r until %d", entry.client_id, entry.access.expires_at)
        try:
            await asyncio.wait({core, pump, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            expiry.cancel()
            for task in (stop, pump):
                task.cancel()
            orderly = (await asyncio.gather(pump, stop, return_exceptions=True))[0] is True
            await self._detach(entry, core, orderly)
        if not pump.cancelled():
            pump.result()

    async def _attach(self, entry: Entry) -> None:
        """Bring the client to amqtt, with a one-time word in place of its token, and let amqtt serve it."""
        admission = Admission(entry.access, secrets.token_urlsafe(16))
        self._premises.admissions.by_client_id[entry.client_id] = admission
        self._to_core.feed(
            wire.encode_connect(entry.client_id, entry.connect.clean_session, "token", admission.ticket)
        )
        peer = self._writer.get_extra_info("peername") or ("", 0)
        await self._premises.core.serve(self._to_core, PacketWriter(self._send, (peer[0], peer[1])))

    async def _detach(self, entry: Entry, core: "asyncio.Task[None]", orderly: bool) -> None:
        """Let amqtt finish, then publish the will unless there was a DISCONNECT (section 3.1.2.5)."""
        if not orderly:
            self._to_core.feed_eof()
        _, unfinished = await asyncio.wait({core}, timeout=_GOODBYE)
        if unfinished:
            core.cancel()
        (outcome,) = await asyncio.gather(core, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.error("serving %r failed with %s", entry.client_id, type(outcome).__name__)
        if entry.connect.clean_session:
            await self._premises.core.forget(entry.client_id)
            self._premises.unreleased.pop(entry.client_id, None)
        will = entry.connect.will
        if will and not orderly and self._publish_will:
            await self._premises.accept(
                Message(will.topic, will.payload, will.qos, will.retain, entry.client_id)
            )
        log.info(
            "disconnected %r: %s", entry.client_id, self._reason or ("DISCONNECT" if orderly else "gone")
        )

    async def _pump(self, entry: Entry) -> bool:
        """Read packets until the client is gone; True after a DISCONNECT, WireError if it broke a rule."""
        # A CONNACK comes before anything else (section 3.2), also for clients that do not wait for it.
        await self._answered[wire.CONNACK].wait()
        # Section 3.1.2.10: one and a half times the keep alive; 0 turns it off.
        patience = entry.connect.keep_alive * 1.5 or None
        settings = self._premises.settings
        while True:
            try:
                async with asyncio.timeout(patience):
                    packet = await wire.read_packet(self._reader, settings.max_packet)
            except TimeoutError:
                self._reason = "nothing heard for 1.5 times its keep alive"
                return False
            if packet is None:
                return False
            if settings.now() >= entry.access.expires_at:
                self._reason = "its token has expired"
                return False
            wire.check(packet)
            if await self._handle(packet):
                return True

    async def _handle(self, packet: wire.Packet) -> bool:
        """Do what the packet asks for; True for a DISCONNECT."""
        if packet.kind == wire.PUBLISH:
            await self._publish(wire.parse_publish(packet))
        elif packet.kind == wire.PUBREL:
            packet_id = wire.packet_id_of(packet)
            self._premises.unreleased.get(self.client_id, set()).discard(packet_id)
            self._send(wire.encode_acknowledgement(wire.PUBCOMP, packet_id))
        elif packet.kind == wire.PINGREQ:
            self._send(wire.encode(wire.PINGRESP, 0, b""))
        elif packet.kind in (wire.SUBSCRIBE, wire.UNSUBSCRIBE):
            # In step, so that a PUBLISH right behind it already finds the subscription.
            answered = self._answered[packet.kind + 1]
            answered.clear()
            self._to_core.feed(packet.encode())
            await answered.wait()
        else:
            self._to_core.feed(packet.encode())
        return packet.kind == wire.DISCONNECT

    async def _publish(self, publish: wire.Publish) -> None:
        """Check, distribute, and only then acknowledge: a PUBACK of this broker means something."""
        if not self.access.may_publish(publish.topic):
            raise wire.WireError("it published to a topic that is not its own")
        unreleased = self._premises.unreleased.setdefault(self.client_id, set())
        if publish.qos < 2 or publish.packet_id not in unreleased:
            await self._premises.accept(
                Message(publish.topic, publish.payload, publish.qos, publish.retain, self.client_id)
            )
        if publish.qos == 1:
            self._send(wire.encode_acknowledgement(wire.PUBACK, publish.packet_id))
        elif publish.qos == 2:
            unreleased.add(publish.packet_id)
            self._send(wire.encode_acknowledgement(wire.PUBREC, publish.packet_id))

    def _send(self, data: bytes) -> None:
        """Send one whole packet; drop a client that does not read."""
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
            self.end("it does not read what it subscribed to")
            return
        self._writer.write(data)
        answered = self._answered.get(data[0] >> 4)
        if answered is not None:
            answered.set()

    async def _leave(self) -> None:
        """Make room for the next connection of this client_id, and close the socket."""
        if self._serving:
            del self._premises.live[self.client_id]
            self._premises.admissions.by_client_id.pop(self.client_id, None)
        self.ended.set()
        self._writer.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                with suppress(OSError):
                    await self._writer.wait_closed()
        except TimeoutError:
            # It does not take what is still in the buffer.
            self._writer.transport.abort()
