"""Our own authorization server in a thread, with a clock that can be moved on."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from support.thread_loop import kept_open


class SteppedClock:
    """Seconds since 1970; they go on by themselves and jump by `advance`, so that no test waits."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        """The time now."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        self._ahead += seconds


class RunningServer:
    """`server` is the AuthorizationServer, `issuer` its address, `clock` its time."""

    def __init__(self, server: AuthorizationServer, clock: SteppedClock):
        self.server = server
        self.issuer = server.settings.issuer
        self.clock = clock


@contextlib.contextmanager
def authserver(
    people: Iterable[Person], clients: Iterable[Client], tls: tuple[str, str] | None = None, **settings: Any
) -> Iterator[RunningServer]:
    """Serve on a free port of 127.0.0.1 while the block runs; `tls` is (certificate file, key file)."""
    listener = listening_socket()
    issuer = f"{'https' if tls else 'http'}://127.0.0.1:{port_of(listener)}"
    clock = SteppedClock()
    try:
        server = AuthorizationServer(Settings(issuer, people, clients, **settings), clock)
    except BaseException:
        listener.close()
        raise
    certificate, key = tls or (None, None)
    try:
        with kept_open(
            lambda: serve(server.app, certfile=certificate, keyfile=key, sock=listener), "authserver"
        ):
            yield RunningServer(server, clock)
    finally:
        server.close()
