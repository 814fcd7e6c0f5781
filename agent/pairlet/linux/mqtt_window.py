"""Outgoing messages of one connection: at most a window of them in paho, the others wait here."""

import asyncio
from collections import deque

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ..core.errors import TransportError
from ..core.mqtt import Message
from .mqtt_limits import Limits, check_topic_name


class Window:
    """Hands messages to `client` and remembers who waits for which acknowledgement.

    paho must not queue: what waits in it costs 2 kB each and would be sent by itself after its
    publisher was told of a failure. The caller keeps the backlog; this is only the flow.
    """

    limits: Limits  # what the broker said in its CONNACK

    def __init__(self, client: Client):
        self._client = client
        self.limits = Limits()
        self._waiting: deque[tuple[Message, asyncio.Future[int]]] = deque()
        self._unacknowledged: dict[int, asyncio.Future[int]] = {}
        self._unwritten: list[asyncio.Future[int]] = []
        self._closed: str | None = None

    async def publish(self, message: Message) -> int:
        """Send `message` when there is room; return the reason_code. TransportError when closed."""
        check_topic_name(message.topic_name)
        refusal = self.limits.refusal(message)
        if refusal:
            return refusal
        if self._closed is not None:
            raise TransportError(self._closed)
        outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._waiting or not self._has_room():
            self._waiting.append((message, outcome))
        else:
            self._hand_over(message, outcome)
        try:
            return await outcome
        finally:
            del outcome  # or its exception and this frame would keep each other alive

    def acknowledged(self, packet_id: int, reason_code: int) -> None:
        """A PUBACK came in. Must be followed by advance(), outside paho's callback."""
        outcome = self._unacknowledged.pop(packet_id, None)
        # done: the publisher was cancelled. Its message kept its place until now, as the broker counts.
        if outcome is not None and not outcome.done():
            outcome.set_result(reason_code)

    def written(self) -> None:
        """All that paho had is in the socket: QoS 0 asks for no more."""
        for outcome in self._unwritten:
            if not outcome.done():
                outcome.set_result(0)
        self._unwritten.clear()

    def advance(self) -> None:
        """Hand over what waits, as far as there is room."""
        while self._waiting and self._has_room():
            message, outcome = self._waiting.popleft()
            if not outcome.done():
                self._hand_over(message, outcome)

    def close(self, reason: str) -> None:
        """Tell all publishers, waiting and unacknowledged, that the connection has ended."""
        self._closed = reason
        outcomes = [outcome for _, outcome in self._waiting]
        outcomes += [*self._unacknowledged.values(), *self._unwritten]
        self._waiting.clear()
        self._unacknowledged.clear()
        self._unwritten.clear()
        for outcome in outcomes:
            if not outcome.done():
                outcome.set_exception(TransportError(reason))

    def _has_room(self) -> bool:
        return len(self._unacknowledged) + len(self._unwritten) < self.limits.window

    def _hand_over(self, message: Message, outcome: asyncio.Future[int]) -> None:
        """Give one message to paho. Any failure goes to `outcome`: the caller may be serving another one."""
        while True:
            info = self._client.publish(message.topic_name, message.payload, message.qos, message.retain)
            # After 65535 messages paho comes back to a packet_id that still waits for its PUBACK, and
            # says so with this code; the next one is free.
            if info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                break
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            outcome.set_exception(TransportError("the connection to the broker was lost"))
        elif message.qos == 0:
            self._unwritten.append(outcome)
        else:
            self._unacknowledged[info.mid] = outcome
