"""A real pseudo-terminal, with a terminal model in place of the person who looks at it."""

import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from support.vt100 import Terminal

_PATIENCE_MS = 20_000  # what is waited for comes at once, unless the test is going to fail


class PseudoTerminal:
    """`stream` and `path` are what a program writes to, `terminal` knows what has arrived on the screen.

    Nothing is read before a method asks for it, so that a test can let the terminal
    be slow.
    """

    def __init__(self, columns: int = 80, rows: int = 24):
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.stream: TextIO = open(self._slave, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        self.terminal = Terminal(columns, rows)
        self.received = b""
        self.resize(columns, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        os.close(self._slave)

    @property
    def slave(self) -> int:
        """The descriptor of the program's side."""
        return self._slave

    def resize(self, columns: int, rows: int) -> None:
        """Tell the programs at the terminal its new size; the model stays as it is."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """The person closes the window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def settle(self, seen: Callable[[Terminal], bool]) -> None:
        """Read what the program writes until `seen(terminal)`; fail when nothing more comes before that."""
        while not seen(self.terminal):
            assert self._read(_PATIENCE_MS), "on the screen there is only:\n" + self.terminal.text()

    def settle_on(self, text: str) -> None:
        """Read until `text` is on the screen and the frame is complete, with the cursor back."""
        self.settle(lambda terminal: text in terminal.text() and terminal.cursor_visible)

    def read_until(self, ending: bytes) -> bytes:
        """Read bytes, without looking at them, until they end in `ending`; return all that came so far."""
        while not self.received.endswith(ending):
            assert self._read(_PATIENCE_MS, feed=False), repr(self.received)
        return self.received

    def read_some(self) -> None:
        """Let the terminal take what there is now, if there is anything."""
        self._read(10)

    def _read(self, patience_ms: int, *, feed: bool = True) -> bool:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        if not poll.poll(patience_ms):
            return False
        data = os.read(self._master, 65536)
        self.received += data
        if feed:
            self.terminal.feed(data)
        return True
