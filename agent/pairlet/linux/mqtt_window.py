"""Outgoing messages of one connection: at most a window of them in paho, the others wait here."""

import asyncio
import functools
from collections import deque
from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ..core.errors import TransportError
from ..core.mqtt import Message
from .mqtt_limits import Limits, check_topic_name

_LOST = "the connection to the broker was lost"

Settle = Callable[["int | None"], None]


class Window:
    """Hands messages to `client` and remembers who waits for which acknowledgement.

    paho must not queue: what waits in it costs 2 kB each and would be sent by itself after its
    publisher was told of a failure. The caller keeps the backlog; this is only the flow.
    """

    limits: Limits  # what the broker said in its CONNACK

    def __init__(self, client: Client):
        self._client = client
        self._loop = asyncio.get_running_loop()
        self.limits = Limits()
        self._waiting: deque[tuple[Message, Settle]] = deque()
        self._unacknowledged: dict[int, Settle] = {}
        self._unwritten: list[Settle] = []
        # What paho's callbacks told of: paho holds locks while it calls them, so nobody else is called then.
        self._answers: list[tuple[Settle, int | None]] = []
        self._checked: str | None = None  # the last topic name that is one: most messages go to the same
        self._closed: str | None = None

    def room(self) -> int:
        """How many messages would go out at once."""
        if self._closed is not None:
            return 0
        under_way = len(self._unacknowledged) + len(self._unwritten) + len(self._waiting)
        return max(0, self.limits.window - under_way)

    def send(self, message: Message, settle: Settle) -> None:
        """See ports.Mqtt.send."""
        if message.topic_name != self._checked:
            check_topic_name(message.topic_name)
            self._checked = message.topic_name
        refusal = self.limits.refusal(message)
        if refusal or self._closed is not None:
            # Not from here: the caller may not be ready for it.
            self._loop.call_soon(settle, refusal or None)
        elif self._waiting or not self._has_room():
            self._waiting.append((message, settle))
        else:
            self._hand_over(message, settle)

    async def publish(self, message: Message) -> int:
        """Send `message` when there is room; return the reason_code. TransportError when closed."""
        outcome: asyncio.Future[int] = self._loop.create_future()
        settle = functools.partial(self._resolve, outcome)
        self.send(message, settle)
        try:
            return await outcome
        except asyncio.CancelledError:
            self._waiting = deque(each for each in self._waiting if each[1] is not settle)
            raise
        finally:
            del outcome, settle  # or its exception and this frame would keep each other alive

    def _resolve(self, outcome: asyncio.Future[int], reason_code: int | None) -> None:
        # done: the publisher was cancelled. Its message kept its place until now, as the broker counts.
        if outcome.done():
            return
        if reason_code is None:
            outcome.set_exception(TransportError(self._closed or _LOST))
        else:
            outcome.set_result(reason_code)

    def acknowledged(self, packet_id: int, reason_code: int) -> None:
        """A PUBACK came in. Must be followed by advance(), outside paho's callback."""
        settle = self._unacknowledged.pop(packet_id, None)
        if settle is not None:
            self._answers.append((settle, reason_code))

    def written(self) -> None:
        """All that paho had is in the socket: QoS 0 asks for no more."""
        if self._unwritten:
            self._answers += [(settle, 0) for settle in self._unwritten]
            self._unwritten.clear()

    def advance(self) -> None:
        """Tell those whose messages are settled, and hand over what waits, as far as there is room."""
        while self._waiting and self._has_room():
            self._hand_over(*self._waiting.popleft())
        while self._answers:
            answers, self._answers = self._answers, []
            for settle, reason_code in answers:
                settle(reason_code)

    def close(self, reason: str) -> None:
        """Tell all senders, waiting and unacknowledged, that the connection has ended."""
        self._closed = reason
        settles = [*self._unacknowledged.values(), *self._unwritten]
        settles += [settle for _, settle in self._waiting]
        self._waiting.clear()
        self._unacknowledged.clear()
        self._unwritten.clear()
        self._answers += [(settle, None) for settle in settles]
        # In a turn of its own: whoever closes is not ready for what they do.
        self._loop.call_soon(self.advance)

    def _has_room(self) -> bool:
        return len(self._unacknowledged) + len(self._unwritten) < self.limits.window

    def _hand_over(self, message: Message, settle: Settle) -> None:
        """Give one message to paho."""
        client = self._client
        while True:
            info = client.publish(message.topic_name, message.payload, message.qos, message.retain)
            # After 65535 messages paho comes back to a packet_id that still waits for its PUBACK, and
            # says so with this code; the next one is free.
            if info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                break
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._loop.call_soon(settle, None)
        elif message.qos == 0:
            self._unwritten.append(settle)
        else:
            self._unacknowledged[info.mid] = settle
