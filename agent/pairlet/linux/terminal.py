"""The display on a terminal that can be drawn on: a virtual console, a TV, an SSH session."""

import os
from collections.abc import Callable
from typing import TextIO

from ..core.screen import Screen
from .drawing.look import Look
from .drawing.outlet import StreamOutlet, descriptor_of
from .drawing.stage import RESTORE, Stage

_DEFAULT_SIZE = (80, 24)  # (columns, rows): a serial console doesn't know its own


class TerminalDisplay:
    """The port Display on a terminal that knows UTF-8 and ECMA-48 codes.

    No alternate screen is used: what was there before, and the code afterwards, stay in the scroll-back.
    The size is read at every show, so that a resized window is laid out anew within a second. When the
    terminal has gone away the display falls silent; when it is held up (Ctrl-S, a stalled connection)
    screens are skipped until it takes bytes again. The agent never waits for it.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        look: Look | None = None,
        size: Callable[[], tuple[int, int]] | None = None,
    ):
        """`size` gives (columns, rows); without it, the terminal below `stream` is asked."""
        self._stream = stream
        self._size = size or self._ask_size
        self._outlet = StreamOutlet(stream)
        self._stage = Stage(look or Look())
        self._drawn = False

    def show(self, screen: Screen) -> None:
        """Draw what has changed since the last screen. Raises nothing."""
        if not self._outlet.ready():
            return
        text = self._stage.text_for(screen, *self._size())
        if text:
            self._drawn = True
            if not self._outlet.write(text):
                self._stage.repaint()

    def close(self) -> None:
        """Leave the cursor visible, below the picture, and the colours as they were."""
        if self._drawn and self._outlet.ready():
            self._outlet.write(RESTORE)
        self._drawn = False
        self._outlet.close()

    def _ask_size(self) -> tuple[int, int]:
        descriptor = descriptor_of(self._stream)
        try:
            columns, rows = os.get_terminal_size(descriptor if descriptor is not None else -1)
        except OSError:
            return _DEFAULT_SIZE
        return (columns or _DEFAULT_SIZE[0], rows or _DEFAULT_SIZE[1])
