"""How far it is: a bar at a terminal, a line for every quarter elsewhere."""

from typing import TextIO

_WIDTH = 30


class ProgressBar:
    """Draws on `stream` while bytes go to the board; a stream that nobody reads any more is left alone."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._live = stream.isatty()
        self._what = ""
        self._total = self._done = 0
        self._shown = -1

    def begin(self, what: str, total: int) -> None:
        """`total` bytes of `what` are on their way."""
        self._what, self._total, self._done, self._shown = what, total, 0, -1
        self._show()

    def add(self, size: int) -> None:
        """`size` bytes more have arrived."""
        self._done += size
        self._show()

    def end(self) -> None:
        """All have arrived, or no more will come."""
        if self._live and self._shown >= 0:
            self._write("\n")
        self._shown = -1

    def _show(self) -> None:
        percent = min(100, 100 * self._done // self._total) if self._total else 100
        step = percent if self._live else percent // 25 * 25
        if step == self._shown:
            return
        self._shown = step
        amount = f"{self._done / 1024:.0f} of {self._total / 1024:.0f} KB"
        if self._live:
            full = _WIDTH * percent // 100
            bar = "#" * full + "." * (_WIDTH - full)
            self._write(f"\r{self._what} [{bar}] {percent:3} % {amount} ")
        else:
            self._write(f"{self._what}: {step} %, {amount}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._shown = -1
