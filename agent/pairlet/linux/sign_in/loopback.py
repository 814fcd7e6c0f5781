"""The port Browser on Linux: a small HTTP server on loopback, for as long as somebody signs in.

The browser is started with an address on loopback, from where it is sent on, once: the authorization request
with its state would stand in the process list otherwise.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from ...core.errors import ConfigError, TransportError
from ...core.screen import Screen
from ...core.secret import Secret
from .address import LoopbackAddress, authority, read_address
from .launch import Launched, desktop_command, with_address
from .page import answer, redirect, refusal

AUTO, NONE = "auto", "none"

_LONGEST_HEAD = 16384
_HEAD_S = 10
_MOST_AT_ONCE = 16
_CLOSE_S = 2
# How long a kiosk's own browser stays after the last page: somebody may still be reading it.
_READING_S = 3


class LoopbackVisit:
    """A browser at the redirect URI. `query` is a secret's home: it shows in no repr."""

    def __init__(self, query: str, writer: asyncio.StreamWriter):
        self.query = query
        self._writer = writer
        self.answered = asyncio.Event()

    def answer(self, page: Screen) -> None:
        """Send the page and hang up; the first one counts. Never raises."""
        if not self.answered.is_set():
            self.answered.set()
            _send(self._writer, answer(page))


class LoopbackBrowser:
    """The port Browser. `redirect_uri`: as configured, "" for the usual one. `command`: "auto" for the
    desktop's browser, "none", or a command. Raises ConfigError."""

    def __init__(self, redirect_uri: str, command: str | Sequence[str]):
        self._address: LoopbackAddress = read_address(redirect_uri)
        self._command = command
        self._server: asyncio.Server | None = None
        self._authority = ""
        self._start_path = "/" if self._address.path != "/" else "/start"
        self._start: Secret | None = None
        self._visits: asyncio.Queue[LoopbackVisit] = asyncio.Queue()
        # Who is being served, and what waits for a page of the agent's.
        self._busy: dict[asyncio.Task[None], LoopbackVisit | None] = {}
        self._launched: Launched | None = None
        self._has_answered = False

    async def listen(self) -> str:
        """See pairlet.ports.Browser."""
        failures = []
        for host in self._address.hosts:
            try:
                self._server = await asyncio.start_server(
                    self._serve, host, self._address.port, limit=_LONGEST_HEAD, reuse_address=True
                )
            except OSError as error:
                failures.append(error.strerror or str(error))
                continue
            port = self._server.sockets[0].getsockname()[1]
            self._authority = authority(host, port)
            return self._address.uri(host, port)
        if self._address.port:
            raise ConfigError(
                f"nothing can listen at port {self._address.port} of this device: {failures[0]}",
                "Leave the port out of oauth.redirect_uri if the server allows any, or free it.",
            )
        raise TransportError(
            f"nothing can listen on this device's loopback address: {failures[0]}",
            "Bring the network interface lo up.",
        )

    def open(self, authorization_uri: Secret) -> str:
        """See pairlet.ports.Browser."""
        command = self._command
        if command == AUTO:
            command = desktop_command(os.environ) or NONE
            if command == NONE:
                return "There is no desktop here to open a browser on"
        if command == NONE:
            return ""
        assert not isinstance(command, str)
        self._start = authorization_uri
        words = with_address(command, f"http://{self._authority}{self._start_path}")
        try:
            self._launched = Launched(words)
        except OSError as error:
            self._start = None
            return f"The browser {words[0]} can't be started: {error.strerror}"
        return ""

    async def next_visit(self) -> LoopbackVisit:
        """See pairlet.ports.Browser."""
        return await self._visits.get()

    async def close(self) -> None:
        """See pairlet.ports.Browser."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self._start = None
        for task, visit in self._busy.items():
            if visit is None or not visit.answered.is_set():
                task.cancel()
        launched, self._launched = self._launched, None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await asyncio.gather(*self._busy, return_exceptions=True)
            # The desktop's browser belongs to the person; a kiosk's own command was ours to start.
            if launched is not None and self._command != AUTO and self._has_answered:
                await asyncio.sleep(_READING_S)
        finally:
            if launched is not None:
                if self._command != AUTO:
                    launched.end()
                launched.reap()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        # None: closed before this task had its first turn.
        if self._server is None or len(self._busy) >= _MOST_AT_ONCE:
            writer.close()
            return
        self._busy[task] = None
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            visit = self._sort(head.decode("latin-1"), writer)
            self._busy[task] = visit
            if visit is not None:
                self._visits.put_nowait(visit)
                await visit.answered.wait()
                self._has_answered = True
            await _drained(writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # whoever it was has gone, or never spoke HTTP
        except asyncio.CancelledError:
            # Python 3.11 takes a connection that close() has ended for a fault of the program.
            if self._server is not None:
                raise
        finally:
            del self._busy[task]
            writer.close()

    def _sort(self, head: str, writer: asyncio.StreamWriter) -> LoopbackVisit | None:
        """The visit that `head` begins, or None: then it has its answer."""
        lines = head.split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            _send(writer, refusal(HTTPStatus.BAD_REQUEST, "That was no request of a browser."))
            return None
        hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
        path, _, query = words[1].partition("?")
        if hosts != [self._authority]:
            # A page that calls itself by another name and leads here (DNS rebinding) is none of ours.
            _send(writer, refusal(HTTPStatus.MISDIRECTED_REQUEST, "This is not the place you asked for."))
        elif path not in (self._address.path, self._start_path):
            _send(writer, refusal(HTTPStatus.NOT_FOUND, "There is nothing here."))
        elif words[0] != "GET":
            _send(writer, refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET works here."))
        elif path == self._address.path:
            return LoopbackVisit(query, writer)
        else:
            _send(writer, self._send_on())
        return None

    def _send_on(self) -> bytes:
        """From the start to the server's page: once. Whoever comes second is not the browser we started."""
        start, self._start = self._start, None
        if start is None:
            sentence = "The way to the sign-in was taken already, or there is none. Look at the device."
            return refusal(HTTPStatus.GONE, sentence)
        return redirect(start.reveal())


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(OSError, RuntimeError):
        writer.write(data)


async def _drained(writer: asyncio.StreamWriter) -> None:
    """Until what was written is on its way, and the browser has seen the end of it."""
    await writer.drain()
    with suppress(OSError):
        writer.write_eof()
