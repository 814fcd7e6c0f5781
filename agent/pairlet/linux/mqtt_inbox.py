"""What a broker sends, waiting for the shell: bounded, and in order."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from ..core.mqtt import DISCONNECTED, MESSAGE, Event, Message

_log = logging.getLogger(__name__)


class Inbox:
    """A queue of events. Messages come out in the order they came in, then the end of the connection.

    The rule when the shell is slower than the broker: `capacity` messages wait, what comes on top is
    left out. A QoS 1 message is acknowledged when it is taken out, not before, so that one left out is
    not lost: the broker keeps it in the session and sends it again after the next connect. (A broker
    that keeps to its own window, or to our Receive Maximum in MQTT 5, never gets so far.) A QoS 0
    message left out is lost, as QoS 0 allows.
    """

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._waiting: deque[tuple[Message, Callable[[], None] | None]] = deque()
        self._end: Event | None = None
        self._left_out = 0
        self._filled = asyncio.Event()

    def put(self, message: Message, acknowledge: Callable[[], None] | None) -> None:
        """Add a message; `acknowledge` is called once, when it is taken out."""
        if len(self._waiting) < self._capacity:
            self._waiting.append((message, acknowledge))
            self._filled.set()
            return
        self._left_out += 1
        if self._left_out == 1:
            _log.warning("%d MQTT messages are waiting; what comes on top is left out", self._capacity)

    def put_end(self, reason: str, reason_code: int | None) -> None:
        """Add the end of the connection, after the messages that are waiting."""
        self._end = Event(DISCONNECTED, None, reason, reason_code)
        self._filled.set()

    def forget_end(self) -> None:
        """Take back an end that nobody has read: the shell knows, or has gone on to a new connection."""
        self._end = None
        if not self._waiting:
            self._filled.clear()

    async def take(self) -> Event:
        """The next event; waits for one, for ever if need be."""
        while True:
            if self._waiting:
                return self._take_message()
            if self._end is not None:
                end = self._end
                self.forget_end()
                return end
            self._filled.clear()
            await self._filled.wait()

    def _take_message(self) -> Event:
        message, acknowledge = self._waiting.popleft()
        if self._left_out and not self._waiting:
            _log.warning("%d MQTT messages were left out", self._left_out)
            self._left_out = 0
        if acknowledge is not None:
            acknowledge()
        return Event(MESSAGE, message, None, None)
