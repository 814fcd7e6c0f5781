"""The proxy: it listens, keeps the connections, and does what it is told."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Self

from .connection import Connection, reset_socket
from .faults import ACCEPT_THEN_RESET, CLOSE, REFUSE, RESET, Faults, after
from .one_way import Traffic

_BACKLOG = 128


class ProxyError(Exception):
    """The proxy can't do its work; the text is one sentence."""


class FaultProxy:
    """Listens at `host` and `port` (0: a free one) and passes everything on to `broker`, as it is told.

    Use it as an asynchronous context manager, or `start` and `stop` it; all of it belongs to one event loop.

    told   called with a sentence whenever the broker can't be reached
    """

    def __init__(
        self,
        broker: tuple[str, int],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        told: Callable[[str], None] | None = None,
    ):
        self._broker, self._host, self.port = broker, host, port
        self._told = told
        self._holder: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._connections: dict[Connection, asyncio.Task[str]] = {}
        self._clockwork: asyncio.TimerHandle | None = None
        self._moved = asyncio.Event()
        self.faults = Faults()
        self.up, self.down = Traffic(), Traffic()
        self.accepted = 0
        self.reset_count = 0

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Listen. Raises ProxyError when the port can't be had."""
        try:
            # Bound and never listening, it keeps the port ours while connections are refused.
            self._holder = self._bound(self.port)
            self.port = int(self._holder.getsockname()[1])
            self._open_door()
        except OSError as error:
            self._close_door()
            if self._holder is not None:
                self._holder.close()
                self._holder = None
            reason = error.strerror or str(error)
            raise ProxyError(f"{self._host} port {self.port} can't be had: {reason}.") from None

    async def stop(self) -> None:
        """End every connection, and leave nothing running. Does nothing the second time."""
        self._close_door()
        if self._clockwork is not None:
            self._clockwork.cancel()
        if self._holder is not None:
            self._holder.close()
            self._holder = None
        for connection in self._connections:
            connection.close()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)

    @property
    def open_connections(self) -> int:
        """How many connections there are now, half-open ones included."""
        return len(self._connections)

    def state(self) -> dict[str, Any]:
        """Figures since the start: connections, bytes and PUBACKs; open connections and PUBACKs held now."""
        return {
            "accepted": self.accepted,
            "open": self.open_connections,
            "reset": self.reset_count,
            "bytes_up": self.up.octets,
            "bytes_down": self.down.octets,
            "pubacks": self.down.pubacks,
            "pubacks_held": self.down.held,
        }

    async def until(self, predicate: Callable[[], Any]) -> None:
        """Until `predicate()` is true; it is asked whenever connections come, go or carry something."""
        while not predicate():
            self._moved.clear()
            await self._moved.wait()

    def obey(self, line: str) -> None:
        """Do what one line of faults.VOCABULARY says. Raises FaultError, and nothing has changed then."""
        self.faults, act = after(self.faults, line)
        if act:
            self._end_all(act)
            return
        if self.faults.door == REFUSE:
            self._close_door()
        elif self._listener is None and self._holder is not None:
            self._open_door()
        for connection in self._connections:
            connection.change(self.faults)
        self._wind()

    def _end_all(self, act: str) -> None:
        for connection in list(self._connections):
            if act == RESET:
                connection.reset()
            elif act == CLOSE:
                connection.close()

    def _wind(self) -> None:
        """Set the clockwork of `reset-every`."""
        if self._clockwork is not None:
            self._clockwork.cancel()
            self._clockwork = None
        if self.faults.reset_every_s is not None:
            loop = asyncio.get_running_loop()
            self._clockwork = loop.call_later(self.faults.reset_every_s, self._strike)

    def _strike(self) -> None:
        self._end_all(RESET)
        self._wind()

    def _bound(self, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _open_door(self) -> None:
        listener = self._listener = self._bound(self.port)
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def _close_door(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            # No descriptors left: without a pause this would be called again and again.
            self._pause_at_the_door(error)
            return
        self.accepted += 1
        if self.faults.door == ACCEPT_THEN_RESET:
            self.reset_count += 1
            reset_socket(client)
            self._moved.set()
            return
        client.setblocking(False)
        connection = Connection(client, self.faults, self.up, self.down, self._moved.set)
        task = asyncio.get_running_loop().create_task(connection.run(self._broker))
        self._connections[connection] = task
        task.add_done_callback(lambda task: self._over(connection, task))
        self._moved.set()

    def _pause_at_the_door(self, error: OSError) -> None:
        assert self._listener is not None
        self._tell(f"No connection can be accepted: {error.strerror}.")
        listener, loop = self._listener, asyncio.get_running_loop()
        loop.remove_reader(listener)

        def again() -> None:
            if self._listener is listener:
                loop.add_reader(listener, self._accept)

        loop.call_later(1.0, again)

    def _over(self, connection: Connection, task: "asyncio.Task[str]") -> None:
        self._connections.pop(connection, None)
        self.reset_count += connection.was_reset
        self._moved.set()
        with contextlib.suppress(asyncio.CancelledError):
            if trouble := task.result():
                self._tell(trouble)

    def _tell(self, sentence: str) -> None:
        if self._told is not None:
            self._told(sentence)
