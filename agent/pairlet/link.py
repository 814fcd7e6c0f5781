"""The connection to the broker: kept up, renewed with each token, and fed from the outbox."""

import asyncio

from .core import telemetry
from .core.backoff import Backoff
from .core.errors import BrokerError, PairletError, TlsError, TransportError
from .core.mqtt import DISCONNECTED, Credentials, Message, is_failure
from .drive import first_of, wait_for
from .events import RENEWED, tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .core.outbox import Outbox
    from .core.telemetry import Sample, Topics
    from .events import Emit
    from .keeper import TokenKeeper
    from .ports import Clock, Entropy, Mqtt

# A link that lasted this long was a good one: the next trouble starts from a short pause again. A
# broker that accepts and then kicks must not be met every second.
_STABLE_MS = 30000
_LONGEST_PAUSE_MS = 120000
# A broker that is restarted hangs up on a thousand devices at once.
_FIRST_PAUSE_MS = 5000
# How long a planned reconnect waits for the acknowledgement under way, and a stop for its farewell.
_FAREWELL_MS = 3000
# The oldest unacknowledged publish may be this old.
_ACKNOWLEDGED_MS = 15000
# CONNACK 4 and 5, MQTT 5's 0x86 and 0x87: the broker does not like the token.
_TOKEN_REFUSED = (4, 5, 0x86, 0x87)
_RENEW_MS = 30000
_RENEW_AGAIN_MS = 3600000
# MQTT 5: topic name invalid, packet too large, payload format invalid. Trying again changes nothing.
_UNFIT = (0x90, 0x95, 0x99)


