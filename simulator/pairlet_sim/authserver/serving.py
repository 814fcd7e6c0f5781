"""Uvicorn inside the event loop that is already running, for tests, demos and the command line."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_STOP_S = 2
# uvicorn's own 5 s are just what clients pause between polls: a connection that is closed in the moment it
# is used again looks like a network that loses answers.
_KEEP_ALIVE_S = 75


class ServeError(Exception):
    """The server can't start; the text is one sentence that says why.

    `about_certificate` tells trouble with certificate or key from trouble with address or port.
    """

    def __init__(self, sentence: str, *, about_certificate: bool = False):
        super().__init__(sentence)
        self.about_certificate = about_certificate


class _Showing(H11Protocol):
    """Tells the application which certificate the client has shown, by ASGI's extension "tls"."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the certificate of a connection that begins."""
        super().connection_made(transport)
        data = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        chain = [ssl.DER_cert_to_PEM_cert(data)] if data else []
        app = self.app

        async def telling(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})["tls"] = {"client_cert_chain": chain}
            await app(scope, receive, send)  # type: ignore[arg-type]

        self.app = telling  # type: ignore[assignment]


def client_certificate(scope: Scope) -> str | None:
    """The certificate that the client has shown in the TLS handshake (PEM), or None."""
    chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
    return chain[0] if chain else None


@dataclass(frozen=True)
class Running:
    """A server that accepts connections. `url` has no final slash."""

    host: str
    port: int
    url: str


class _Server(uvicorn.Server):
    """Leaves signals to whoever owns the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


def listening_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A bound, listening socket; port 0 picks a free one.

    An issuer contains its port, so bind first, read the port with `port_of`, then make the Settings and
    hand the socket to serve(). Raises ServeError.
    """
    if not 0 <= port <= 65535:
        # The resolver would quietly take it modulo 65536.
        raise ServeError(f"A port is a number from 0 to 65535, not {port}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise ServeError(f"The address {host} port {port} can't be used: {error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            sentence = f"Port {port} of {host} is in use: stop the other program or choose another port."
            raise ServeError(sentence) from error
        raise ServeError(f"The address {host} port {port} can't be used: {error}.") from error
    return listener


def port_of(listener: socket.socket) -> int:
    """The port a socket is bound to."""
    return int(listener.getsockname()[1])


@asynccontextmanager
async def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 0,
    certfile: str | None = None,
    keyfile: str | None = None,
    *,
    sock: socket.socket | None = None,
    http: type[asyncio.Protocol] | None = None,
    client_ca_file: str | None = None,
) -> AsyncIterator[Running]:
    """Serve `app` while the block runs, over TLS if there is a certificate (PEM).

    `sock` is a listening socket to use in place of host and port; it is closed at the end. `http` replaces
    uvicorn's own HTTP protocol. With `client_ca_file` (PEM) clients may show certificates that are trusted by
    it. No access log is written: query strings hold user codes. Raises ServeError.
    """
    listener = sock or listening_socket(host, port)
    try:
        config = _configure(app, certfile, keyfile, client_ca_file, http)
    except ServeError:
        listener.close()
        raise
    server = _Server(config)
    bound_host, bound_port = listener.getsockname()[:2]
    shown = f"[{bound_host}]" if ":" in bound_host else bound_host
    running = Running(bound_host, bound_port, f"{'https' if certfile else 'http'}://{shown}:{bound_port}")
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        if task.done():
            task.result()
            raise ServeError("The server stopped before it could start.")
        yield running
    finally:
        server.should_exit = True
        await _ended(task)


async def _ended(task: "asyncio.Task[None]") -> None:
    """Until `task` has ended by itself, also for who is cancelled meanwhile. Raises its errors."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    if not task.cancelled():
        task.result()


def _configure(
    app: ASGIApp,
    certfile: str | None,
    keyfile: str | None,
    client_ca_file: str | None,
    http: type[asyncio.Protocol] | None,
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=http or (_Showing if client_ca_file else "auto"),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
        ssl_ca_certs=client_ca_file,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if client_ca_file else ssl.CERT_NONE,
        access_log=False,
        log_config=None,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ServeError(
            f"The certificate or its key can't be used: {error}.", about_certificate=True
        ) from error
    return config
