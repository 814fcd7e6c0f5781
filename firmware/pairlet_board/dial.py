"""Connections for every edge of a board: TCP and, with a context, TLS, as streams of asyncio.

asyncio.open_connection does the same, but on MicroPython it loses the socket of a connection that is
given up while it is being made, and a board has only a handful of them.
"""

import asyncio
import errno
import select
import socket

from pairlet.core.errors import TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from typing import Any

    Line = tuple[asyncio.StreamReader, asyncio.StreamWriter, Callable[[], None]]

_IS_CPYTHON = hasattr(asyncio.StreamReader, "feed_data")
# MicroPython's read(n) reads on after the first bytes. When it meets the end of a TLS connection, it
# returns those bytes; the end can't be read a second time where the peer waits for ours (TLS 1.3).
SWALLOWS_END = not _IS_CPYTHON

# asyncio.wait_for of CPython 3.11 can lose a cancellation; there, this is used in its place.
_timeout = getattr(asyncio, "timeout", None)

_NAP_S = 0.02
_BROKEN = select.POLLERR | select.POLLHUP


async def dial(host: str, port: int, context: "ssl.SSLContext | None", timeout_s: float) -> "Line":
    """Connect to `host` within `timeout_s` seconds; return (reader, writer, close).

    `close()` ends the connection at once, also in the middle of something, and never raises. MicroPython
    makes the handshake with the first bytes that are sent, CPython here. Looking up the name blocks.
    Raises TransportError for a name without address, asyncio.TimeoutError, and what sockets and TLS
    raise (OSError, ValueError, MemoryError; see tls.error).
    """
    try:
        # What comes out goes into connect() as it is: on some ports it is no pair but bytes.
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    except OSError:
        raise TransportError("the name %s could not be resolved" % host) from None
    raw: Any = socket.socket(found[0], found[1], found[2])
    try:
        await _connect(raw, found[-1], timeout_s)
        if _IS_CPYTHON:
            name = host if context else None
            opening = asyncio.open_connection(sock=raw, ssl=context, server_hostname=name)
            reader, writer = await within(opening, timeout_s)
            return reader, writer, writer.transport.abort
        if context is None:
            stream: Any = asyncio.StreamReader(raw)
            return stream, stream, raw.close
        secure: Any = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        secure.setblocking(False)
        stream = asyncio.StreamReader(secure)

        def close() -> None:
            secure.close()
            raw.close()  # which the line above leaves open after a failed handshake

        return stream, stream, close
    except BaseException:  # cancelled as well
        raw.close()
        raise


async def within(step: "Coroutine[Any, Any, Any]", limit_s: float) -> "Any":
    """Wait for `step` and return its result; after `limit_s` seconds, cancel it: asyncio.TimeoutError."""
    if _timeout is None:
        return await asyncio.wait_for(step, limit_s)
    async with _timeout(limit_s):
        return await step


async def _connect(raw: "socket.socket", address: "Any", timeout_s: float) -> None:
    """TCP's part. OSError with the reason if it is refused."""
    raw.setblocking(False)
    try:
        raw.connect(address)
    except OSError as failure:
        if failure.errno != errno.EINPROGRESS:
            raise
    poller = select.poll()
    poller.register(raw, select.POLLOUT)
    for _ in range(int(timeout_s / _NAP_S)):
        for _, event in poller.poll(0):
            if event & _BROKEN:
                raw.recv(1)  # raises the reason: there is no SO_ERROR to ask for on a board
                raise OSError(errno.ECONNRESET)
            return
        await asyncio.sleep(_NAP_S)
    raise asyncio.TimeoutError  # noqa: UP041 (MicroPython has no other name for it)
