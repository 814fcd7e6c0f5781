"""The board's serial port: a pseudo-terminal whose other end any program may open, as it would a USB port.

What the board says while nobody has the port open is lost, as on USB; it is all in `Console` for the host.
"""

import asyncio
import contextlib
import errno
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from .settings import BoardError

_LOOK_S = 0.02  # how often a closed port is looked at
_BACKLOG = 256 * 1024


class SerialPort:
    """A pseudo-terminal in raw mode. `path` is what to open; `received` is called with what comes in."""

    def __init__(self, received: Callable[[bytes], None], link: Path | None = None):
        self._received = received
        self._master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        self.path = os.ttyname(slave)
        # Once opened and closed, the master can tell whether anybody has it open (POLLHUP).
        os.close(slave)
        os.set_blocking(self._master, False)
        self._link = _linked(link, self.path)
        self._waiting = b""
        self._task: asyncio.Task[None] | None = None
        self._reading = False

    def start(self) -> None:
        """Begin to read, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def close(self) -> None:
        """Hang up and take the link away."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._stop_reading()
        os.close(self._master)
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.unlink()

    @property
    def is_open(self) -> bool:
        """Whether a program has the port open."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        return not any(flags & select.POLLHUP for _, flags in poll.poll(0))

    def send(self, data: bytes) -> None:
        """Send to whoever has the port open; nothing waits for a slow reader, the oldest is kept for it."""
        if not self.is_open:
            self._waiting = b""
            return
        self._waiting = (self._waiting + data)[:_BACKLOG]
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._master)
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._master, self._waiting) :]
        except BlockingIOError:
            loop.add_writer(self._master, self._flush)
        except OSError:
            self._waiting = b""

    async def _look(self) -> None:
        """A closed port is always "ready", so it is looked at now and then instead of waited for."""
        loop = asyncio.get_running_loop()
        while True:
            if self.is_open and not self._reading:
                self._reading = True
                loop.add_reader(self._master, self._read)
            await asyncio.sleep(_LOOK_S)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._stop_reading()
            return
        self._received(data)

    def _stop_reading(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._reading = False


def _linked(link: Path | None, target: str) -> Path | None:
    """Make `link` lead to the port. A link of an earlier board is replaced, nothing else is."""
    if link is None:
        return None
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(target)
    except OSError as error:
        raise BoardError(f"{link} can't be made: {error.strerror}.") from None
    return link


class Console:
    """All that the board has said, as text, for the host. The oldest goes when there is too much."""

    _KEPT = 1024 * 1024

    def __init__(self) -> None:
        self._data = bytearray()
        self._dropped = 0
        self._changed = asyncio.Condition()

    @property
    def text(self) -> str:
        """What was said, "\\r\\n" as "\\n"."""
        return self._data.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def mark(self) -> int:
        """How much has been said so far, for `since`."""
        return self._dropped + len(self._data)

    def since(self, mark: int) -> str:
        """What was said after `mark`."""
        start = max(0, mark - self._dropped)
        return self._data[start:].decode("utf-8", "replace").replace("\r\n", "\n")

    def add(self, data: bytes) -> None:
        """Take more."""
        self._data += data
        excess = len(self._data) - self._KEPT
        if excess > 0:
            del self._data[:excess]
            self._dropped += excess
