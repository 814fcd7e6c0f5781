"""The OLED controller SSD1306 on I2C: 128x64 and 128x32 pixels, drawn on through framebuf.

Commands by the names of the data sheet (Solomon Systech, SSD1306 rev 1.1, section 9). A page is a row
of bytes, each a column of eight pixels, the lowest bit on top: what framebuf calls MONO_VLSB.
"""

import framebuf
from pairlet.core.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COMMANDS = 0  # control bytes: what the bytes after them are
_DATA = 0x40
_DISPLAY_OFF = b"\xae"
_DISPLAY_ON = b"\xaf"
_BRIGHT, _DIM = b"\x81\xcf", b"\x81\x01"  # contrast control
# What power-on leaves wrong or open, and is the same for all panels.
_SETTINGS = (
    b"\xae"  # display off
    b"\x20\x00"  # memory addressing mode: horizontal
    b"\x40"  # display start line 0
    b"\xa1\xc8"  # segment re-map and COM output scan direction: upright
    b"\xd3\x00"  # display offset
    b"\xd5\x80"  # clock divide ratio and oscillator frequency
    b"\xd9\xf1"  # pre-charge period, for a supply made by the charge pump
    b"\xdb\x30"  # VCOMH deselect level
    b"\x8d\x14"  # charge pump on
    b"\xa4\xa6"  # show the RAM, not inverted
    b"\x2e"  # no scrolling
)


class Ssd1306(framebuf.FrameBuffer):
    """A panel: draw on it with framebuf's methods, then `show()`.

    `i2c`: a machine.I2C or SoftI2C. Raises ConfigError if nothing answers at `address`. Later, its
    methods raise OSError while the panel does not answer, and start it anew when it does again.
    """

    def __init__(self, i2c: "Any", width: int = 128, height: int = 64, address: int = 0x3C):
        self.width = width
        self.height = height
        self._i2c = i2c
        self._address = address
        self._started = False
        # The control byte goes in front of the pixels, so that they leave in one piece and no copy.
        self._bytes = memoryview(bytearray(1 + width * height // 8))
        super().__init__(self._bytes[1:], width, height, framebuf.MONO_VLSB)
        self.fill(0)
        try:
            self.show()
        except OSError:
            raise ConfigError(
                "no display answers at I2C address 0x%02x" % address,
                "Check the wires of the display (SDA, SCL, power) and its address.",
            ) from None

    def show(self, first_page: int = 0, last_page: "int | None" = None) -> None:
        """Send the pages from `first_page` to `last_page` (the last one of the panel) to the panel."""
        started = self._started
        if not started:
            # What it shows at power-on is noise: it is switched on with the first picture.
            # Multiplex ratio; COM pins: alternative on a high panel, sequential on a low one.
            pins = 0x12 if self.height > 32 else 0x02
            self._command(_SETTINGS + _BRIGHT + bytes([0xA8, self.height - 1, 0xDA, pins]))
        if last_page is None or not started:
            last_page = self.height // 8 - 1
            first_page = first_page if started else 0
        # Column address from, to; page address from, to.
        self._command(bytes([0x21, 0, self.width - 1, 0x22, first_page, last_page]))
        at = first_page * self.width
        below = self._bytes[at]
        self._bytes[at] = _DATA
        try:
            self._i2c.writeto(self._address, self._bytes[at : 1 + (last_page + 1) * self.width])
        finally:
            self._bytes[at] = below
        if not started:
            self._command(_DISPLAY_ON)
            self._started = True

    def dim(self, dimmed: bool) -> None:
        """Make the panel dark or bright: an OLED that shows the same for years burns in."""
        self._command(_DIM if dimmed else _BRIGHT)

    def close(self) -> None:
        """Switch the panel off."""
        self._command(_DISPLAY_OFF)
        self._started = False

    def _command(self, commands: bytes) -> None:
        try:
            self._i2c.writeto(self._address, bytes([_COMMANDS]) + commands)
        except OSError:
            self._started = False  # it may have lost its power, and with it all settings
            raise
