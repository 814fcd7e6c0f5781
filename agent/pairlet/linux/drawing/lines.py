"""Screens as plain lines, for what can't be drawn on."""

from ...core.screen import CODE, Screen
from .words import OURS, reminder, sentence, validity

_REMIND_S = 60


class PlainLines:
    """Which lines to write for a sequence of screens: one for each change, and a reminder a minute."""

    def __init__(self) -> None:
        self._said = ""
        self._told_s = 0

    def text_for(self, screen: Screen, newline: str) -> str:
        """What there is to say now: one line that ends in `newline`, or ""."""
        said = sentence(screen)
        if said != self._said:
            self._said = said
            self._told_s = screen.remaining_s
            line = f"{said}. {validity(screen)}. {OURS}" if screen.kind == CODE else said
        elif screen.kind == CODE and self._told_s - screen.remaining_s >= _REMIND_S:
            self._told_s = screen.remaining_s
            line = reminder(screen)
        else:
            return ""
        return line + newline
