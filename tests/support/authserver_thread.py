"""Our own authorization server in a thread, with a clock that can be moved on."""

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any

from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from pairlet_sim.board import VirtualBoard
from starlette.types import ASGIApp
from support.lost_answers import LostAnswers
from support.thread_loop import kept_open


class SteppedClock:
    """Seconds since 1970; they go on by themselves and jump by `advance`, so that no test waits."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._boards: list[VirtualBoard] = []

    def __call__(self) -> float:
        """The time now."""
        return time.time() + self._ahead + sum(board.skipped_ms for board in self._boards) / 1000

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        self._ahead += seconds

    @contextlib.contextmanager
    def following(self, board: VirtualBoard) -> Iterator[None]:
        """Within the block, jump along with a board that skips its idle time."""
        self._boards.append(board)
        try:
            yield
        finally:
            self._boards.remove(board)
            self.advance(board.skipped_ms / 1000)


class RunningServer:
    """`server` is the AuthorizationServer, `issuer` its address, `clock` its time; `answers` can get lost."""

    def __init__(self, server: AuthorizationServer, clock: SteppedClock, answers: LostAnswers):
        self.server = server
        self.answers = answers
        self.issuer = server.settings.issuer
        self.clock = clock


@contextlib.asynccontextmanager
async def _served(
    app: ASGIApp, tls: tuple[str, str] | None, sockets: list[tuple[socket.socket, str | None]]
) -> AsyncIterator[None]:
    """`app` at each socket, with the certificates that clients may show there, all in one event loop."""
    certificate, key = tls or (None, None)
    async with contextlib.AsyncExitStack() as stack:
        for sock, trusted in sockets:
            await stack.enter_async_context(
                serve(app, certfile=certificate, keyfile=key, sock=sock, client_ca_file=trusted)
            )
        yield


@contextlib.contextmanager
def authserver(
    people: Iterable[Person],
    clients: Iterable[Client],
    tls: tuple[str, str] | None = None,
    client_ca_file: str | None = None,
    **settings: Any,
) -> Iterator[RunningServer]:
    """Serve on a free port of 127.0.0.1 while the block runs; `tls` is (certificate file, key file).

    With `client_ca_file` clients show their certificates at another port, as the metadata says.
    """
    listener = listening_socket()
    showing = listening_socket() if client_ca_file else None
    if showing is not None:
        settings["mutual_tls"] = f"https://127.0.0.1:{port_of(showing)}"
    issuer = f"{'https' if tls else 'http'}://127.0.0.1:{port_of(listener)}"
    clock = SteppedClock()
    try:
        server = AuthorizationServer(Settings(issuer, people, clients, **settings), clock)
    except BaseException:
        listener.close()
        raise
    answers = LostAnswers(server.app)
    try:
        sockets = [(listener, None)] + ([(showing, client_ca_file)] if showing else [])
        with kept_open(partial(_served, answers, tls, sockets), "authserver"):
            yield RunningServer(server, clock, answers)
    finally:
        server.close()
