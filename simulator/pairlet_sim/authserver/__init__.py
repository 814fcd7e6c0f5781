"""A real authorization server for the device grant, small enough to start inside a test or a demo.

    settings = Settings("http://127.0.0.1:8628", people=[Person("ada", "secret")], clients=[Client("tv")])
    server = AuthorizationServer(settings)
    async with serve(server.app, port=8628) as running: ...

RFC 6749, 7009, 7662, 8414, 8628 and 9068, on Authlib and Starlette. It shares no code with the agent,
so that one misreading of an RFC cannot hide on both sides of a test.
"""

from .app import AuthorizationServer
from .events import Event
from .serving import Running, ServeError, listening_socket, serve
from .settings import Client, Person, Settings, SettingsError

__all__ = [
    "AuthorizationServer",
    "Client",
    "Event",
    "Person",
    "Running",
    "ServeError",
    "Settings",
    "SettingsError",
    "listening_socket",
    "serve",
]
