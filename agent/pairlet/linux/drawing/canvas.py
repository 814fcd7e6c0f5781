"""A grid of character cells, and text that is safe and measured to be put on it."""

import functools
import unicodedata
from collections.abc import Sequence

from ...core.text import clean

# What a cell can look like. The painter turns these into escape codes, or into nothing.
PLAIN = ""
STRONG = "strong"
ADDRESS = "address"  # strong, and where it fills a row it flows into the next one
FAINT = "faint"
GOOD = "good"
BAD = "bad"
WARN = "warn"
QR = "qr"  # dark ink on light paper, whatever the terminal's own colours are
QR_EDGE = "qr_edge"  # light ink on the terminal's background: half a row of paper

# A cell is (text, style). A character two cells wide leaves ("", style) in the second one.
Cell = tuple[str, str]
BLANK: Cell = (" ", PLAIN)

# No address or message comes near this; what does is an attack on the terminal's patience.
_LONGEST_TEXT = 8192
_MARKS_PER_CELL = 2


def drawable(text: str) -> str:
    """`text` on one line, with nothing in it that could steer a terminal.

    The core cleans what servers send; this is the last line of defence. Every character of Unicode's
    groups C (control, format, surrogate, private, unassigned) and Z (but the space) goes, too.
    """
    return "".join(filter(_is_drawable, unicodedata.normalize("NFC", clean(text, _LONGEST_TEXT))))


def _is_drawable(character: str) -> bool:
    if character == " ":
        return True
    return unicodedata.category(character)[0] not in "CZ" and not _has_no_shape(character)


def _has_no_shape(character: str) -> bool:
    """Whether a character that Unicode calls a letter or a mark draws nothing or changes another's width."""
    code = ord(character)
    return (
        0xFE00 <= code <= 0xFE0F  # variation selectors turn narrow characters into wide ones
        or 0xE0100 <= code <= 0xE01EF
        or 0x1160 <= code <= 0x11FF  # Hangul vowels that no syllable took up: terminals differ on their width
        or code in (0x034F, 0x115F, 0x17B4, 0x17B5, 0x3164, 0xFFA0)  # fillers
    )


@functools.lru_cache(maxsize=512)  # of a picture that is laid out anew every second, only the time is new
def cells(text: str, style: str = PLAIN) -> tuple[Cell, ...]:
    """`text` as the cells it takes up in a terminal. What can't be drawn is left out, spaces stay."""
    row: list[Cell] = []
    marks = 0
    for character in filter(_is_drawable, text):
        if unicodedata.category(character) in ("Mn", "Me"):
            # A mark goes on top of the character before it; a tower of marks would reach into other rows.
            place = len(row) - 1
            while place >= 0 and row[place][0] == "":
                place -= 1
            if place >= 0 and marks < _MARKS_PER_CELL:
                row[place] = (row[place][0] + character, style)
                marks += 1
            continue
        marks = 0
        row.append((character, style))
        if _size(character) == 2:
            row.append(("", style))
    return tuple(row)


def _size(character: str) -> int:
    """How many cells a character takes up, marks on it or not."""
    return 2 if unicodedata.east_asian_width(character[0]) in ("W", "F") else 1


def width(text: str) -> int:
    """How many cells `text` takes up."""
    return len(cells(text))


def wrap(text: str, columns: int) -> list[str]:
    """`text` in lines of at most `columns` cells (2 or more), broken between words where possible."""
    lines: list[str] = []
    line = ""
    for word in drawable(text).split(" "):
        joined = line + " " + word if line else word
        if width(joined) <= columns:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = chop(word, columns)
        lines.extend(full)
    return [*lines, line] if line else lines


def chop(text: str, columns: int) -> list[str]:
    """`text` cut into pieces of at most `columns` cells (2 or more); at least one piece, perhaps empty."""
    pieces = [""]
    used = 0
    for character, _ in cells(text):
        if not character:
            continue  # the second half of a wide one
        size = _size(character)
        if used + size > columns:
            pieces.append("")
            used = 0
        pieces[-1] += character
        used += size
    return pieces


class Canvas:
    """`rows` by `columns` cells, blank at first."""

    def __init__(self, columns: int, rows: int):
        self.columns = columns
        self.rows = [[BLANK] * columns for _ in range(rows)]

    def put(self, row: int, column: int, content: Sequence[Cell]) -> None:
        """Write `content` into `row` from `column` on. What lies outside is a fault of the layout."""
        if not (row in range(len(self.rows)) and column in range(self.columns - len(content) + 1)):
            raise IndexError("outside the canvas")
        self.rows[row][column : column + len(content)] = content

    def flows(self, row: int) -> bool:
        """Whether `row` is filled by an address that goes on in the next row.

        The painter lets the terminal wrap there by itself, so that the address comes out in one piece
        when a person copies it.
        """
        if row + 1 >= len(self.rows) or self.rows[row + 1][0][1] != ADDRESS:
            return False
        return all(style == ADDRESS for _, style in self.rows[row])

    def used_rows(self) -> int:
        """How many rows, from the top, hold anything."""
        used = 0
        for number, row in enumerate(self.rows, 1):
            if any(cell != BLANK for cell in row):
                used = number
        return used