class Link:
    """Publishes what is in `outbox` as `username`, with the access token as password.

    `renew()` (a coroutine function) fetches a newer token when the broker refuses the one we have.
    """

    def __init__(
        self,
        mqtt: "Mqtt",
        topics: "Topics",
        username: str,
        outbox: "Outbox",
        keeper: "TokenKeeper",
        clock: "Clock",
        entropy: "Entropy",
        emit: "Emit",
        renew: "Callable[[], Coroutine[object, object, None]]",
    ):
        self._mqtt = mqtt
        self._topics = topics
        self._username = username
        self._outbox = outbox
        self._keeper = keeper
        self._clock = clock
        self._emit = emit
        self._renew = renew
        self._backoff = Backoff(1000, _LONGEST_PAUSE_MS, entropy.random_bytes(4), _FIRST_PAUSE_MS)
        self._filled = asyncio.Event()
        self._renewed = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._connected_at: int | None = None
        self._reason = ""
        self._last_error = ""
        self._renewed_at: int | None = None

    def sample_added(self) -> None:
        """There is something in the outbox."""
        self._filled.set()

    def token_renewed(self) -> None:
        """The keeper has a new token: reconnect with it before the old one ends."""
        self._renewed.set()

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        while True:
            while not self._keeper.is_usable():
                self._renewed.clear()
                await self._renewed.wait()
            self._renewed.clear()
            planned = await self._once()
            if not planned:
                delay_ms = self._backoff.delay_ms()
                self._emit("waiting", what="broker", ms=delay_ms)
                await self._clock.sleep_until(self._clock.now() + delay_ms)

    async def close(self) -> None:
        """Say "offline" and leave, in bounded time. Harmless when there is no link."""
        if self._connected_at is not None:
            offline = Message(self._topics.status, telemetry.OFFLINE, 1, True)
            await self._at_most(_FAREWELL_MS, self._farewell(offline))
            self._connected_at = None
        await self._mqtt.disconnect()

    async def _farewell(self, message: Message) -> None:
        try:
            await self._mqtt.publish(message)
        except PairletError:
            pass  # The link is gone already, and the will says the same.

    async def _at_most(self, limit_ms: int, coroutine: "Coroutine[object, object, None]") -> None:
        await first_of(coroutine, self._clock.sleep_until(self._clock.now() + limit_ms))

    async def _once(self) -> bool:
        """One connection from its beginning to its end; True when the end was ours, to change tokens."""
        try:
            await self._connect()
        except BrokerError as error:
            self._tell(error)
            if error.reason_code in _TOKEN_REFUSED:
                await self._renew_once_in_a_while()
            return False
        except (TransportError, TlsError) as error:
            self._tell(error)
            return False
        self._renewed_at = None
        self._connected_at = self._clock.now()
        self._emit("mqtt_connected")
        self._reason = RENEWED
        planned, refused = False, None
        try:
            await first_of(self._listen(), self._publish())
        except _Renewed:
            planned = True
        except (TransportError, BrokerError) as error:
            self._reason = str(error)
            if isinstance(error, BrokerError):
                refused = error
        if self._clock.now() - self._connected_at >= _STABLE_MS:
            self._backoff.reset()
            self._last_error = ""
        self._connected_at = None
        await self._mqtt.disconnect()
        self._emit("mqtt_disconnected", reason=self._reason)
        if refused is not None:
            self._tell(refused)
        return planned

    async def _renew_once_in_a_while(self) -> None:
        """Get another token for a broker that refuses this one; at once, but then hourly at the most.

        A broker that takes none of them must not wear out the authorization server. And the
        broker is not kept waiting for a server that does not answer.
        """
        now = self._clock.now()
        if self._renewed_at is None or now - self._renewed_at >= _RENEW_AGAIN_MS:
            self._renewed_at = now
            await self._at_most(_RENEW_MS, self._renew())

    async def _connect(self) -> None:
        token = self._keeper.token
        assert token is not None
        will = Message(self._topics.status, telemetry.OFFLINE, 1, True)
        await self._mqtt.connect(Credentials(self._username, token.access_token), will)
        self._keeper.worked(token)

    async def _listen(self) -> None:
        while True:
            event = await self._mqtt.next_event()
            if event.kind == DISCONNECTED:
                self._reason = event.reason
                return

    async def _publish(self) -> None:
        """Feed the broker until the token is renewed. Nothing is under way when it raises _Renewed."""
        await self._send(Message(self._topics.status, telemetry.ONLINE, 1, True))
        while not self._renewed.is_set():
            sample = self._outbox.oldest()
            if sample is None:
                self._filled.clear()
                await first_of(wait_for(self._filled), wait_for(self._renewed))
                continue
            payload = telemetry.encode(sample, self._is_historical(sample))
            try:
                await self._send(Message(self._topics.telemetry, payload, 1, False))
            except BrokerError as error:
                if error.reason_code not in _UNFIT:
                    raise
                # It will never be taken; what waits behind it may be.
                self._outbox.acknowledge(sample.seq)
                self._tell(error)
                self._emit("dropped", count=1, **{"from": sample.seq, "to": sample.seq})
                continue
            self._outbox.acknowledge(sample.seq)
            self._emit("published", count=1, backlog=len(self._outbox))
        raise _Renewed()

    async def _send(self, message: Message) -> None:
        """Publish and wait for a good acknowledgement, but not for ever: a half-open link never answers."""
        reason_codes: list[int] = []

        async def publish() -> None:
            reason_codes.append(await self._mqtt.publish(message))

        await self._at_most(_ACKNOWLEDGED_MS, publish())
        if not reason_codes:
            raise TransportError(f"the broker acknowledges nothing for {_ACKNOWLEDGED_MS // 1000} s")
        reason_code = reason_codes[0]
        if is_failure(reason_code):
            from .core.mqtt_reasons import reason_text  # rare, and long

            raise BrokerError(
                f"the broker refused a message to {message.topic_name}: {reason_text(reason_code)}",
                reason_code,
            )

    def _is_historical(self, sample: "Sample") -> bool:
        """Whether the sample waited out an interruption; one taken just before a reconnect did not."""
        assert self._connected_at is not None
        return bool(self._connected_at - sample.taken_at > _FAREWELL_MS)

    def _tell(self, error: PairletError) -> None:
        # The same trouble every two minutes for a week is one piece of news.
        if str(error) != self._last_error:
            self._last_error = str(error)
            tell_error(self._emit, error)


class _Renewed(Exception):
    """The link is to be made anew, with the new token."""
