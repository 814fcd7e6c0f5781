"""The portable tests' model of an SSD1306 panel, for tests that run on CPython alone.

It stands among the portable tests, which import by name what lies beside them, framebuf among it.
"""

import sys
from pathlib import Path
from typing import Any

import zxingcpp
from pairlet.core.screen import CODE, Screen
from PIL import Image

PORTABLE = Path(__file__).resolve().parents[1] / "portable"
if str(PORTABLE) not in sys.path:
    sys.path.insert(0, str(PORTABLE))

import panel as model  # noqa: E402

_QR_CODE = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
_BEZEL = 8  # dark pixels around the panel: the glass has an edge


def new_panel(height: int) -> Any:
    """A panel of 128 by `height` pixels, which a test can take the cable from (`gone`)."""
    return model.Panel(128, height)


class Watched:
    """A display on a panel, and a person who has the patience to wait for all of its pages."""

    def __init__(self, display: Any, panel: Any):
        self._display = display
        self._panel = panel
        self._screen: Screen | None = None

    def show(self, screen: Screen) -> None:
        """Show, and remember what."""
        self._screen = screen
        self._display.show(screen)

    def close(self) -> None:
        """Close the display."""
        self._display.close()

    def sees(self, text: str) -> bool:
        """Whether `text` can be read on the panel, now or within the next minute of a countdown."""
        screen = self._screen
        for _ in range(60):
            if self._reads(text):
                return True
            if screen is None or screen.kind != CODE:
                return False
            screen.remaining_s -= 1
            self._display.show(screen)
        return False

    def _reads(self, text: str) -> bool:
        panel = self._panel
        small = model.small_lines(panel)
        tall = [model.tall_line(panel, top) for top in range(0, panel.height - 15, 8)]
        if text in " ".join(small) or text in "".join(small) or text in "".join(tall[::2]):
            return True
        if any(text in line for line in tall):
            return True
        tops = range(0, panel.height - 15, 8)
        return any(
            model.shows_large(panel, text, advance, 0, top)
            for top in tops
            for advance in (15, 16)
            if len(text) * advance <= panel.width + 16
        )


def photograph(ram: bytes, height: int, scale: int = 1) -> Image.Image:
    """A panel's memory as a camera sees it: pixels `scale` large, lit ones white, black glass around."""
    image = Image.new("L", (128 + 2 * _BEZEL, height + 2 * _BEZEL))
    for y in range(height):
        for x in range(128):
            if ram[128 * (y >> 3) + x] >> (y & 7) & 1:
                image.putpixel((_BEZEL + x, _BEZEL + y), 255)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def read_qr(image: Image.Image) -> list[Any]:
    """Every QR code that a decoder finds, dark on light only, as zxing-cpp's objects."""
    return [found for found in zxingcpp.read_barcodes(image, _QR_CODE, try_invert=False) if found.valid]
