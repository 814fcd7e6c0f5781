"""Our own authorization server in a thread, with a clock that can be moved on."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from pairlet_sim.board import VirtualBoard
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
    answers = LostAnswers(server.app)
    try:
        with kept_open(
            lambda: serve(answers, certfile=certificate, keyfile=key, sock=listener), "authserver"
        ):
            yield RunningServer(server, clock, answers)
    finally:
        server.close()
