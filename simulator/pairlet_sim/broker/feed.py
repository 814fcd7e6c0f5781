"""What the broker has accepted, for whoever watches from within the same process."""

import asyncio
from collections import deque
from typing import NamedTuple

# A watcher that has fallen this far behind loses the oldest messages: the broker must not fill the memory
# for it.
MAX_WAITING = 10_000


class Message(NamedTuple):
    """An accepted PUBLISH or a published will. `client_id` is the sender's; "" for the broker itself."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    client_id: str


class MessageFeed:
    """An asynchronous iterator over the messages that arrive after it was made; it ends with the broker.

    `dropped` counts the messages lost because they were not taken in time. Give it up with `close`, or just
    forget it: the broker holds no strong reference.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: deque[Message] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, message: Message) -> None:
        """Add a message; the broker does this."""
        if self._closed:
            return
        if len(self._waiting) == MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)
        self._ready.set()

    def close(self) -> None:
        """End the iteration, after what is waiting already."""
        self._closed = True
        self._ready.set()

    def __aiter__(self) -> "MessageFeed":
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._waiting.popleft()
