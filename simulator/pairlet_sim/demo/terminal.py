"""The terminal below the live picture: it holds nobody up, may go away, and loses no part of a picture."""

import contextlib
import os
import termios
from collections.abc import Iterator
from typing import TextIO

from pairlet.linux.drawing.outlet import StreamOutlet, descriptor_of

_LOCAL = 3  # the local modes, in what termios.tcgetattr gives
_MODES = termios.ECHO | termios.NOFLSH  # show what is typed; keep all output when a key is a signal


class Terminal:
    """What rich takes for a file. It never raises; after Ctrl-S it is not `ready` until Ctrl-Q."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._outlet = StreamOutlet(stream)
        self.encoding = stream.encoding

    @property
    def ready(self) -> bool:
        """Whether everything was taken, so that there is a point in drawing more."""
        return self._outlet.ready()

    def write(self, text: str) -> int:
        """Write, now or as soon as the terminal takes it."""
        self._outlet.write(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self) -> None:
        """Give what was written half a second more. The stream itself stays open."""
        self._outlet.close()

    def isatty(self) -> bool:
        """As the stream has it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """As the stream has it."""
        return self._stream.fileno()


@contextlib.contextmanager
def terminal_of(stream: TextIO) -> Iterator[Terminal]:
    """The terminal that `stream` is. While it is entered, nothing that is typed disturbs the picture.

    Otherwise the kernel puts "^C" into the middle of it, perhaps of a character, and throws away what the
    terminal has not drawn yet.
    """
    terminal = Terminal(stream)
    before = _set_modes(stream, termios.NOFLSH)
    try:
        yield terminal
    finally:
        terminal.close()
        if before is not None:
            _set_modes(stream, before)


def _set_modes(stream: TextIO, modes: int) -> int | None:
    """Set those of _MODES that are in `modes` and clear the others; what was set before, None on failure."""
    descriptor = descriptor_of(stream)
    try:
        # A process in the background is stopped when it changes a terminal; and what is typed is not for it.
        if descriptor is None or os.tcgetpgrp(descriptor) != os.getpgrp():
            return None
        attributes = termios.tcgetattr(descriptor)
        before: int = attributes[_LOCAL]
        attributes[_LOCAL] = before & ~_MODES | modes
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except (OSError, termios.error):
        return None
    return before & _MODES
