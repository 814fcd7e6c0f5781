"""The Mqtt port of a simulated process: a connection to the model broker over the model network."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pairlet.core.errors import BrokerError, TransportError
from pairlet.core.mqtt import DISCONNECTED, Credentials, Event, Message

from .model.broker import CONNECTION_LOST, TOKEN_ENDED, Session
from .weather import SECOND_MS

if TYPE_CHECKING:
    from .process import Process
    from .world import World

_ROUND_TRIP_MS = 60
_WINDOW = 20
_CONNECT_TIMEOUT_MS = 20 * SECOND_MS
# A client whose PINGREQ goes unanswered says so after a while; a broker waits half a keep-alive longer.
_KEEP_ALIVE_MS = 60 * SECOND_MS
# CONNACK codes of brokers in trouble, and PUBACK codes of those that don't like a message.
_REFUSALS = (3, 5, 0x87, 0x86, 0x88, 0x89)
_DISLIKES = (0x87, 0x97, 0x80, 0x90, 0x99)


Settle = Callable[["int | None"], None]


class _Sent:
    """A message that waits for its PUBACK."""

    def __init__(self, message: Message, settle: Settle):
        self.message = message
        self.settle = settle
        self.code = 0
        self.is_last = False  # the broker takes it, and the connection ends before its PUBACK


class Mqtt:
    """One connection at a time."""

    def __init__(self, process: "Process", world: "World"):
        self._process = process
        self._loop = process.loop
        self._world = world
        self._session: Session | None = None
        self._silent = False
        self._lost: str | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._sent: list[_Sent] = []

    async def connect(self, credentials: Credentials, will: "Message | None") -> bool:
        """Open the connection. Raises TransportError and BrokerError."""
        world, schedule, chance, storm = (
            self._world,
            self._world.schedule,
            self._world.chance,
            self._world.storm,
        )
        self._must_live()
        password = credentials.token()
        world.link.connecting(self._process, password)
        if world.broker_is_down():
            await self._pause(20)
            world.link.connected(self._process, None)
            raise TransportError("the broker can't be reached")
        if storm.broker_refuses and chance.random() < storm.broker_refuses:
            world.trouble("the broker refuses", schedule.now + _CONNECT_TIMEOUT_MS)
            await self._fail_to_connect()
        await self._pause(_ROUND_TRIP_MS)
        session = Session(
            password, (will.topic_name, will.payload) if will else None, schedule.now, self._lose
        )
        code = world.broker.connect(session, schedule.now)
        world.link.connected(self._process, code)
        if code:
            raise BrokerError("the broker refused the connection", code)
        self._session, self._silent, self._lost = session, False, None
        self._foresee(session)
        return False

    async def _fail_to_connect(self) -> None:
        chance = self._world.chance
        if chance.random() < 0.5:
            await self._pause(chance.choice((20, _CONNECT_TIMEOUT_MS)))
            self._world.link.connected(self._process, None)
            raise TransportError("the broker can't be reached")
        await self._pause(_ROUND_TRIP_MS)
        code = chance.choice(_REFUSALS)
        self._world.link.connected(self._process, code)
        raise BrokerError("the broker refused the connection", code)

    def _foresee(self, session: Session) -> None:
        """What will become of this connection."""
        world, schedule, chance, storm = (
            self._world,
            self._world.schedule,
            self._world.chance,
            self._world.storm,
        )
        if storm.broker_kicks_ms:
            after = int(chance.expovariate(1 / storm.broker_kicks_ms))
            schedule.at(schedule.now + after, None, self._kick, session, CONNECTION_LOST)
        if world.era.tokens_end_sessions:
            ends = world.server.grants.access[session.password].ends
            schedule.at(ends, None, self._kick, session, TOKEN_ENDED)

    def _kick(self, session: Session, reason: str) -> None:
        world = self._world
        if world.broker.session is not session or (reason == CONNECTION_LOST and world.is_calm):
            return
        if reason == CONNECTION_LOST:
            world.trouble("the broker kicks", world.schedule.now)
        world.broker.end(reason)

    def go_silent(self) -> None:
        """Half-open from now on: neither side hears the other any more, and neither is told."""
        world, now, session = self._world, self._world.schedule.now, self._session
        if session is None or self._silent or world.is_calm:
            return
        world.note("network", "goes silent between device and broker")
        world.trouble("silence", now + 2 * _KEEP_ALIVE_MS)
        self._silent = True
        world.schedule.at(now + _KEEP_ALIVE_MS * 3 // 2, None, self._kick, session, CONNECTION_LOST)
        world.schedule.at(now + 2 * _KEEP_ALIVE_MS, None, self._notice, session)

    def _notice(self, session: Session) -> None:
        if self._session is session:
            self._silent = False
            self._lose("keep alive time-out")

    def _lose(self, reason: str) -> None:
        """The broker has ended the connection; on a silent one nobody hears of it."""
        if self._silent or self._loop.ended:
            return
        self._session, self._lost = None, reason
        self._give_back()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def publish(self, message: Message) -> int:
        """Publish and wait for the PUBACK. Raises TransportError."""
        outcome: asyncio.Future[int | None] = self._loop.create_future()

        def settle(code: int | None) -> None:
            if not outcome.done():
                outcome.set_result(code)

        self.send(message, settle)
        code = await outcome
        if code is None:
            raise TransportError(self._lost or "there is no connection to the broker")
        return code

    def room(self) -> int:
        """How many messages may be under way besides those that are."""
        return 0 if self._session is None or self._loop.ended else max(0, _WINDOW - len(self._sent))

    def send(self, message: Message, settle: Settle) -> None:
        """Publish; `settle` gets the PUBACK's code, or None when the connection ends first."""
        if self._loop.ended:
            return  # nobody hears of it any more
        world, chance, storm, session = self._world, self._world.chance, self._world.storm, self._session
        now = world.schedule.now
        if session is None:
            world.schedule.at(now, self._loop, settle, None)
            return
        world.link.publishing(self._process, message.topic_name, message.payload)
        sent = _Sent(message, settle)
        self._sent.append(sent)
        if storm.broker_goes_silent and chance.random() < storm.broker_goes_silent:
            self.go_silent()
        if storm.broker_forbids and not message.retain and chance.random() < storm.broker_forbids:
            sent.code = chance.choice(_DISLIKES)
            world.trouble("the broker refuses a message", now)
        elif storm.broker_loses_ack and chance.random() < storm.broker_loses_ack:
            sent.is_last = True
        world.schedule.at(now + _ROUND_TRIP_MS, self._loop, self._answer, session, sent)

    def _answer(self, session: Session, sent: "_Sent") -> None:
        """The PUBACK, if there is one: the oldest first, as the broker has taken them."""
        if self._loop.ended or self._silent or session is not self._session or sent not in self._sent:
            return
        message, world = sent.message, self._world
        if sent.code < 0x80 and not world.broker.publish(
            session, message.topic_name, message.payload, message.retain
        ):
            return
        if sent.is_last:
            self._kick(session, CONNECTION_LOST)
            return
        self._sent.remove(sent)
        world.link.acknowledged(self._process, message.topic_name, message.payload, sent.code)
        sent.settle(sent.code)

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """Granted."""
        return qos

    async def next_event(self) -> Event:
        """The end of the connection; this broker sends no messages."""
        await self._wait_for_loss()
        reason, self._lost = self._lost, None
        return Event(DISCONNECTED, None, reason or "", None)

    async def _wait_for_loss(self) -> None:
        while self._lost is None:
            future = self._loop.create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                self._waiting.remove(future)

    async def disconnect(self) -> None:
        """Say goodbye, if there is anybody."""
        session, self._session = self._session, None
        self._give_back()
        if session is not None and not self._loop.ended:
            if not self._silent:
                self._world.broker.leave(session)
            self._world.link.left(self._process)

    def _give_back(self) -> None:
        """With the connection everything that waits for a PUBACK has failed."""
        sent, self._sent = self._sent, []
        now = self._world.schedule.now
        for each in sent:
            self._world.schedule.at(now, self._loop, each.settle, None)

    def _must_live(self) -> None:
        if self._loop.ended:
            raise TransportError("the process is gone")

    async def _pause(self, ms: int) -> None:
        future = self._loop.create_future()
        schedule = self._world.schedule
        schedule.at(schedule.now + ms, self._loop, _wake, future)
        await future


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
