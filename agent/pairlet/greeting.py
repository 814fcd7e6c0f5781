"""What comes first on a connection: the status, and the subscriptions."""

import asyncio

from .core import telemetry
from .core.errors import BrokerError, TransportError
from .core.mqtt import Message, is_failure
from .core.step import Step
from .drive import set_or_due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .core.errors import PairletError
    from .core.telemetry import Topics
    from .echo_check import EchoCheck
    from .ports import Clock, Mqtt


class Greeting:
    """Says "online" and subscribes. Each is left out for a while when the broker hangs up on it each time.

    topic_filters: what to subscribe to with QoS 1. echo: see EchoCheck. limit_ms: how long to
    wait for an acknowledgement. tell(error): hears what is refused.
    """

    def __init__(
        self,
        mqtt: "Mqtt",
        topics: "Topics",
        clock: "Clock",
        topic_filters: list[str],
        echo: "EchoCheck | None",
        limit_ms: int,
        tell: "Callable[[PairletError], None]",
    ):
        self._mqtt = mqtt
        self._status = topics.status
        self._clock = clock
        self._echo = echo
        self._limit_ms = limit_ms
        self._tell = tell
        self._retains = True
        self._is_refused = False
        # The status, and what is subscribed to: each with its QoS.
        self._subscriptions = [(topic_filter, 1) for topic_filter in topic_filters]
        if echo is not None:
            self._subscriptions.append((echo.topic_name, 0))
        self._steps = [Step() for _ in range(1 + len(self._subscriptions))]
        self._doing: int | None = None  # which of them

    def status(self, payload: bytes) -> Message:
        """The message that says "online" or "offline", and the will."""
        return Message(self._status, payload, 1, self._retains)

    def lacks_retain(self) -> bool:
        """The broker keeps no retained messages; whether that is news."""
        news, self._retains = self._retains, False
        return news

    async def run(self) -> None:
        """Greet the broker. Raises TransportError when it does not answer, BrokerError for the status."""
        await self.say_online()
        for number, (topic_filter, qos) in enumerate(self._subscriptions):
            await self._step(1 + number, self._subscribe(topic_filter, qos))

    async def say_online(self) -> None:
        """As a part of run(), and whenever it is to be seen that the broker is well."""
        await self._step(0, self._publish_online())

    def ended(self, hung_up: bool) -> bool:
        """The connection is over. Whether that was in the middle of the greeting."""
        doing, self._doing = self._doing, None
        if doing is None:
            return False
        if hung_up and self._steps[doing].ended(self._clock.now()):
            verb = "subscribe to" if doing else "publish to"
            what = self._subscriptions[doing - 1][0] if doing else self._status
            message = (
                f"the broker hangs up when this device wants to {verb} {what}; it is left out for an hour"
            )
            advice = f"Check that the token may {verb} {what}, and what the broker's log says."
            self._tell(BrokerError(message, 0x80, advice))
        return True

    async def _step(self, number: int, doing: "Coroutine[object, object, None]") -> None:
        if not self._steps[number].is_wanted(self._clock.now()):
            doing.close()
            return
        self._doing = number
        await doing
        self._steps[number].worked()
        self._doing = None

    async def _publish_online(self) -> None:
        code = await self._acknowledged(self.status(telemetry.ONLINE))
        if code == 0x9A and self.lacks_retain():
            code = await self._acknowledged(self.status(telemetry.ONLINE))
        if not is_failure(code):
            self._is_refused = False
        elif not self._is_refused:
            # It may be the token, or the broker's trouble. If it is only this topic, the others still count.
            self._is_refused = True
            from .refusals import refusal  # seldom needed

            error = refusal(self._status, code)
            self._tell(error)
            raise error

    async def _acknowledged(self, message: Message) -> int:
        """Publish and wait for the reason code, but not for ever: a half-open link never answers."""
        codes: list[int] = []
        settled = asyncio.Event()

        def settle(code: "int | None") -> None:
            # Without a code the connection has ended, and whoever listens says so.
            if code is not None:
                codes.append(code)
                settled.set()

        self._mqtt.send(message, settle)
        until = self._clock.now() + self._limit_ms
        await set_or_due(settled, self._clock, until)
        if not codes:
            raise TransportError(f"the broker acknowledges nothing for {self._limit_ms // 1000} s")
        return codes[0]

    async def _subscribe(self, topic_filter: str, qos: int) -> None:
        try:
            code = await self._mqtt.subscribe(topic_filter, qos)
        except TransportError:
            # If the connection has ended, whoever listens knows more of it.
            await self._clock.sleep_until(self._clock.now() + 1000)
            raise
        if self._echo is not None and topic_filter == self._echo.topic_name:
            self._echo.is_subscribed = not is_failure(code)
        if is_failure(code):
            advice = "Check that the token may subscribe to it: what goes there does not reach this device."
            self._tell(BrokerError(f"the broker refused the subscription to {topic_filter}", code, advice))
