"""The part that amqtt does: sessions, subscriptions, retained messages and the delivery to subscribers.

amqtt never sees a socket, a token or an unchecked packet. It is attached through its `external` listener
type: the front door (connection.py) hands it whole packets that it has checked, and takes whole packets
from it. The overrides in `Core` mend what was measured or read in amqtt 0.12; each says what. They touch
private methods, which is why pyproject.toml bounds the version.
"""

import asyncio
import hmac
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker as AmqttBroker
from amqtt.contexts import Action, BaseContext, BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from .access import Access

_LISTENER = "default"
_ACCESS = "pairlet_sim.access"
_SUBSCRIBING = "pairlet_sim.subscribing"

# Above this many messages between the front door and the subscribers, publishers are made to wait.
_MAX_BACKLOG = 200


@dataclass
class Admission:
    """Whom the front door has let in: the rights, and the one-time word that stands for the token."""

    access: Access
    ticket: str = field(repr=False)


class Admissions:
    """The admissions by client_id; the front door writes, the plugins read."""

    def __init__(self) -> None:
        self.by_client_id: dict[str, Admission] = {}


class TokenAuthentication(BaseAuthPlugin):
    """amqtt plugin: lets in who comes through the front door, and nobody else."""

    @dataclass
    class Config:
        """`admissions`: an `Admissions`."""

        admissions: Any = None

    def __init__(self, context: BaseContext):
        super().__init__(context)
        self._admissions: Admissions = self.config.admissions

    async def authenticate(self, *, session: Session) -> bool:
        """Whether the password is the ticket of this client_id; then the session gets the token's rights."""
        admission = self._admissions.by_client_id.get(session.client_id or "")
        if admission is None or not hmac.compare_digest(admission.ticket, session.password or ""):
            return False
        session.attributes[_ACCESS] = admission.access
        return True


class DeviceTopics(BaseTopicPlugin):
    """amqtt plugin: a device's topics are for the device, and for who may read all of them."""

    @dataclass
    class Config:
        """Nothing to configure: the rights are in the session."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether `session` may do `action` with `topic`, which is a filter when it subscribes."""
        access = session.attributes.get(_ACCESS) if session is not None else None
        if not isinstance(access, Access) or not topic:
            return False
        if action == Action.SUBSCRIBE:
            return access.may_subscribe(topic)
        return access.may_receive(topic) if action == Action.RECEIVE else access.may_publish(topic)


class PacketReader(ReaderAdapter):
    """amqtt's view of a client: the packets that the front door passes on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Pass on a whole packet."""
        self._buffer += data
        self._changed.set()

    def feed_eof(self) -> None:
        """Tell amqtt that the client is gone."""
        self._ended = True
        self._changed.set()

    async def read(self, n: int = -1) -> bytes:
        """`n` bytes, or fewer at the end."""
        while len(self._buffer) < n and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        taken = bytes(self._buffer[:n])
        del self._buffer[:n]
        return taken


class PacketWriter(WriterAdapter):
    """What amqtt writes to: the front door's socket, and a note of which kind of packet has gone out."""

    def __init__(self, send: Callable[[bytes], None], peer: tuple[str, int]):
        self._send = send
        self._peer = peer
        self._closed = False

    def write(self, data: bytes) -> None:
        """Send a whole packet: amqtt serializes one at a time."""
        if not self._closed:
            self._send(data)

    async def drain(self) -> None:
        """Nothing to wait for: the front door drops who does not read (see `connection.MAX_UNREAD`)."""

    def get_peer_info(self) -> tuple[str, int]:
        """Address and port of the client."""
        return self._peer

    def get_ssl_info(self) -> ssl.SSLObject | None:
        """No TLS: loopback only."""
        return None

    async def close(self) -> None:
        """Stop sending; the socket is the front door's to close."""
        self._closed = True


class Core(AmqttBroker):
    """amqtt's broker behind the front door."""

    def __init__(self, admissions: Admissions):
        silence_amqtt()
        here = __name__
        plugins = {
            "%s.TokenAuthentication" % here: {"admissions": admissions},
            "%s.DeviceTopics" % here: {},
        }
        listeners = {_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)}
        super().__init__(BrokerConfig(listeners=listeners, plugins=plugins))

    async def serve(self, reader: PacketReader, writer: PacketWriter) -> None:
        """Serve one client that the front door has let in, until it is gone."""
        await self.external_connected(reader, writer, _LISTENER)

    async def accept(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Distribute a message whose sender's right has been checked; waits while too many are under way."""
        if retain:
            await self.retain_message(None, topic, payload, qos)
        await self.internal_message_broadcast(topic, payload)
        while self._broadcast_queue.qsize() > _MAX_BACKLOG:
            await asyncio.sleep(0)

    async def forget(self, client_id: str) -> None:
        """Delete a session and its subscriptions."""
        await self._delete_session(client_id)

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        # amqtt runs every plugin as a task. The switch of tasks lets a SUBSCRIBE change the dictionary that
        # the delivery is walking through, which then dies with a RuntimeError and loses the message.
        plugins = [each for each in self.plugins_manager.plugins if isinstance(each, BaseTopicPlugin)]
        verdicts = [
            await each.topic_filtering(session=session, topic=topic, action=action) for each in plugins
        ]
        return bool(verdicts) and all(verdicts)

    async def _session_monitor(self) -> None:
        # It looks for ended sessions once a second and can meet a client that has just come back. Sessions
        # are forgotten at the end of their connection instead.
        return

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """The granted QoS, or 0x80. amqtt keeps the old QoS of a filter that is subscribed to again."""
        granted: int = await super().add_subscription(subscription, session)
        if granted <= 2:
            self._del_subscription(subscription[0], session)
            self._subscriptions[subscription[0]].append((session, granted))
        return granted

    async def _handle_subscription(self, client_session: Session, *rest: Any) -> None:
        client_session.attributes[_SUBSCRIBING] = True
        try:
            await super()._handle_subscription(client_session, *rest)
        finally:
            del client_session.attributes[_SUBSCRIBING]

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # amqtt also calls this for a newcomer, with the filters of ALL clients: everybody's retained
        # messages went to everybody who connected. Retained messages belong to a SUBSCRIBE (section
        # 3.3.1.3).
        if not session.attributes.get(_SUBSCRIBING):
            return
        topic_filter, qos = subscription
        for topic, retained in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter):
                await self._deliver(session, topic, bytes(retained.data), min(qos, retained.qos or 0), True)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        # The messages kept for a client that was away; amqtt marks them as retained, which they are not.
        while not session.retained_messages.empty():
            kept = session.retained_messages.get_nowait()
            await self._deliver(session, kept.topic, bytes(kept.data), kept.qos or 0, False)

    async def _deliver(self, session: Session, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Start a delivery; the broadcast loop looks after its end. amqtt would wait for the PUBACK here."""
        handler = self._get_handler(session)
        if handler is not None and await self._topic_filtering(session, topic, Action.RECEIVE):
            delivery = asyncio.ensure_future(handler.mqtt_publish(topic, payload, qos, retain))
            self._tasks_queue.append(delivery)


def silence_amqtt() -> None:
    """Keep amqtt's log out of the program's: it writes tracebacks for ordinary ends of connections.

    What matters is in the log `pairlet_sim.broker`. This holds for the whole process.
    """
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
