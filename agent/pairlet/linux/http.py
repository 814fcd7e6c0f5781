"""The Http port on Linux: requests does the work, in a thread, under this module's rules.

Every exchange has a connection of its own. A device talks to its authorization server in single
exchanges, seconds or hours apart; a connection kept for the next one would mostly be dead by then, and
whether a request that dies with it was processed can't be known. What makes new TLS connections dear is
reading the CA bundle, and that happens once (tls.shared_context). It also means that no two threads ever
share anything but the SSLContext, which is made for that.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..core.errors import TransportError
from ..core.http import JSON, Request, Response
from .lean import lean_imports
from .tls import new_context, shared_context
from .worker import in_thread

if TYPE_CHECKING:
    from ..ports import Http
    from .client_auth.certificate import Certificate

USER_AGENT = "pairlet/" + __version__

_CERTIFICATE_ADVICE = " If it is in reach, check that it knows who issued the client certificate."


class Line:
    """The sockets of one exchange, so that another thread can end it at once by cutting the line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Any] = []  # http.client.HTTPConnection and what is derived from it
        self._sockets: list[Any] = []
        self._cut = False

    def watch(self, connection: Any) -> None:
        """From now on cut() also ends whatever is `connection.sock`. OSError if it is cut already."""
        with self._lock:
            self._refuse_if_cut()
            self._connections.append(connection)

    def hold(self, opened: Any) -> None:
        """From now on cut() also ends the socket `opened`. OSError if the line is cut already."""
        # http.client forgets its socket before the answer's body is read, so the socket counts itself.
        with self._lock:
            self._refuse_if_cut()
            self._sockets.append(opened)

    def cut(self) -> None:
        """End the exchange: whoever reads or writes meets the end of the connection. From any thread."""
        with self._lock:
            self._cut = True
            for each in self._sockets + [connection.sock for connection in self._connections]:
                if each is None:
                    continue
                plain = each if isinstance(each, socket.socket) else getattr(each, "socket", None)
                with contextlib.suppress(OSError, TypeError):
                    # Not SSLSocket.shutdown: it would first turn the socket into one without TLS, and
                    # the thread that reads from it would take what comes next for the answer.
                    socket.socket.shutdown(plain, socket.SHUT_RDWR)  # type: ignore[arg-type]

    def _refuse_if_cut(self) -> None:
        if self._cut:
            raise ConnectionAbortedError("the exchange was given up")


class RequestsHttp:
    """HTTP over verified TLS, one exchange a call; any number of calls at once.

    `ca_file`: CAs to trust instead of the usual ones (see pairlet.linux.tls). Times in seconds:
    `connect_timeout_s` for TCP and for TLS each, `read_timeout_s` for one silence of the server,
    `total_timeout_s` for everything. `insecure_http` allows plain http to this very machine.
    `certificate` is shown to servers that ask for one.
    Proxies come from HTTPS_PROXY, ALL_PROXY and NO_PROXY; netrc is not read, cookies are not kept,
    redirects are not followed. requests is imported by the first exchange, not before.
    """

    needs_room = False

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        user_agent: str = USER_AGENT,
        connect_timeout_s: float = 10,
        read_timeout_s: float = 30,
        total_timeout_s: float = 60,
        insecure_http: bool = False,
        certificate: "Certificate | None" = None,
    ):
        self._ca_file = ca_file
        self._user_agent = user_agent
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._total_timeout_s = total_timeout_s
        self._insecure_http = insecure_http
        self._certificate = certificate
        self._showing: tuple[object, ssl.SSLContext] | None = None

    async def exchange(self, request: Request) -> Response:
        """Carry `request` out; any status is an answer.

        Raises TransportError (no answer, time-out, cut or oversized answer), TlsError (the server could
        not prove who it is) and ConfigError (an address, header, proxy or CA file that can't be used).
        When the waiting task is cancelled, the connection ends with it.
        """
        line = Line()
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await in_thread(self._carry, request, line)
        except TimeoutError:
            late = TransportError(
                f"{_host(request.url)} did not answer in full within {self._total_timeout_s:g} s"
            )
        except OSError as error:
            late = TransportError(f"the exchange could not start: {error.strerror}")
        finally:
            line.cut()
        raise late

    def _carry(self, request: Request, line: Line) -> Response:
        """The blocking part. Its imports cost most of a cold start, so they are here."""
        with lean_imports():
            from .http_exchange import Exchange

        exchange = Exchange(request, self._insecure_http, self._user_agent)
        try:
            return exchange.run(self._context, self._timeouts, line)
        except TransportError as error:
            # With TLS 1.3 a server refuses a certificate after the handshake, and may be gone by then.
            if self._certificate is None:
                raise
            late = TransportError(str(error), error.advice + _CERTIFICATE_ADVICE)
        raise late

    def _context(self) -> ssl.SSLContext:
        if self._certificate is None:
            return shared_context(self._ca_file)
        # One of this port's own: the broker is not to see the certificate. Two threads may both make one.
        showing, mark = self._showing, self._certificate.mark()
        if showing is None or showing[0] != mark:
            context = new_context(self._ca_file)
            self._certificate.load_into(context)
            showing = self._showing = (mark, context)
        return showing[1]


def _host(url: str) -> str:
    """The host in `url` for a sentence, without user name and password."""
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    return ascii(authority.rpartition("@")[2][:255])[1:-1]


class FormHttp:
    """The port Http over another one, for servers that are asked in forms, as RFC 6749 has it.

    HTTP 415 from one that takes something else becomes an OAuth error: to ask again is of no use.
    """

    needs_room = False

    def __init__(self, http: "Http"):
        self._http = http

    async def exchange(self, request: Request) -> Response:
        """See ports.Http."""
        response = await self._http.exchange(request)
        if response.status != 415 or request.method != "POST" or b'"error"' in response.body:
            return response
        words = 'it takes no forms (HTTP 415); a provider profile with format = "json" may be what it wants'
        body = json.dumps({"error": "invalid_request", "error_description": words})
        return Response(response.status, [("content-type", JSON)], body.encode())
