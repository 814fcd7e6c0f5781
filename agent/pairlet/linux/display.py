"""Which display the configuration asks for (`--display NAME`, `display.name`)."""

import codecs
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from ..core.errors import ConfigError
from ..core.screen import Screen

if TYPE_CHECKING:
    from ..ports import Display

NAMES = ("auto", "terminal", "plain", "serial", "none")


class NoDisplay:
    """The port Display for a device that shows nothing: `pairlet run` in the dark, or with --json only."""

    def show(self, screen: Screen) -> None:
        """Show nothing."""

    def close(self) -> None:
        """There is nothing to leave behind."""


def open_display(
    name: str,
    stream: TextIO,
    environ: Mapping[str, str],
    *,
    port: str | None = None,
    baudrate: int = 115200,
) -> "Display":
    """The display called `name`; `stream` is where text goes, `environ` describes its terminal.

    auto: a terminal if `stream` is one that can be drawn on, else plain lines. serial: on `port`.
    Raises ConfigError for a name that is none of NAMES, a terminal that can't show UTF-8, and a
    serial port that is missing, busy or not named.
    """
    # Imports late: a device has one display, and pays for that one.
    if name == "auto":
        name = "terminal" if _can_draw(stream, environ) else "plain"
    if name == "terminal":
        if not _is_utf8(stream):
            raise ConfigError(
                "the terminal's encoding is %s, not UTF-8" % getattr(stream, "encoding", None),
                "Set LC_ALL to a UTF-8 locale, as in LC_ALL=C.UTF-8, or use --display plain.",
            )
        from .drawing.look import look_from
        from .terminal import TerminalDisplay

        return TerminalDisplay(stream, look=look_from(environ))
    if name == "plain":
        from .plain_display import PlainDisplay

        return PlainDisplay(stream)
    if name == "serial":
        if not port:
            raise ConfigError("the serial display needs a port", "Set display.port, as in /dev/ttyUSB0.")
        from .drawing.look import look_from
        from .serial_display import SerialDisplay

        # TERM and COLORFGBG describe the terminal of whoever started the agent, not the one at the line.
        no_color = {key: environ[key] for key in ("NO_COLOR",) if key in environ}
        return SerialDisplay(port, baudrate, look=look_from(no_color))
    if name == "none":
        return NoDisplay()
    raise ConfigError(
        "there is no display called %r" % name, "Set --display to one of %s." % ", ".join(NAMES)
    )


def _can_draw(stream: TextIO, environ: Mapping[str, str]) -> bool:
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):  # ValueError: the stream is closed
        return False
    return terminal and environ.get("TERM", "") not in ("", "dumb") and _is_utf8(stream)


def _is_utf8(stream: TextIO) -> bool:
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "").name == "utf-8"
    except LookupError:
        return False
