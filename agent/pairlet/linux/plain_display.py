"""The display for a log, a pipe or a terminal that can't be drawn on: plain lines."""

from typing import TextIO

from ..core.screen import Screen
from .drawing.lines import PlainLines
from .drawing.outlet import StreamOutlet


class PlainDisplay:
    """The port Display as lines of text on `stream`; no escape codes, no QR code.

    A character that the stream's encoding lacks becomes "?". When nobody reads any more (a broken pipe,
    a closed stream), it falls silent; while the reader takes nothing, screens are skipped.
    """

    def __init__(self, stream: TextIO):
        self._outlet = StreamOutlet(stream)
        self._lines = PlainLines()

    def show(self, screen: Screen) -> None:
        """Write a line if there is something new to say. Raises nothing."""
        if self._outlet.ready():
            self._outlet.write(self._lines.text_for(screen, "\n"))

    def close(self) -> None:
        """Let go of the stream."""
        self._outlet.close()
