"""A command at a real terminal: its keyboard and its screen, with `support.vt100` for the person's eyes.

with at_terminal(["pair", ...], columns=80, rows=24) as session:
    session.wait_for(lambda screen: "Valid for" in screen.text())
    read_qr(session.screen.picture())
    session.type("\\x03")                       # Ctrl-C
    assert session.end() == 130
"""

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from support.agent_process import PROGRAM, environment
from support.vt100 import Terminal

Result = TypeVar("Result")

TIMEOUT = 60.0
# Select Graphic Rendition that rich writes and a person does not need to see: italic, underline, reverse.
_LEFT_OUT = {3, 4, 7, 22, 23, 24, 27, 39, 49}
_MORE_COLORS = {34: 31, 35: 31, 36: 32, **dict.fromkeys(range(90, 98), 37)}


class CursorTerminal(Terminal):
    """A terminal that also takes what a live picture of `rich` is made of: CUU, EL 2, more attributes."""

    def _control(self, parameters: str, final: str) -> None:
        if final == "A":
            self.row, self._pending_wrap = max(0, self.row - int(parameters or 1)), False
        elif final == "K" and parameters == "2":
            self.rows[self.row] = self._blank()
        else:
            super()._control(parameters, final)

    def _select(self, parameters: str) -> None:
        numbers = [int(number or 0) for number in parameters.split(";")]
        if numbers[0] in (38, 48):
            # Which of the 256 does not matter here: the QR code of such a picture is in the basic ones.
            numbers = [37 if numbers[0] == 38 else 40]
        for number in numbers:
            if number not in _LEFT_OUT:
                super()._select(str(_MORE_COLORS.get(number, number)))


class Session:
    """A process at a terminal of its own. `screen` is what is on it, `raw` every byte that came."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int, screen: Terminal):
        self.process = process
        self.screen = screen
        self.raw = b""
        self._master = master
        self._changed = threading.Condition()
        self._over = False
        self._strange: Exception | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, seen: Callable[[Terminal], Result], timeout: float = TIMEOUT) -> Result:
        """The first true `seen(screen)` of a complete frame; AssertionError with the screen otherwise.

        What it returns is of that frame; the next one may be half drawn by then.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (result := self._sees(seen)):
                left = deadline - time.monotonic()
                assert left > 0 and not self._over, "on the screen there is only:\n" + self.screen.text()
                self._changed.wait(left)
            return result

    def _sees(self, seen: Callable[[Terminal], Result]) -> Result:
        if self._strange is not None:
            raise self._strange
        return seen(self.screen)

    def type(self, keys: str) -> None:
        """Press keys; Ctrl-C is "\\x03"."""
        os.write(self._master, keys.encode())

    @property
    def is_undisturbed(self) -> bool:
        """Whether what is typed is not echoed, and Ctrl-C throws away nothing that was written."""
        return termios.tcgetattr(self._master)[3] & (termios.ECHO | termios.NOFLSH) == termios.NOFLSH

    def hang_up(self) -> None:
        """Close the window: the process gets SIGHUP, and what it writes from now on fails."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)

    def end(self, timeout: float = TIMEOUT) -> int:
        """Wait for the process to end by itself; its exit code. `screen` is final then."""
        exit_code = self.process.wait(timeout)
        self._reader.join(timeout)
        if self._strange is not None:
            raise self._strange
        return exit_code

    def close(self) -> None:
        """Kill the process if it still runs and take the terminal away."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            data = b""
            # EIO is how Linux says that the last program has left the terminal.
            with contextlib.suppress(OSError):
                if not select.select([self._master], [], [], 0.2)[0]:
                    # A grandchild could keep the terminal open for ever.
                    if self.process.poll() is None:
                        continue
                else:
                    data = os.read(self._master, 65536)
            with self._changed:
                self.raw += data
                self._over = not data
                try:
                    self.screen.feed(data)
                except Exception as error:
                    self._strange = error
                self._changed.notify_all()
            if not data:
                return


@contextlib.contextmanager
def at_terminal(
    words: Sequence[str],
    *,
    columns: int = 80,
    rows: int = 24,
    screen: type[Terminal] = Terminal,
    program: Sequence[str] = PROGRAM,
    environ: dict[str, str] | None = None,
) -> Iterator[Session]:
    """Run `pairlet WORDS` as the session leader of a pseudo-terminal; it is killed if it still runs."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    if environ is None:
        environ = environment()
        # They would describe the terminal of whoever runs the tests.
        environ = {name: value for name, value in environ.items() if name not in ("NO_COLOR", "COLORFGBG")}
    # Test runners set a size, which would win over that of the terminal.
    environ = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [*program, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        start_new_session=True,
        # With a controlling terminal Ctrl-C reaches the program as it does in real life.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    session = Session(process, master, screen(columns, rows))
    try:
        yield session
    finally:
        session.close()
