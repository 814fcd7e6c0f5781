"""From canvas to bytes for a terminal: only what has changed, in ECMA-48 codes that a VT100 knows.

Used: CUP (H), ED (J), EL (K), SGR (m), and DECTCEM (?25h, ?25l) which later terminals have and a
VT100 passes over.
"""

from .canvas import BLANK, Canvas, Cell
from .look import RESET, Look

_ESC = "\x1b["
_HIDE_CURSOR = _ESC + "?25l"
_SHOW_CURSOR = _ESC + "?25h"


class Painter:
    """Knows what one terminal shows, and writes what it takes to show something else.

    It starts with not knowing anything. The cursor is hidden within a frame only, and rests below
    the picture: whatever ends the process between two frames leaves a terminal that is fit for use.
    """

    def __init__(self, look: Look):
        self._look = look
        self._shown: list[list[Cell]] | None = None

    def forget(self) -> None:
        """Take nothing for granted: the next frame writes every row (and blanks none first: no flicker)."""
        self._shown = None

    def scroll_away(self, rows: int) -> str:
        """Start with a blank screen: what is above the cursor moves into the scroll-back, `rows` rows."""
        self._shown = None
        return _ESC + RESET + "m" + _ESC + "J" + "\r\n" * rows

    def frame(self, canvas: Canvas) -> str:
        """What turns what is shown into `canvas`; "" if that is nothing."""
        size = (len(canvas.rows), canvas.columns)
        shown = self._shown
        if shown is not None and (len(shown), len(shown[0])) != size:
            shown = None
        changes = "".join(self._row(canvas, number, shown) for number in range(size[0]))
        self._shown = [list(row) for row in canvas.rows]
        if not changes:
            return ""
        below = _position(canvas.used_rows(), 0)  # a canvas leaves the last row of the terminal free
        return _HIDE_CURSOR + changes + _ESC + RESET + "m" + below + _SHOW_CURSOR

    def _row(self, canvas: Canvas, number: int, shown: list[list[Cell]] | None) -> str:
        """The changes in one row, or in one row and those that it flows into."""
        if number and canvas.flows(number - 1):
            return ""  # written together with the row that flows into this one
        last = number
        while canvas.flows(last):
            last += 1
        if last > number:
            group = range(number, last + 1)
            if shown is not None and all(shown[row] == canvas.rows[row] for row in group):
                return ""
            # No cursor movement in between: that is what tells the terminal that the rows are one line.
            whole = [cell for row in group for cell in canvas.rows[row]]
            return _position(number, 0) + self._cells(whole, erase=True)
        return self._single_row(number, canvas.rows[number], None if shown is None else shown[number])

    def _single_row(self, number: int, new: list[Cell], old: list[Cell] | None) -> str:
        if old is None:
            return _position(number, 0) + self._cells(new, erase=True)
        changed = [column for column, cell in enumerate(new) if cell != old[column]]
        if not changed:
            return ""
        first, last = changed[0], changed[-1]
        rest = all(cell == BLANK for cell in new[last + 1 :])
        return _position(number, first) + self._cells(new[first : last + 1], erase=rest)

    def _cells(self, row: list[Cell], *, erase: bool) -> str:
        """`row` as text and SGR codes; with `erase`, blanks at its end as one EL."""
        end = len(row)
        if erase:
            while end and row[end - 1] == BLANK:
                end -= 1
        pieces = [_ESC, RESET, "m"]
        style = ""
        for text, cell_style in row[:end]:
            if cell_style != style:
                code = self._look.code(cell_style)
                if code != self._look.code(style):
                    pieces.append(_ESC + RESET + (";" + code if code else "") + "m")
                style = cell_style
            pieces.append(text)
        if end < len(row):
            pieces.append(_ESC + RESET + "m" + _ESC + "K")
        return "".join(pieces)


def _position(row: int, column: int) -> str:
    return "%s%d;%dH" % (_ESC, row + 1, column + 1)
