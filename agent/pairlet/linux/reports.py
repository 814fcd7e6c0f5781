"""Where it is told how a running agent stands: the log, systemd, `pairlet status`, the health endpoint."""

import asyncio
import logging
import socket
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from .health.place import SOCKET_NAME, UnixListener, open_tcp, parse
from .systemd import Notifier, Supervised

if TYPE_CHECKING:
    from .health.serving import Answer, LocalServer
    from .log.status import StatusLine
    from .standing.facts import Facts
    from .standing.judgement import Judge, Verdict
    from .standing.standing import Standing

_log = logging.getLogger("pairlet.health")


class Reports:
    """All of them for one agent, from start() to stop().

    `listen`: the setting health.listen, "" for none. `folder`: the state folder, where the socket for
    `pairlet status` is. `environ`: where systemd says whether it wants to hear. ConfigError for a place
    that can't be listened on.
    """

    def __init__(
        self,
        standing: "Standing",
        status_line: "StatusLine | None",
        listen: str,
        folder: Path,
        environ: MutableMapping[str, str],
    ):
        self._standing = standing
        self._status_line = status_line
        self._judge: Judge | None = None
        self._server: LocalServer | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._unix: list[UnixListener] = []
        self._sockets: list[tuple[socket.socket, bool]] = []
        self._listen(listen, folder)
        notifier = Notifier(environ)
        self._supervised = Supervised(notifier, self._look) if notifier.is_wanted else None
        if self._supervised is not None:
            standing.followers.append(self._supervised.changed)

    def _listen(self, listen: str, folder: Path) -> None:
        place = parse(listen) if listen else None
        if place is not None and not place.path:
            listening = open_tcp(place)
            self._sockets.append((listening, True))
            _log.info("health and metrics at %s, port %d", *listening.getsockname()[:2])
        elif place is not None:
            try:
                self._take(UnixListener(place.path, 0o660))
            except OSError as error:
                raise ConfigError(
                    f"health.listen: {place.path} can't be used: {error.strerror}",
                    "Check the path, and who may write there.",
                ) from None
        try:
            self._take(UnixListener(str(folder / SOCKET_NAME), 0o600))
        except OSError as error:
            # Another agent with the same folder, or a file system without sockets: this one works as well.
            _log.debug("`pairlet status` can't ask this process: %s", error.strerror)

    def _take(self, listener: UnixListener) -> None:
        self._unix.append(listener)
        self._sockets.append((listener.socket, False))

    def start(self) -> None:
        """From now on."""
        for listening, checks_host in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._arrived, listening, checks_host)
        if self._status_line is not None:
            self._status_line.start()
        if self._supervised is not None:
            self._supervised.start()

    def stop(self) -> None:
        """Not any more; nothing is left behind."""
        if self._supervised is not None:
            self._supervised.stop()
        if self._status_line is not None:
            self._status_line.stop()
        for task in self._opening:
            task.cancel()
        if self._server is not None:
            self._server.close()
        for listening, _ in self._sockets:
            if listening.fileno() >= 0:  # else the server has closed it
                asyncio.get_running_loop().remove_reader(listening)
                listening.close()
        for listener in self._unix:
            listener.remove()

    def _arrived(self, listening: socket.socket, checks_host: bool) -> None:
        """Somebody asks for the first time. Most devices are never asked, and need no server in memory."""
        from .health.serving import LocalServer

        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        if self._server is None:
            self._server = LocalServer(self._respond)
        task = loop.create_task(self._server.listen(listening, checks_host=checks_host))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _respond(self, target: str) -> "Answer":
        from .health.answers import respond

        facts = self._standing.facts()
        return respond(target, facts, self._judged(facts))

    def _look(self) -> tuple[str, bool]:
        verdict = self._judged(self._standing.facts())
        return verdict.why, not verdict.stuck

    def _judged(self, facts: "Facts") -> "Verdict":
        from .standing.judgement import Judge

        if self._judge is None:
            # CLOCK_MONOTONIC stands still while the machine sleeps.
            self._judge = Judge(time.monotonic)
        return self._judge.look(facts)
