"""Which display the agent would have, without drawing on it and without opening its port."""

import os
import stat
from collections.abc import Mapping
from typing import TextIO

from ...core.errors import ConfigError
from ..display import NoDisplay, open_display
from ..terminal import TerminalDisplay
from .report import OK, WARN, Finding

# Below that no code screen has a QR code beside its address.
_ROOM_FOR_QR = (80, 24)


def look_at_display(
    name: str, stream: TextIO, environ: Mapping[str, str], port: str, baudrate: int
) -> Finding:
    """What `name` comes to on this terminal; see open_display. Raises ConfigError."""
    if name == "serial" and port:
        return _look_at_port(port, baudrate)
    # None of the others does anything before it is shown a screen.
    display = open_display(name, stream, environ, port=port or None, baudrate=baudrate)
    display.close()
    if isinstance(display, NoDisplay):
        return Finding("display", OK, "none: codes are told with --json alone")
    if isinstance(display, TerminalDisplay):
        return _look_at_terminal(stream)
    return Finding("display", OK, "plain lines")


def _look_at_terminal(stream: TextIO) -> Finding:
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    words = (
        f"a terminal of {size.columns}x{size.lines}" if all(size) else "a terminal that does not say its size"
    )
    if all(size) and (size.columns < _ROOM_FOR_QR[0] or size.lines < _ROOM_FOR_QR[1]):
        advice = "Make it 80x24 or more: there may be no room for the QR code."
        return Finding("display", WARN, words, advice)
    return Finding("display", OK, words)


def _look_at_port(port: str, baudrate: int) -> Finding:
    """Opening it would reset some boards, and take it from an agent at work."""
    try:
        is_device = stat.S_ISCHR(os.stat(port).st_mode)
    except OSError as error:
        raise ConfigError(
            f"the serial display's port {port} can't be used: {(error.strerror or '').lower()}",
            "Plug it in, or correct display.port.",
        ) from None
    if not is_device:
        raise ConfigError(f"{port} is no serial port", "Correct display.port.")
    if not os.access(port, os.R_OK | os.W_OK):
        raise ConfigError(
            f"this user may not use the serial port {port}",
            "Add the agent's user to the port's group (often dialout), then sign in anew.",
        )
    return Finding("display", OK, f"serial, {port} at {baudrate} baud is there")
