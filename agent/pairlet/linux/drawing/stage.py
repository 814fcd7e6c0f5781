"""One terminal's share of a display's memory: what was shown, and what to write to show the next screen."""

from ...core.screen import CODE, SIGN_IN, Screen
from .lines import PlainLines
from .look import Look
from .painter import Painter
from .picture import compose

# Shows, about as many seconds: something else may have written over the picture, or the person may
# have switched the terminal at the end of the serial line on only now.
_REPAINT_AFTER = 60

RESTORE = "\x1b[0m\x1b[?25h"


class Stage:
    """Turns screens into bytes for a terminal: pictures, or plain lines where none would fit."""

    def __init__(self, look: Look):
        self._look = look
        self._painter = Painter(look)
        self._lines = PlainLines()
        self._page: tuple[str, ...] | None = None  # what must not be painted over; None before the first
        self._drawn = False  # whether a picture, not lines, is on the screen
        self._size = (0, 0)
        self._shows = 0

    def repaint(self) -> None:
        """The terminal may not show what was written: write everything with the next screen."""
        self._painter.forget()

    def text_for(self, screen: Screen, columns: int, rows: int) -> str:
        """What to write to a terminal of that size so that it shows `screen`; "" if it does already."""
        self._shows += 1
        if self._shows % _REPAINT_AFTER == 0 or self._size != (columns, rows):
            self._painter.forget()
        self._size = (columns, rows)
        # One row stays free for the cursor, and for the prompt of the shell afterwards.
        canvas = compose(screen, columns, rows - 1, self._look)
        if canvas is None:
            return self._lines_for(screen, rows)
        turn = self._turn_page(screen, rows)
        self._drawn = True
        return turn + self._painter.frame(canvas)

    def _turn_page(self, screen: Screen, rows: int) -> str:
        """Neither a code nor what was there before the first screen is painted over by what comes next."""
        shown = (CODE, SIGN_IN)
        page = (screen.user_code, screen.verification_uri) if screen.kind in shown else ()
        if page == self._page and self._drawn:
            return ""
        keep = self._page is None or bool(self._page) or not self._drawn
        self._page = page
        return self._painter.scroll_away(rows) if keep else ""

    def _lines_for(self, screen: Screen, rows: int) -> str:
        start = self._painter.scroll_away(rows) if self._drawn else ""
        self._drawn = False
        return start + self._lines.text_for(screen, "\r\n")
