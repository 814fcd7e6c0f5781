"""The broker as the simulator uses it: start, watch, publish, stop."""

import asyncio
import errno
import logging
from types import TracebackType
from typing import NamedTuple, Self

from amqtt.errors import AMQTTError

from . import wire
from .connection import ClientConnection, Premises
from .core import Admissions, Core
from .feed import Message, MessageFeed
from .gate import Gate
from .settings import BrokerError, BrokerSettings

log = logging.getLogger("pairlet_sim.broker")


class ConnectionInfo(NamedTuple):
    """A connected client; `device_id` is None for one that only reads; `exp` in seconds since 1970."""

    client_id: str
    device_id: str | None
    exp: float


class Broker:
    """An MQTT 3.1.1 broker on loopback that takes OAuth 2.0 access tokens as passwords. For demonstrations.

        async with Broker(BrokerSettings(issuer=..., audience=..., jwks_url=...)) as broker:
            async for message in broker.messages(): ...

    It lives in the event loop that starts it, next to whatever else runs there. CONNACK return codes: 4 for
    a token that is missing, wrong or expired, 5 for a good one that allows nothing here (or a will that it
    does not allow), 2 for a client_id that is not the device's own, 3 when the keys can not be fetched. A
    client with MQTT 5 is told at once (0x84) that only 3.1.1 is spoken. The limits are listed in the
    docstring of the package.
    """

    def __init__(self, settings: BrokerSettings):
        self._settings = settings
        self._premises: Premises | None = None
        self._server: asyncio.Server | None = None
        self._clients: dict[ClientConnection, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. BrokerError if the port is taken or if the broker runs already."""
        if self._server is not None:
            raise BrokerError("this broker runs already")
        settings, admissions = self._settings, Admissions()
        core = Core(admissions)
        try:
            await core.start()
        except AMQTTError as trouble:
            raise BrokerError("the broker could not be started: %s" % trouble) from trouble
        self._premises = Premises(settings, Gate(settings), admissions, core)
        host = settings.bind_address()
        try:
            self._server = await asyncio.start_server(self._on_connection, host, settings.port)
        except OSError as trouble:
            await core.shutdown()
            self._premises = None
            raise BrokerError(_why_not_bound(host, settings.port, trouble)) from None

    async def stop(self) -> None:
        """Close every connection, without wills, and leave nothing running. Does nothing the second time."""
        premises, server = self._premises, self._server
        self._premises = self._server = None
        if premises is None or server is None:
            return
        server.close()
        for client in list(self._clients):
            client.end("the broker stops", publish_will=False)
        if self._clients:
            await asyncio.wait(list(self._clients.values()))
        await server.wait_closed()
        await premises.core.shutdown()
        for feed in list(premises.feeds):
            feed.close()

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        if self._server is None:
            raise BrokerError("this broker does not run")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def messages(self) -> MessageFeed:
        """An asynchronous iterator over every message that is accepted from now on, wills included."""
        feed = MessageFeed()
        self._running().feeds.add(feed)
        return feed

    def connections(self) -> list[ConnectionInfo]:
        """Who is connected now."""
        return [
            ConnectionInfo(client_id, client.access.device_id, client.access.expires_at)
            for client_id, client in self._running().live.items()
        ]

    def retained(self, topic: str) -> bytes | None:
        """The payload of the retained message of `topic`, or None."""
        kept = self._running().core.retained_messages.get(topic)
        return None if kept is None else bytes(kept.data)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Publish as the broker itself: any topic below the root. BrokerError if not usable."""
        root = self._settings.topic_root
        if not wire.is_topic_name(topic) or not topic.startswith(root + "/") or qos not in (0, 1, 2):
            raise BrokerError("publish needs a topic name below %s/ and a qos of 0, 1 or 2" % root)
        await self._running().accept(Message(topic, payload, qos, retain, ""))

    def disconnect(self, client_id: str) -> bool:
        """Close a client's connection as a fault would, with its will; False if it is not connected."""
        client = self._running().live.get(client_id)
        if client is not None:
            client.end("disconnected on request")
        return client is not None

    def _running(self) -> Premises:
        if self._premises is None:
            raise BrokerError("this broker does not run")
        return self._premises

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        premises = self._premises
        if premises is None or len(self._clients) >= self._settings.max_connections:
            log.warning("closed a new connection: there are too many already")
            writer.close()
            return
        client = ClientConnection(premises, reader, writer)
        task = asyncio.get_running_loop().create_task(client.run())
        self._clients[client] = task
        task.add_done_callback(lambda _task: self._clients.pop(client, None))


def _why_not_bound(host: str, port: int, trouble: OSError) -> str:
    """One sentence about a port that can not be had."""
    if trouble.errno == errno.EADDRINUSE:
        return "port %d of %s is in use by another program: choose another one" % (port, host)
    if trouble.errno in (errno.EACCES, errno.EPERM):
        return "port %d of %s is not open to this user: choose one above 1023" % (port, host)
    return "the broker can not listen on port %d of %s: %s" % (port, host, trouble.strerror or trouble)
