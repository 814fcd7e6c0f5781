"""The core's screens on the board's serial console as plain lines."""

import sys

from pairlet.core.screen import CODE, countdown

from .words import TITLES, drawable, paragraphs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pairlet.core.screen import Screen

_REMIND_S = 60


class ConsoleDisplay:
    """The port Display in lines: one for each change, and a reminder a minute, as the agent has on Linux.

    `write` takes text (without it, the console's own does). When it can't (OSError, or ValueError for a
    stream that is closed), the display goes on. `utf8`: the other end knows more than ASCII.
    """

    def __init__(self, write: "Callable[[str], object] | None" = None, utf8: bool = False):
        self._write = write or sys.stdout.write
        self._ascii = not utf8
        self._said = ""
        self._told_s = 0

    def show(self, screen: "Screen") -> None:
        """Write a line if there is something new to say. Raises nothing."""
        said = self._sentence(screen)
        if said != self._said:
            self._said = said
            self._told_s = screen.remaining_s
            self._put(said + (". " + _valid(screen) if screen.kind == CODE else "") + "\n")
        elif screen.kind == CODE and self._told_s - screen.remaining_s >= _REMIND_S:
            self._told_s = screen.remaining_s
            self._put("The code " + self._code(screen) + " is v" + _valid(screen)[1:] + "\n")

    def close(self) -> None:
        """The console stays as it is."""

    def _put(self, text: str) -> bool:
        """Write; tell whether that worked."""
        try:
            self._write(text)
            return True
        except (OSError, ValueError):
            return False

    def _code(self, screen: "Screen") -> str:
        return drawable(screen.user_code, self._ascii)

    def _sentence(self, screen: "Screen") -> str:
        """The whole screen in one line, without the time that is left."""
        if screen.kind != CODE:
            texts = paragraphs(screen, self._ascii)
            rest = " ".join([text if text[-1] in ".!?" else text + "." for text in texts])
            title = TITLES.get(screen.kind, "")
            return title + ": " + rest if title and rest else title or rest
        address = drawable(screen.verification_uri, self._ascii)
        complete = drawable(screen.qr_text, self._ascii)
        said = "Open " + address + " and enter the code " + self._code(screen)
        if complete != address:
            # RFC 8628 section 3.3.1: besides the short address, never instead of it.
            said += " or open " + complete
        message = drawable(screen.message, self._ascii)
        return said + " (" + message + ")" if message else said


def _valid(screen: "Screen") -> str:
    return "Valid for " + countdown(screen.remaining_s)
