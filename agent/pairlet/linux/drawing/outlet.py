"""Where a display's bytes go, without ever holding up the agent.

A terminal whose person pressed Ctrl-S, an SSH session that stalls, a slow serial line: a plain
write() would wait for them, and the agent would stop polling. So bytes that are not taken wait here.
"""

import contextlib
import os
import select
import stat
from typing import TextIO

# Fits into what poll() promises to be free in a pipe (PIPE_BUF, 4096 bytes), four bytes a character.
_PIECE = 1000
_MOST_WAITING = 256 * 1024  # bytes; far more than one picture
_LAST_CHANCE_MS = 500


class DescriptorOutlet:
    """Writes to a non-blocking file descriptor, which stays the caller's."""

    def __init__(self, descriptor: int, encoding: str = "utf-8"):
        self._descriptor = descriptor
        self._encoding = encoding
        self._waiting = b""
        self.gone = False  # whether the other end is: nothing is written any more

    def ready(self) -> bool:
        """Hand on what waits; whether it was all taken, so that there is a point in drawing more."""
        while self._waiting and not self.gone:
            try:
                taken = os.write(self._descriptor, self._waiting)
            except BlockingIOError:
                return False
            except OSError:
                self.gone = True
            else:
                self._waiting = self._waiting[taken:]
        return not self.gone

    def write(self, text: str) -> bool:
        """Write `text`, now or as soon as it is taken; False if it is dropped. Raises nothing."""
        if self.gone or len(self._waiting) > _MOST_WAITING:
            return False
        self._waiting += text.encode(self._encoding, "replace")
        self.ready()
        return not self.gone

    def close(self) -> None:
        """Give what waits half a second more, then let it go."""
        poll = select.poll()
        with contextlib.suppress(OSError):
            poll.register(self._descriptor, select.POLLOUT)
            before = -1
            while self._waiting and before != len(self._waiting) and poll.poll(_LAST_CHANCE_MS):
                before = len(self._waiting)
                self.ready()
        self._waiting = b""
        self.gone = True


class StreamOutlet:
    """Writes to a text stream that may be a terminal, a pipe, a file or a program's own object.

    For a terminal it opens a second, non-blocking description of its own: making the stream itself
    non-blocking would do the same to every process that shares it.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.gone = False
        self._poll: select.poll | None = None
        self._own: DescriptorOutlet | None = None
        self._own_descriptor: int | None = None
        descriptor = descriptor_of(stream)
        if descriptor is not None:
            self._open(descriptor)

    def _open(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        with contextlib.suppress(OSError):  # not ours to open, as after su: the stream itself has to do
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                self._own_descriptor = os.open(os.ttyname(descriptor), flags)
                self._own = DescriptorOutlet(self._own_descriptor, self.encoding)

    def ready(self) -> bool:
        """Whether there is a point in drawing: the other end is there and has taken what it was given."""
        if self.gone:
            return False
        if self._own is not None:
            ready = self._own.ready()
            self.gone = self._own.gone
            return ready
        if self._poll is None:
            return True
        try:
            events = self._poll.poll(0)
        except OSError:
            events = [(0, select.POLLNVAL)]
        self.gone = any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in events)
        return bool(events) and not self.gone

    def write(self, text: str) -> bool:
        """Write `text`; False if some of it was dropped, as it would have meant waiting. Raises nothing."""
        try:
            if self._own is not None:
                self._stream.flush()  # what the program itself wrote before comes first
                written = self._own.write(text)
                self.gone = self._own.gone
                return written
            fit = text.encode(self.encoding, "replace").decode(self.encoding)
            for start in range(0, len(fit), _PIECE):
                if not self.ready():
                    return False
                self._stream.write(fit[start : start + _PIECE])
                self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.gone = True
        return not self.gone

    def close(self) -> None:
        """Let go of the stream, which stays open: it is the caller's."""
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._own_descriptor is not None:
            os.close(self._own_descriptor)
            self._own_descriptor = None
        self.gone = True


def descriptor_of(stream: TextIO) -> int | None:
    """The file descriptor below `stream`, or None if there is none."""
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):  # io.UnsupportedOperation is an OSError
        return None
