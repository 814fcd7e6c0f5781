"""The Http port on a board: HTTP/1.1 over asyncio's streams, one connection for each exchange.

A kept connection would hold 24 KB of a Pico W for seconds or hours, and could be found dead at the next use.
"""

import asyncio

from pairlet import __version__
from pairlet.core.errors import ConfigError, ProtocolError, TransportError
from pairlet.core.http import Request, Response
from pairlet.core.text import clean, is_printable_ascii
from pairlet.core.url import is_secure, split

from . import tls
from .dial import SWALLOWS_END, dial, within
from .http_parser import ResponseReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine
    from typing import Any

    from pairlet.core.url import Url
    from pairlet.ports import Clock

_PIECE = 1024  # bytes read or written at once
_QUIET_S = 3


class BoardHttp:
    """HTTP over verified TLS, one exchange a call.

    `context`: from tls.context; None: no TLS at all. `timeouts_s`, in seconds: for TCP; for TLS and
    sending; for one silence of the server; for everything but the name's look-up. `insecure_http` allows
    plain http to this very machine. `max_body`: bytes of an answer's body. Redirects are answers like others.
    """

    # A TLS session takes 24 KB of a Pico W's heap, and its handshake 33 KB.
    needs_room = True

    def __init__(
        self,
        clock: "Clock",
        context: "ssl.SSLContext | None",
        *,
        timeouts_s: "tuple[float, float, float, float]" = (15, 40, 30, 90),
        insecure_http: bool = False,
        max_body: int = 16384,
    ):
        self._clock = clock
        self._context = context
        self._timeouts_s = timeouts_s
        self._insecure_http = insecure_http
        self._max_body = max_body

    async def exchange(self, request: Request) -> Response:
        """Carry `request` out; any status is an answer.

        Raises TransportError (no answer, time-out, cut, oversized or unreadable answer), TlsError (the
        server could not prove who it is) and ConfigError (an address or header that can't be used).
        The connection is closed in every case, a cancelled one at once.
        """
        parts = self._checked(request.url)
        host = parts.host
        head = _head(request, parts)
        context = self._context if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        until = self._clock.now() + int(self._timeouts_s[3] * 1000)
        free = tls.free_heap()
        close = None
        try:
            reader, writer, close = await dial(
                host, port, context, min(self._timeouts_s[0], self._timeouts_s[3])
            )
            await self._send(writer, head, request.body, until)
            return await self._receive(reader, ResponseReader(request.method, self._max_body), until)
        except asyncio.TimeoutError:  # noqa: UP041 (and before OSError, which it is on CPython)
            raise TransportError(host + " did not answer in time") from None
        except (ProtocolError, TransportError) as failure:
            raise TransportError(failure.message.replace("the answer", "the answer of " + host)) from None
        except (OSError, ValueError, MemoryError) as failure:
            raise tls.error(failure, host, free) from None
        finally:
            if close is not None:
                close()

    def _checked(self, url: str) -> "Url":
        """The parts of `url`; ConfigError if it must not be asked (RFC 8628 section 3.1: TLS everywhere)."""
        parts = split(url)
        if parts is None:
            shown = clean(url.partition("?")[0].rpartition("@")[2])
            raise ConfigError("the address %s is not one that HTTP can use" % shown)
        if not is_secure(url, self._insecure_http):
            raise ConfigError(parts.host + " must be reached with https")
        if parts.scheme == "https" and self._context is None:
            raise ConfigError("there is no CA to check %s with" % parts.host, "Set a CA file.")
        return parts

    async def _send(self, writer: "asyncio.StreamWriter", head: bytes, body: bytes, until: int) -> None:
        """Send the request. On MicroPython the first piece brings about the handshake."""
        limit_s = self._timeouts_s[1]
        # All of a usual request goes out in one packet; of a large one, little is copied at a time.
        writer.write(head + body[:_PIECE])
        await self._within(writer.drain(), limit_s, until)
        view = memoryview(body)
        for at in range(_PIECE, len(body), _PIECE):
            writer.write(view[at : at + _PIECE])
            await self._within(writer.drain(), limit_s, until)

    async def _receive(self, reader: "asyncio.StreamReader", answer: ResponseReader, until: int) -> Response:
        """Read the whole answer."""
        limit_s = self._timeouts_s[2]
        while not answer.done:
            # Where the end of a connection can be missed, silence stands for it. It takes an answer
            # without a length, and half of a JSON object is none, so nothing wrong is believed.
            guess_end = SWALLOWS_END and answer.left < 0
            try:
                wait_s = min(limit_s, _QUIET_S) if guess_end else limit_s
                data = await self._within(reader.read(_PIECE), wait_s, until)
            except asyncio.TimeoutError:  # noqa: UP041
                if not guess_end or self._clock.now() >= until:
                    raise
                data = b""
            if data:
                answer.feed(data)
            else:
                answer.end()
        return answer.response()

    async def _within(self, step: "Coroutine[Any, Any, Any]", limit_s: float, until: int) -> "Any":
        """Wait for `step` for `limit_s` seconds, and not beyond `until`. Raises asyncio.TimeoutError."""
        left_s = (until - self._clock.now()) / 1000
        return await within(step, max(0, min(limit_s, left_s)))


def _head(request: Request, parts: "Url") -> bytes:
    """The request up to its body (RFC 9112 section 3). ConfigError for a header that HTTP can't carry."""
    host = "[" + parts.host + "]" if ":" in parts.host else parts.host
    if parts.port:
        host += ":%d" % parts.port
    target = parts.path or "/"
    if parts.query is not None:
        target += "?" + parts.query
    lines = [
        request.method + " " + target + " HTTP/1.1",
        "Host: " + host,
        "User-Agent: pairlet/" + __version__,
        "Accept-Encoding: identity",  # there is no room to unpack anything
        "Connection: close",
    ]
    if request.body or request.method != "GET":
        lines.append("Content-Length: %d" % len(request.body))
    for name, value in request.headers:
        if not name or not is_printable_ascii(name + value) or " " in name or ":" in name:
            raise ConfigError("the request header '%s' can't be sent" % clean(name))
        lines.append(name + ": " + value)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
