"""As much of HTTP/1.1 (RFC 9112) as one GET takes: each connection has one request and little time."""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from ...core.url import is_loopback

_MOST_CONNECTIONS = 8
_MOST_BYTES = 8192
# From the first byte to the last, whoever is slow.
_LONGEST_S = 5.0


class Answer(NamedTuple):
    """What an endpoint says."""

    status: int
    content_type: str
    body: bytes


Respond = Callable[[str], Answer]


class HealthServer:
    """Answers GET and HEAD with `respond(path)`.

    `checks_host`: on TCP, where a page in somebody's browser could come here under a name of its own that
    leads to this machine (DNS rebinding), Host must be a loopback address.
    """

    def __init__(self, respond: Respond):
        self._respond = respond
        self._servers: list[asyncio.Server] = []
        self._open: set[_Connection] = set()

    async def listen(self, listening: socket.socket, *, checks_host: bool) -> None:
        """Take connections from `listening`, which belongs to this from now on."""
        loop = asyncio.get_running_loop()

        def connection() -> _Connection:
            return _Connection(self._respond, checks_host, self._open)

        # Not create_unix_server: that one would unlink the path.
        server = await loop.create_server(connection, sock=listening)
        self._servers.append(server)

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        for server in self._servers:
            server.close()
        for connection in list(self._open):
            connection.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, respond: Respond, checks_host: bool, connections: "set[_Connection]"):
        self._respond = respond
        self._checks_host = checks_host
        self._connections = connections
        self._received = b""
        self._is_answered = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._connections) >= _MOST_CONNECTIONS:
            transport.abort()
            return
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(_LONGEST_S, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._received += data
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if end:
            self._answer(*_read(head, self._checks_host))
        elif len(self._received) > _MOST_BYTES:
            self._answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _answer(self, status: int, method: str = "GET", path: str = "") -> None:
        self._is_answered = True
        answer = Answer(status, "text/plain; charset=utf-8", HTTPStatus(status).phrase.encode() + b"\n")
        if status == HTTPStatus.OK:
            answer = self._respond(path)
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


def _read(head: bytes, checks_host: bool) -> tuple[int, str, str]:
    """Status (200: go on), method and path of a request."""
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
    return HTTPStatus.OK.value, method, target.partition("?")[0]


def _name(host: str) -> str:
    """The value of Host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
