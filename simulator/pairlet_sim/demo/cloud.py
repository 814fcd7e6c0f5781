"""The demo's cloud, in this process: an authorization server with an account, and a broker for its tokens."""

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

from ..authserver import AuthorizationServer, Client, Person, ServeError, Settings, listening_socket, serve
from ..broker import Broker, BrokerError, BrokerSettings
from .error import DemoError

CLIENT_ID = "pairlet-demo"
SCOPE = "telemetry:write offline_access"
USERNAME, PASSWORD = "ada", "engine-1843"
_PORT = 8628
_AUDIENCE = "pairlet-demo"
# Short, so that a minute shows several refreshes; real servers hand out an hour.
_TOKEN_LIFETIME_S = 30


class Cloud(NamedTuple):
    """Where a device finds everything; `broker` for whoever wants to see what arrives there."""

    issuer: str
    mqtt_url: str
    broker: Broker


def listen(port: int | None) -> tuple[socket.socket, str]:
    """A socket on `port`, None for the usual one or a free one; and a remark about that, or "".

    Raises DemoError if `port` is taken.
    """
    try:
        return listening_socket(port=port or _PORT), ""
    except ServeError as error:
        if port is not None:
            raise DemoError(f"{error} Choose another one with --port.", 2) from error
    listener = listening_socket(port=0)
    chosen = listener.getsockname()[1]
    return listener, f"port {_PORT} is taken, perhaps by another demo; this one uses {chosen}"


@contextlib.asynccontextmanager
async def cloud(listener: socket.socket) -> AsyncIterator[Cloud]:
    """Server and broker, for as long as this is entered. Raises DemoError if they can't be started."""
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = AuthorizationServer(
        Settings(
            issuer,
            people=[Person(USERNAME, PASSWORD, name="Ada Lovelace")],
            clients=[Client(CLIENT_ID, name="Pairlet demo device")],
            audience=_AUDIENCE,
            interval_s=2,
            access_token_lifetime_s=_TOKEN_LIFETIME_S,
        )
    )
    takes = BrokerSettings(issuer=issuer, audience=_AUDIENCE, jwks_url=issuer + "/jwks")
    try:
        async with serve(server.app, sock=listener), Broker(takes) as broker:
            yield Cloud(issuer, f"mqtt://127.0.0.1:{broker.port}", broker)
    except (ServeError, BrokerError) as error:
        raise DemoError(str(error)) from error
