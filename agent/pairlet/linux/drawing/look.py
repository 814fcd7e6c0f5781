"""What a terminal can show: colours or none, and on which background."""

from collections.abc import Mapping

from .canvas import ADDRESS, BAD, FAINT, GOOD, PLAIN, QR, QR_EDGE, STRONG, WARN

RESET = "0"  # SGR: all attributes off (ECMA-48 section 8.3.117)

# Intensity is not a colour: https://no-color.org speaks of colours only.
_WITHOUT_COLOR = {
    PLAIN: "",
    STRONG: "1",
    ADDRESS: "1",
    FAINT: "2",
    GOOD: "1",
    BAD: "1",
    WARN: "1",
    QR: "",
    QR_EDGE: "",
}
_WITH_COLOR = {**_WITHOUT_COLOR, GOOD: "1;32", BAD: "1;31", WARN: "33"}

# Entries 16 and 231 of the 256 colours are black and white whatever theme rearranged the first sixteen.
_EXACT_QR = {QR: "38;5;16;48;5;231", QR_EDGE: "38;5;231"}
_BASIC_QR = {QR: "30;47", QR_EDGE: "37"}


class Look:
    """How styles are written on one terminal.

    `color`: whether colours are allowed. `exact`: whether it knows 256 colours. `light_background`:
    whether it writes dark on light; it matters only without colours, where the QR code has to be
    drawn in the terminal's own.
    """

    def __init__(self, *, color: bool = True, exact: bool = False, light_background: bool = False):
        self.color = color
        self.light_background = light_background
        self._codes = _WITHOUT_COLOR
        if color:
            self._codes = {**_WITH_COLOR, **(_EXACT_QR if exact else _BASIC_QR)}

    def code(self, style: str) -> str:
        """The SGR parameters of `style`, "" for none. They count from a reset state."""
        return self._codes[style]


def look_from(environ: Mapping[str, str]) -> Look:
    """What the environment tells: NO_COLOR, TERM, COLORTERM, and COLORFGBG where the terminal sets it."""
    exact = "256color" in environ.get("TERM", "") or bool(environ.get("COLORTERM"))
    # "15;0" or "15;default;0": foreground, background. 7 and 15 are the light ones of the sixteen.
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return Look(
        color=not environ.get("NO_COLOR"),
        exact=exact,
        light_background=background in ("7", "15"),
    )
