"""The board's serial console with a terminal at its other end: the code as a picture with a QR code.

Used of ECMA-48: CUP, ED, SGR, DECTCEM. What was written before stays in the scroll-back, and so does
the picture: everything but a code is a line below it.
"""

from pairlet.core.errors import ProtocolError
from pairlet.core.screen import CODE, countdown

from .console import ConsoleDisplay
from .words import chop, drawable, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pairlet.core.screen import Screen

    from .qr import QrCode

_QUIET = 2  # light modules around the QR code; a test reads it with these
_GAP = 3  # columns between the QR code and the text
_OPEN = "On your phone or computer, open"
_REPAINT_AFTER = 60  # shows: the terminal may have been plugged in only now
_RESTORE = "\x1b[0m\x1b[?25h"
# Dark modules are black and light ones white, whatever the colours of the terminal.
_DARK_INK, _RESET = "\x1b[0;30;47m", "\x1b[0m"
_BLOCKS = " \u2580\u2584\u2588"  # by dark modules: none, the upper, the lower, both
# Without half blocks a module is two characters; "#" is what a terminal without colours shows of it.
_WHITE, _BLACK = "\x1b[0;37;47m", "\x1b[0;30;40m"


class TerminalDisplay(ConsoleDisplay):
    """The port Display on a VT100 of `columns` by `rows`, or a program that is one.

    `write` as for ConsoleDisplay. `utf8`: it shows half blocks, and a QR code takes a quarter of the room.
    """

    def __init__(
        self,
        write: "Callable[[str], object] | None" = None,
        utf8: bool = True,
        columns: int = 80,
        rows: int = 24,
    ):
        super().__init__(write, utf8)
        self._columns = columns
        self._rows = rows - 1  # the last one stays free for the cursor
        self._picture = ""  # the code that is in the picture, if there is one
        self._message = ""
        self._clock_at = ""  # where the countdown stands: a CUP
        self._shows = 0

    def show(self, screen: "Screen") -> None:
        """Draw a code, or write what has changed. Raises nothing."""
        if screen.kind != CODE:
            self._picture = ""
            super().show(screen)
            return
        self._said = ""  # what comes next is new, even if it was said before the code
        self._shows += 1
        picture = screen.user_code + " " + screen.verification_uri + " " + screen.qr_text
        if picture == self._picture and screen.message == self._message and self._shows % _REPAINT_AFTER:
            if not self._put(self._clock_at + _clock(screen) + _position(self._rows, 0)):
                self._picture = ""
            return
        # The first picture of a code goes below what is there; a new message is painted over the old one.
        start = _position(0, 0) if picture == self._picture else _RESET + "\x1b[J" + "\n" * (self._rows + 1)
        self._picture, self._message = picture, screen.message
        if not self._put(start + "\x1b[?25l" + _position(0, 0) + "\x1b[J") or not self._draw(screen):
            self._picture = ""

    def close(self) -> None:
        """Leave the cursor visible and the colours as they were."""
        if self._picture:
            self._picture = ""
            self._put(_RESTORE)

    def _draw(self, screen: "Screen") -> bool:
        """Draw on an empty screen, line by line: in one piece it would be a quarter of a board's memory."""
        left = top = 0
        code = _encoded(screen.qr_text)
        wide, high = self._size(code)
        words = self._words(screen, self._columns - wide - _GAP) if code else None
        if words and max(len(words), high) <= self._rows:
            left = wide + _GAP
        else:
            words = self._words(screen, self._columns) or []
            top = len(words)
            if top + high > self._rows or wide > self._columns:
                code = None
        done = True
        if code:
            for number in range(high):
                line = self._qr_line(code, number)
                done = done and self._put(_position(top + number, 0) + line + _RESET)
        for number, line in enumerate(words[: self._rows]):
            at = _position(number, left)
            if line == "":
                self._clock_at = at
                line = _clock(screen)
            done = done and self._put(at + line)
        return done and self._put(_position(self._rows, 0) + "\x1b[?25h")

    def _size(self, code: "QrCode | None") -> "tuple[int, int]":
        """Columns and rows that the QR code takes with its quiet zone."""
        side = code.size + 2 * _QUIET if code else 0
        return (2 * side, side) if self._ascii else (side, (side + 1) // 2)

    def _words(self, screen: "Screen", columns: int) -> "list[str] | None":
        """The lines beside or above the QR code, "" for the countdown; None if the address is cut there."""
        # One less than there is room for: at the right edge terminals differ.
        columns -= 1
        address = drawable(screen.verification_uri, self._ascii)
        if columns + 1 < self._columns and columns < max(len(_OPEN), len(address)):
            return None
        words = wrap(_OPEN, columns) + chop(address, columns)
        words += ["and enter the code"] + chop(self._code(screen), columns) + [""]
        return words + wrap(drawable(screen.message, self._ascii), columns)

    def _qr_line(self, code: "QrCode", number: int) -> str:
        """One row of characters of the QR code."""
        line = before = "" if self._ascii else _DARK_INK
        for x in range(-_QUIET, code.size + _QUIET):
            if self._ascii:
                color, cell = (_BLACK, "  ") if code.get(x, number - _QUIET) else (_WHITE, "##")
                line += cell if color == before else color + cell
                before = color
            else:
                y = 2 * number - _QUIET
                line += _BLOCKS[code.get(x, y) + 2 * code.get(x, y + 1)]
        return line


def _encoded(text: str) -> "QrCode | None":
    from . import qr  # a board that is paired already never needs it

    try:
        return qr.encode(text)
    except ProtocolError:
        return None


def _clock(screen: "Screen") -> str:
    # The blank wipes out the last figure when there is one less.
    return "Valid for " + countdown(screen.remaining_s) + " "


def _position(row: int, column: int) -> str:
    return "\x1b[%d;%dH" % (row + 1, column + 1)
