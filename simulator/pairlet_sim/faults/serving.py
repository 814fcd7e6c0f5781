"""The fault server on its sockets: the usual one, one of another origin, and those with bad certificates."""

import datetime
import secrets
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket

import trustme
from starlette.types import ASGIApp

from ..authserver import listening_socket, serve
from ..authserver.serving import port_of
from ..authserver.settings import DEFAULT_SCOPES
from .connection import ReachableProtocol
from .server import FaultServer
from .site import Cast, Listener

# What may be wrong with a certificate: a scenario names one of these.
UNKNOWN_AUTHORITY, WRONG_NAME, EXPIRED = "unknown_authority", "wrong_name", "expired"
CERTIFICATES = (UNKNOWN_AUTHORITY, WRONG_NAME, EXPIRED)

_USERNAME = "demo"
# Simulated persons at a time. They wait most of the time, but a password costs some tens of milliseconds.
_WALKERS = 4


@dataclass(frozen=True)
class Wanted:
    """How to serve. `ca_file`: serve https, and write the certificate of the authority there.

    `simulated`: whether a simulated person approves. See Cast for the rest.
    """

    cast: Cast
    host: str = "127.0.0.1"
    port: int = 0
    ca_file: Path | None = None
    simulated: bool = True


def cast_of(
    client_id: str, client_secret: str | None, scope: str | None, listener: Listener | None = None
) -> Cast:
    """An account made up for this run, and a client that may ask for the usual scopes and for `scope`."""
    scopes = dict.fromkeys([*DEFAULT_SCOPES, "openid", "email", *(scope or "").split()])
    password = secrets.token_urlsafe(9)
    return Cast(_USERNAME, password, client_id, client_secret, tuple(scopes), listener=listener)


@asynccontextmanager
async def open_faults(wanted: Wanted) -> AsyncIterator[FaultServer]:
    """Serve all scenarios while the block runs. Raises ServeError, SettingsError, OSError."""
    async with AsyncExitStack() as stack:
        listeners = {"": _listen(stack, wanted.host, wanted.port)}
        if wanted.ca_file is not None:
            listeners |= {name: _listen(stack, wanted.host) for name in CERTIFICATES}
        elsewhere = _listen(stack, wanted.host)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pairlet-faults-")))
        files = _certificates(wanted, folder) if wanted.ca_file is not None else {}
        scheme = "https" if files else "http"
        bases = {name: _address(scheme, wanted.host, each) for name, each in listeners.items()}
        cast = replace(wanted.cast, ca_file=str(wanted.ca_file) if wanted.ca_file else None)
        if wanted.simulated:
            walkers = ThreadPoolExecutor(_WALKERS, "person")
            stack.callback(walkers.shutdown, wait=False, cancel_futures=True)
            cast = replace(cast, walkers=walkers)
        server = FaultServer(bases, _address(scheme, wanted.host, elsewhere), cast)
        stack.callback(server.close)
        for name, listener in [*listeners.items(), ("", elsewhere)]:
            await stack.enter_async_context(_serve(server, listener, files.get(name)))
        yield server


def _listen(stack: AsyncExitStack, host: str, port: int = 0) -> socket:
    listener = listening_socket(host, port)
    stack.callback(listener.close)
    return listener


@asynccontextmanager
async def _serve(app: ASGIApp, listener: socket, certificate: str | None) -> AsyncIterator[None]:
    async with serve(
        app, certfile=certificate, keyfile=certificate, sock=listener, http=ReachableProtocol
    ):
        yield


def _address(scheme: str, host: str, listener: socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port_of(listener)}"


def _certificates(wanted: Wanted, folder: Path) -> dict[str, str]:
    """A file with key and chain for each kind of certificate. Writes the authority's own to `ca_file`."""
    assert wanted.ca_file is not None
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(wanted.ca_file)
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    names = [wanted.host] if wanted.host == "127.0.0.1" else [wanted.host, "127.0.0.1"]
    issued = {
        "": authority.issue_cert(*names),
        UNKNOWN_AUTHORITY: stranger.issue_cert(*names),
        WRONG_NAME: authority.issue_cert("somebody-else.example"),
        EXPIRED: authority.issue_cert(
            *names, not_before=long_ago, not_after=long_ago + datetime.timedelta(days=365)
        ),
    }
    files = {}
    for name, certificate in issued.items():
        path = folder / f"{name or 'good'}.pem"
        path.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        files[name] = str(path)
    return files
