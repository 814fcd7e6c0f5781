"""A terminal display in memory, and the screens and questions that its tests share."""

import io
from typing import Any

import zxingcpp
from pairlet.core.screen import CODE, DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED, Screen
from pairlet.linux.drawing.look import Look
from pairlet.linux.terminal import TerminalDisplay
from support.vt100 import Color, Terminal

QR_CODE = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
ADDRESS = "https://example.com/device"
COMPLETE = "https://example.com/device?user_code=WDJB-MJHT"
SIZES = [(80, 24), (120, 40), (40, 12), (20, 24), (60, 40), (240, 67)]
KINDS = [STARTING, UNPAIRED, CODE, PAIRED, DENIED, EXPIRED, RUNNING, TROUBLE]


def code_screen(**changes: Any) -> Screen:
    """A code of RFC 8628 section 3.2 with 14:32 to go, but for `changes` (fields of Screen)."""
    fields: dict[str, Any] = {
        "user_code": "WDJB-MJHT",
        "verification_uri": ADDRESS,
        "verification_uri_complete": COMPLETE,
        "remaining_s": 872,
    }
    return Screen(CODE, **{**fields, **changes})


class Drawn:
    """A display on a stream of its own, and the terminal that shows what it wrote."""

    def __init__(self, columns: int = 80, rows: int = 24, look: Look | None = None):
        self.size = (columns, rows)
        self.terminal = Terminal(columns, rows)
        self._stream = io.StringIO()
        self.display = TerminalDisplay(self._stream, look=look or Look(exact=True), size=lambda: self.size)

    def show(self, screen: Screen) -> str:
        """Show `screen`; return what was written."""
        self.display.show(screen)
        return self.taken()

    def close(self) -> str:
        """Close the display; return what was written."""
        self.display.close()
        return self.taken()

    def taken(self) -> str:
        """What was written since the last time; from now on it is on the terminal."""
        written = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        self.terminal.feed(written)
        return written


def read_qr(
    terminal: Terminal, *, ink: Color = (200, 200, 200), paper: Color, invert: bool = False
) -> list[str]:
    """Every QR code that a decoder finds in the pixels; `invert`: also one that is light on dark."""
    image = terminal.picture(ink=ink, paper=paper)
    found = zxingcpp.read_barcodes(image, QR_CODE, try_invert=invert)
    return [barcode.text for barcode in found]
