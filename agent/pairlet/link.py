"""The connection to the broker: kept up, renewed with each token, and fed from the outbox."""

import asyncio

from .core import telemetry
from .core.backoff import Backoff
from .core.errors import BrokerError, PairletError, TlsError, TransportError
from .core.mqtt import DISCONNECTED, MESSAGE, Message
from .delivery import Delivery
from .drive import first_of, wait_for
from .events import RENEWED, tell_error, tell_gaps
from .greeting import Greeting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Protocol

    from .core.mqtt import Event, Login
    from .core.outbox import Outbox
    from .core.telemetry import Topics
    from .core.token import Token
    from .events import Emit
    from .keeper import TokenKeeper
    from .ports import Clock, Entropy, Mqtt

    class Downlink(Protocol):
        """What takes messages that come in. `topic_filters` are subscribed to after each connect."""

        topic_filters: list[str]

        async def receive(self, message: Message) -> None:
            """Act on a message, one at a time; it may call Link.reply(). Never raises."""

        def news(self) -> list[Message]:
            """Retained messages to publish; one follows when the one before is taken."""


# A link that lasted this long was a good one: the next trouble starts from a short pause again. A
# broker that accepts and then kicks must not be met every second.
_STABLE_MS = 30000
_LONGEST_PAUSE_MS = 120000
# A broker that is restarted hangs up on a thousand devices at once.
_FIRST_PAUSE_MS = 5000
# How long a planned reconnect waits for the acknowledgement under way, and a stop for its farewell.
_FAREWELL_MS = 3000
# CONNACK 4 and 5, MQTT 5's 0x86 and 0x87, and 0xA0, maximum connect time: the broker does not like the token.
_TOKEN_REFUSED = (4, 5, 0x86, 0x87, 0xA0)
# What a DISCONNECT of MQTT 5 may say that is not about the message before it: busy, shutting down, keep alive
# time-out, taken over, receive maximum exceeded, administrative action, moved.
_NOT_FOR_A_MESSAGE = (0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x98, 0x9C, 0x9D)
_NO_RETAIN = 0x9A
_RENEW_MS = 30000
# A broker that refuses token after token gets a new one once an hour; one that was good meanwhile sooner.
_RENEW_AGAIN_MS = 3600000
_RENEW_AFTER_GOOD_MS = 300000
# A connection that ends so shortly before its token does ends for it.
_NEAR_END_MS = 10000
# What has come in and waits for the downlink. Beyond that the port's queue fills, and the broker waits.
_MOST_RECEIVED = 4


