"""A terminal in memory: it takes the very bytes a display writes and knows what a person then sees.

It is stricter than a real one: a sequence that a display has no business to send raises StrangeSequence.
Enough of ECMA-48 for Pairlet's displays: CUP, ED 0, EL 0, SGR, DECTCEM, autowrap with the pending
wrap of a VT100, scrolling with scroll-back, wide characters.
"""

import unicodedata
from typing import NamedTuple

from PIL import Image

Color = tuple[int, int, int]
BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
_BASIC = {30: BLACK, 31: (205, 0, 0), 32: (0, 205, 0), 33: (205, 205, 0), 37: (229, 229, 229)}
_CUBE = {16: BLACK, 231: WHITE}


class StrangeSequence(AssertionError):
    """The display sent something that this terminal does not know, or that no display should send."""


class Style(NamedTuple):
    """Attributes of a cell; None is the terminal's own colour."""

    ink: Color | None = None
    paper: Color | None = None
    bold: bool = False
    faint: bool = False


class Cell(NamedTuple):
    """One cell; text is "" in the second half of a wide character."""

    text: str = " "
    style: Style = Style()


class Terminal:
    """A terminal of `columns` by `rows`. Feed it, then look at it."""

    def __init__(self, columns: int = 80, rows: int = 24):
        self.columns = columns
        self.row_count = rows
        self.rows = [self._blank() for _ in range(rows)]
        self.scrolled: list[list[Cell]] = []  # what left the screen at the top
        self.soft_wraps: set[int] = set()  # rows of the screen that the terminal wrapped by itself
        self.row = self.column = 0
        self.cursor_visible = True
        self.style = Style()
        self.colors_used = False
        self.printed = 0  # characters, since the last reset by a test
        self._pending_wrap = False
        self._escape = ""
        self._bytes = b""

    def _blank(self) -> list[Cell]:
        return [Cell()] * self.columns

    def feed(self, data: bytes | str) -> None:
        """Take bytes (UTF-8, perhaps cut in a character) or text."""
        if isinstance(data, bytes):
            data, self._bytes = _decode(self._bytes + data)
        for character in data:
            self._take(character)

    def _take(self, character: str) -> None:
        if self._escape and character != "\x1b":  # an ESC within a sequence begins a new one
            self._escape += character
            if self._escape == "\x1b" + character:
                if character != "[":
                    raise StrangeSequence(repr(self._escape))
            elif "@" <= character <= "~":
                sequence, self._escape = self._escape, ""
                self._control(sequence[2:-1], character)
        elif character == "\x1b":
            self._escape = character
        elif character == "\r":
            self.column, self._pending_wrap = 0, False
        elif character == "\n":
            self._line_feed()
        elif unicodedata.category(character).startswith("C"):
            raise StrangeSequence(repr(character))
        else:
            self._print(character)

    def _control(self, parameters: str, final: str) -> None:
        if final == "H":
            row, column = (int(number) for number in parameters.split(";"))
            if not (1 <= row <= self.row_count and 1 <= column <= self.columns):
                raise StrangeSequence("cursor to %d;%d" % (row, column))
            self.row, self.column, self._pending_wrap = row - 1, column - 1, False
        elif final == "J" and parameters == "":
            self._erase_line()
            for row in range(self.row + 1, self.row_count):
                self.rows[row] = self._blank()
        elif final == "K" and parameters == "":
            self._erase_line()
        elif final == "m":
            self._select(parameters)
        elif parameters == "?25" and final in "hl":
            self.cursor_visible = final == "h"
        else:
            raise StrangeSequence(repr(parameters + final))

    def _select(self, parameters: str) -> None:
        numbers = [int(number) for number in parameters.split(";")]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                self.style = Style()
            elif number == 1:
                self.style = self.style._replace(bold=True)
            elif number == 2:
                self.style = self.style._replace(faint=True)
            else:
                self.colors_used = True
                self._color(number, numbers)

    def _color(self, number: int, rest: list[int]) -> None:
        if number in (38, 48):
            if rest.pop(0) != 5:
                raise StrangeSequence("a colour that is not one of 256")
            color = _CUBE[rest.pop(0)]
        else:
            color = _BASIC[number if number < 40 else number - 10]
        if number == 38 or number < 40:
            self.style = self.style._replace(ink=color)
        else:
            self.style = self.style._replace(paper=color)

    def _erase_line(self) -> None:
        if self._pending_wrap:
            raise StrangeSequence("erases at the right edge, where terminals differ")
        self.rows[self.row][self.column :] = [Cell()] * (self.columns - self.column)

    def _print(self, character: str) -> None:
        self.printed += 1
        if unicodedata.category(character) in ("Mn", "Me"):
            before = max(0, self.column - (0 if self._pending_wrap else 1))
            self.rows[self.row][before] = self.rows[self.row][before]._replace(
                text=self.rows[self.row][before].text + character
            )
            return
        size = 2 if unicodedata.east_asian_width(character) in ("W", "F") and self.columns > 1 else 1
        if self._pending_wrap or self.column + size > self.columns:
            self.soft_wraps.add(self.row)
            self.column, self._pending_wrap = 0, False
            self._line_feed()
        self.rows[self.row][self.column] = Cell(character, self.style)
        if size == 2:
            self.rows[self.row][self.column + 1] = Cell("", self.style)
        self.column += size
        if self.column == self.columns:
            self.column, self._pending_wrap = self.columns - 1, True

    def _line_feed(self) -> None:
        self._pending_wrap = False
        if self.row < self.row_count - 1:
            self.row += 1
            return
        self.scrolled.append(self.rows.pop(0))
        self.rows.append(self._blank())
        self.soft_wraps = {row - 1 for row in self.soft_wraps if row}

    def lines(self) -> list[str]:
        """What is on the screen, row by row, without blanks at the ends."""
        return [_text(row) for row in self.rows]

    def text(self) -> str:
        """The screen as a person would copy it: rows that the terminal wrapped itself are one line."""
        pieces = []
        for number, row in enumerate(self.rows):
            pieces.append(_text(row) + ("" if number in self.soft_wraps else "\n"))
        return "".join(pieces)

    def history(self) -> str:
        """The scroll-back."""
        return "\n".join(_text(row) for row in self.scrolled)

    def picture(self, *, ink: Color = (200, 200, 200), paper: Color = BLACK, cell: int = 8) -> Image.Image:
        """The screen in pixels, `cell` wide and twice as high a cell; letters are grey boxes."""
        image = Image.new("RGB", (self.columns * cell, self.row_count * 2 * cell), paper)
        for number, row in enumerate(self.rows):
            for column, (text, style) in enumerate(row):
                fore, back = style.ink or ink, style.paper or paper
                upper, lower = _halves(text, fore, back)
                left, top = column * cell, number * 2 * cell
                image.paste(upper, (left, top, left + cell, top + cell))
                image.paste(lower, (left, top + cell, left + cell, top + 2 * cell))
        return image


def _halves(text: str, fore: Color, back: Color) -> tuple[Color, Color]:
    """The colours of a cell's upper and lower half."""
    blocks = {" ": (back, back), "": (back, back), "▀": (fore, back), "▄": (back, fore), "█": (fore, fore)}
    if text in blocks:
        return blocks[text]
    middle = tuple((one + other) // 2 for one, other in zip(fore, back, strict=True))
    return (middle[0], middle[1], middle[2]), back


def _text(row: list[Cell]) -> str:
    return "".join(cell.text for cell in row).rstrip()


def _decode(data: bytes) -> tuple[str, bytes]:
    """As much of `data` as is whole characters, and the rest."""
    for cut in range(min(4, len(data) + 1)):
        try:
            return data[: len(data) - cut].decode(), data[len(data) - cut :]
        except UnicodeDecodeError:
            continue
    raise StrangeSequence("not UTF-8")
