"""As much of HTTP/1.1 (RFC 9112) as one GET takes: each connection has one request and little time."""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from ...core.url import is_loopback

_MOST_CONNECTIONS = 8
# So many more wait for their turn: a program with many threads asks with all of them in one moment.
_MOST_WAITING = 64
_MOST_BYTES = 8192
# From the first byte to the last, whoever is slow; an answer that is not there yet has its own time.
_LONGEST_S = 5.0


class Answer(NamedTuple):
    """What an endpoint says."""

    status: int
    content_type: str
    body: bytes


Respond = Callable[[str], Answer | Awaitable[Answer]]
Admit = Callable[[socket.socket], bool]


class LocalServer:
    """Answers GET and HEAD with `respond(target)`, at once or when that is there, `patience_s` at the most.

    `admit(connection)`: whether its other side may have an answer; the others get 403.
    """

    def __init__(self, respond: Respond, *, admit: Admit | None = None, patience_s: float = _LONGEST_S):
        self._respond = respond
        self._admit = admit
        self._patience_s = patience_s
        self._servers: list[asyncio.Server] = []
        self._open: set[_Connection] = set()
        self._waiting: deque[_Connection] = deque()

    async def listen(self, listening: socket.socket, *, checks_host: bool) -> None:
        """Take connections from `listening`, which belongs to this from now on.

        `checks_host`: on TCP, where a page in somebody's browser could come here under a name of its own that
        leads to this machine (DNS rebinding), Host must be a loopback address.
        """
        loop = asyncio.get_running_loop()

        def connection() -> _Connection:
            return _Connection(self, checks_host)

        # Not create_unix_server: that one would unlink the path.
        server = await loop.create_server(connection, sock=listening)
        self._servers.append(server)

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        for server in self._servers:
            server.close()
        ending = [*self._open, *self._waiting]
        self._waiting.clear()
        for connection in ending:
            connection.abort()

    def takes(self, connection: "_Connection") -> bool:
        """Whether there is room for one more: it begins at once, or when another one has ended."""
        if len(self._open) < _MOST_CONNECTIONS:
            self._begin(connection)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(connection)
        else:
            return False
        return True

    def _begin(self, connection: "_Connection") -> None:
        self._open.add(connection)
        connection.begin()

    def forget(self, connection: "_Connection") -> None:
        """It has ended."""
        if connection in self._waiting:
            self._waiting.remove(connection)
        self._open.discard(connection)
        if self._waiting and len(self._open) < _MOST_CONNECTIONS:
            self._begin(self._waiting.popleft())

    def answer(self, target: str, connection: socket.socket) -> Answer | Awaitable[Answer]:
        """What to say to a GET of `target`, or what to wait for."""
        if self._admit is not None and not self._admit(connection):
            return plain(HTTPStatus.FORBIDDEN)
        found = self._respond(target)
        return found if isinstance(found, Answer) else self._in_time(found)

    async def _in_time(self, coming: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(self._patience_s):
                return await coming
        except TimeoutError:
            return plain(HTTPStatus.GATEWAY_TIMEOUT)


def plain(status: int) -> Answer:
    """`status` in words."""
    return Answer(status, "text/plain; charset=utf-8", HTTPStatus(status).phrase.encode() + b"\n")


class _Connection(asyncio.Protocol):
    def __init__(self, server: LocalServer, checks_host: bool):
        self._server = server
        self._checks_host = checks_host
        self._received = b""
        self._has_begun = False
        self._is_answered = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._server.takes(self):
            transport.abort()
        elif not self._has_begun:
            self._timer = asyncio.get_running_loop().call_later(_LONGEST_S, self._end_if_silent)

    def _end_if_silent(self) -> None:
        """Only who has asked may wait on for an answer."""
        if not self._has_asked():
            self.abort()

    def _has_asked(self) -> bool:
        return b"\r\n\r\n" in self._received

    def begin(self) -> None:
        """It is its turn, with what it has said so far."""
        self._has_begun = True
        self._give(_LONGEST_S)
        self._read_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._answering is not None:
            self._answering.cancel()

    def _give(self, seconds: float) -> None:
        """So long from now on, and it ends."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._received += data
        if self._has_begun:
            self._read_on()
        elif len(self._received) > _MOST_BYTES:
            self.abort()

    def _read_on(self) -> None:
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if end:
            self._answer(*_read(head, self._checks_host))
        elif len(self._received) > _MOST_BYTES:
            self._answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def eof_received(self) -> bool:
        # Whoever has said all may still be listening; whoever has hung up is not.
        assert self._transport is not None
        connection = self._transport.get_extra_info("socket")
        waits = self._answering is not None or (not self._has_begun and self._has_asked())
        return waits and not _has_hung_up(connection)

    def _answer(self, status: int, method: str = "GET", target: str = "") -> None:
        self._is_answered = True
        assert self._transport is not None
        if status != HTTPStatus.OK:
            self._send(plain(status), method)
            return
        found = self._server.answer(target, self._transport.get_extra_info("socket"))
        if isinstance(found, Answer):
            self._send(found, method)
        else:
            self._answering = asyncio.get_running_loop().create_task(self._send_later(found, method))

    async def _send_later(self, coming: Awaitable[Answer], method: str) -> None:
        assert self._timer is not None
        self._timer.cancel()
        try:
            answer = await coming
        except Exception as error:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "no answer could be made", "exception": error})
            answer = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._give(_LONGEST_S)
        self._send(answer, method)

    def _send(self, answer: Answer, method: str) -> None:
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append("Allow: GET, HEAD")
        assert self._transport is not None
        self._transport.write(
            "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else answer.body)
        )
        self._transport.close()


def _has_hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed both directions (POLLHUP, which is told unasked)."""
    poll = select.poll()
    poll.register(connection.fileno(), 0)
    return bool(poll.poll(0))


def _read(head: bytes, checks_host: bool) -> tuple[int, str, str]:
    """Status (200: go on), method and target of a request."""
    bad = (HTTPStatus.BAD_REQUEST.value, "GET", "")
    try:
        first, *fields = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return bad
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        return bad
    method, target, version = words
    # RFC 9112 section 3.2: exactly one Host, which HTTP/1.0 may leave out.
    hosts = [
        value.strip() for name, _, value in (line.partition(":") for line in fields) if name.lower() == "host"
    ]
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        return bad
    if checks_host and not (hosts and is_loopback(_name(hosts[0]))):
        return HTTPStatus.MISDIRECTED_REQUEST.value, method, ""
    if method not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED.value, method, ""
    return HTTPStatus.OK.value, method, target


def _name(host: str) -> str:
    """The value of Host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