class Link:
    """Publishes what is in `outbox`, with credentials that `login` makes of the access token.

    `renew()` (a coroutine function) fetches a newer token when the broker refuses the one we have.
    `connected_at`: since when there is a connection, None without one. `reconnects`: how many there were
    after the first. Both, and the times below, are read-only. `limit_ms`: how old the oldest
    unacknowledged message may get before the link is made anew. `echo_every`: see EchoCheck, 0: no check.
    """

    def __init__(
        self,
        mqtt: "Mqtt",
        topics: "Topics",
        login: "Login",
        outbox: "Outbox",
        keeper: "TokenKeeper",
        clock: "Clock",
        entropy: "Entropy",
        emit: "Emit",
        renew: "Callable[[], Coroutine[object, object, None]]",
        limit_ms: int = 15000,
        echo_every: int = 0,
        downlink: "Downlink | None" = None,
    ):
        self._mqtt = mqtt
        self._login = login
        self._outbox = outbox
        self._keeper = keeper
        self._clock = clock
        self._entropy = entropy
        self._emit = emit
        self._renew = renew
        self._downlink = downlink
        self._echo = None
        if echo_every:
            from .echo_check import EchoCheck

            self._echo = EchoCheck(topics.telemetry, echo_every)
        self._delivery = Delivery(mqtt, topics, outbox, clock, entropy, emit, limit_ms, self._echo)
        filters = [] if downlink is None else downlink.topic_filters
        self._greeting = Greeting(mqtt, topics, clock, filters, self._echo, limit_ms, self._tell)
        self._backoff = Backoff(1000, _LONGEST_PAUSE_MS, entropy.random_bytes(4), _FIRST_PAUSE_MS)
        self._renewed = asyncio.Event()
        self._is_renewing = False  # between two connections, of which the first was ended on purpose
        self._received: list[Message] = []
        self._moved = asyncio.Event()  # something was put into _received, or taken from it
        self._token: Token | None = None  # what the connection was made with
        self._last_error = ""
        self._renewed_at: int | None = None
        self._has_renewed = False  # that brought another token
        self._was_good = False  # a connection was stable since then
        self._connects = 0
        self.connected_at: int | None = None

    @property
    def reconnects(self) -> int:
        """How many connections there were after the first."""
        return max(0, self._connects - 1)

    @property
    def last_acknowledged_at(self) -> "int | None":
        """When the broker has last acknowledged a record (ms of the clock)."""
        return self._delivery.last_acknowledged_at

    @property
    def oldest_unacknowledged_at(self) -> "int | None":
        """When the oldest message under way was sent (ms of the clock), None when nothing is."""
        return self._delivery.oldest_sent_at

    def outbox_filled(self) -> None:
        """There is something in the outbox, or something had to go."""
        self._delivery.pump()
        tell_gaps(self._emit, self._outbox)

    def reply(self, message: Message) -> None:
        """Send `message` soon, with QoS 1; without a connection, or with too many waiting, it is dropped."""
        if self.connected_at is not None or self._is_renewing:
            self._delivery.reply(message)

    def announce(self) -> None:
        """Publish the news of the downlink, retained, if the broker is there and does not hang up on such."""
        wanted = self._downlink is not None and self._delivery.say_retained.is_wanted(self._clock.now())
        if wanted and self.connected_at is not None:
            assert self._downlink is not None
            self._delivery.retained += self._downlink.news()
            self._delivery.pump()

    def token_renewed(self) -> None:
        """The keeper has a new token: reconnect with it before the old one ends."""
        self._renewed.set()

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        if self._downlink is None:
            await self._stay_connected()
        else:
            await first_of(self._stay_connected(), self._hand_over())

    async def close(self, for_good: bool = True) -> None:
        """Leave, in bounded time; `for_good`: and say "offline". Harmless when there is no link."""
        if self.connected_at is not None:
            self._delivery.shut()
            last = self._delivery.drained()
            if for_good:
                last.close()
                last = self._farewell(self._greeting.status(telemetry.OFFLINE))
            await self._at_most(_FAREWELL_MS, last)
            self._over(True, False)
        await self._mqtt.disconnect()

    async def _farewell(self, message: Message) -> None:
        try:
            await self._mqtt.publish(message)
        except PairletError:
            pass  # The link is gone already, and the will says the same.

    async def _at_most(self, limit_ms: int, coroutine: "Coroutine[object, object, None]") -> None:
        await first_of(coroutine, self._clock.sleep_until(self._clock.now() + limit_ms))

    # ---- one connection after the other ----------------------------------------------------

    async def _stay_connected(self) -> None:
        while True:
            while not self._keeper.is_usable():
                self._renewed.clear()
                await self._renewed.wait()
            self._renewed.clear()
            if not await self._once():
                delay_ms = self._backoff.delay_ms()
                self._emit("waiting", what="broker", ms=delay_ms)
                await self._clock.sleep_until(self._clock.now() + delay_ms)

    async def _once(self) -> bool:
        """One connection from its beginning to its end; True when the next may follow at once."""
        try:
            await self._connect()
        except BrokerError as error:
            if error.reason_code == _NO_RETAIN and self._greeting.lacks_retain():
                return True  # the will was to be retained
            self._tell(error)
            return error.reason_code in _TOKEN_REFUSED and await self._has_other_token()
        except (TransportError, TlsError) as error:
            self._tell(error)
            return False
        try:
            await first_of(self._listen(), self._work())
        except _Renewed:
            await self._leave(RENEWED, True, False)
            self._is_renewing = True
            return True
        except _Ended as end:
            return await self._left(end.event.reason, end.event.reason_code)
        except (TransportError, BrokerError) as error:
            # It is we who hang up.
            await self._leave(str(error), False, False)
            if not isinstance(error, BrokerError):
                return False
            return error.reason_code in _TOKEN_REFUSED and await self._has_other_token()
        return False

    async def _left(self, reason: str, code: "int | None") -> bool:
        """The broker ended the connection; True when the next may follow at once."""
        for_token = code in _TOKEN_REFUSED or (code is None and self._is_near_end())
        refusal = await self._leave(reason, False, not for_token and code not in _NOT_FOR_A_MESSAGE)
        return (for_token or refusal is not None) and await self._has_other_token()

    async def _leave(self, reason: str, is_planned: bool, hung_up: bool) -> "BrokerError | None":
        """As Delivery.ended."""
        assert self.connected_at is not None
        if self._clock.now() - self.connected_at >= _STABLE_MS:
            self._backoff.reset()
            self._last_error = ""
            self._was_good = True
        refusal = self._over(is_planned, hung_up)
        await self._mqtt.disconnect()
        self._emit("mqtt_disconnected", reason=reason)
        return refusal

    def _over(self, planned: bool, hung_up: bool) -> "BrokerError | None":
        in_greeting = self._greeting.ended(hung_up)
        self.connected_at = None
        return self._delivery.ended(self._clock.now(), planned, hung_up and not in_greeting)

    def _is_near_end(self) -> bool:
        token = self._token
        if token is None or token is not self._keeper.token:
            return token is not None
        remaining_ms = token.remaining_ms(self._clock.now())
        limit_ms = min(_NEAR_END_MS, 250 * (token.expires_in or 0))
        return remaining_ms is not None and remaining_ms <= limit_ms

    async def _has_other_token(self) -> bool:
        """Get another token for a broker that refuses this one; whether there is one now.

        At once, but then hourly at the most: a broker that takes none of them must not wear out the
        authorization server. And the broker is not kept waiting for a server that does not answer.
        """
        if not self._is_other_token() and not await self._renewed_token():
            return False
        self._backoff.delay_ms()  # if this one is not taken either, the pause is longer
        return self._keeper.is_usable()

    def _is_other_token(self) -> bool:
        # The broker sees access tokens alone; and what was read again from the disk may be the same one.
        token, used = self._keeper.token, self._token
        return token is None or used is None or token.access_token != used.access_token

    async def _renewed_token(self) -> bool:
        now = self._clock.now()
        again_ms = _RENEW_AFTER_GOOD_MS if self._was_good else _RENEW_AGAIN_MS
        if self._renewed_at is None or now - self._renewed_at >= again_ms:
            self._renewed_at, self._was_good = now, False
            before = self._keeper.token
            await self._at_most(_RENEW_MS, self._renew())
            # Some servers answer with the access token that there was: there is no better one.
            self._has_renewed = before is None or not before.is_same(self._keeper.token)
            if self._has_renewed:
                return True
        if not self._has_renewed:
            self._delivery.token_was_not_renewed()
        return False

    async def _connect(self) -> None:
        token = self._token = self._keeper.token
        assert token is not None
        will = self._greeting.status(telemetry.OFFLINE)
        try:
            await self._mqtt.connect(self._login.credentials(token.access_token), will)
        finally:
            self._is_renewing = False
        self._keeper.worked(token)
        self.connected_at = self._clock.now()
        self._connects += 1
        self._emit("mqtt_connected")

    # ---- while there is one ----------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            event = await self._mqtt.next_event()
            if event.kind == DISCONNECTED:
                raise _Ended(event)
            if self._echo is not None and event.kind == MESSAGE and self._echo.heard(event.message):
                continue
            if event.kind == MESSAGE and self._downlink is not None:
                # First: it is acknowledged, and who waits here is cancelled by the end of the connection.
                self._received.append(event.message)
                self._moved.set()
                while len(self._received) >= _MOST_RECEIVED:
                    self._moved.clear()
                    await self._moved.wait()

    async def _hand_over(self) -> None:
        """Give what came in to the downlink, whatever becomes of the connection meanwhile."""
        assert self._downlink is not None
        while True:
            while not self._received:
                self._moved.clear()
                await self._moved.wait()
            message = self._received.pop(0)
            self._moved.set()
            await self._downlink.receive(message)

    async def _work(self) -> None:
        """Greet the broker and feed it until the token is renewed. Ends by raising."""
        await self._greet()
        self._delivery.open()
        await first_of(self._delivery.attend(), wait_for(self._renewed))
        self._delivery.shut()
        await self._at_most(_FAREWELL_MS, self._delivery.drained())
        raise _Renewed()

    async def _greet(self) -> None:
        await self._greeting.run()
        quiet_ms = self._delivery.quiet_ms(self._entropy.random_bytes(1)[0])
        if quiet_ms:
            await self._clock.sleep_until(self._clock.now() + quiet_ms)
            # The broker is well, and takes what it always takes.
            await self._greeting.say_online()
        self.announce()

    def _tell(self, error: PairletError) -> None:
        # The same trouble every two minutes for a week is one piece of news.
        if str(error) != self._last_error:
            self._last_error = str(error)
            tell_error(self._emit, error)


class _Renewed(Exception):
    """The link is to be made anew, with the new token."""


class _Ended(Exception):
    """The connection has ended; `event` says how."""

    def __init__(self, event: "Event"):
        super().__init__(event.reason)
        self.event = event
