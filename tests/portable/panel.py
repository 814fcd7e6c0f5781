"""A panel with an SSD1306 at the end of a bus, and a reader of what is on it. Runs on both interpreters.

The controller is written from the data sheet's command table, apart from the driver: what a real one
would not take, or would show wrong, fails here.
"""

import framebuf
from pairlet.core.screen import CODE, Screen

ADDRESS = "https://example.com/device"

# Commands by their code: how many bytes of the command follow it.
_OPERANDS = {
    0x20: 1,
    0x21: 2,
    0x22: 2,
    0x2E: 0,
    0x40: 0,
    0x81: 1,
    0x8D: 1,
    0xA1: 0,
    0xA4: 0,
    0xA6: 0,
    0xA8: 1,
    0xAE: 0,
    0xAF: 0,
    0xC8: 0,
    0xD3: 1,
    0xD5: 1,
    0xD9: 1,
    0xDA: 1,
    0xDB: 1,
}


class Panel:
    """An I2C bus with one SSD1306 panel of `width` by `height` on it.

    `gone`: the cable is out; power is lost with it. `bytes_taken`: data since the last `forget()`.
    """

    def __init__(self, width=128, height=64, address=0x3C):
        self.width, self.height, self.address = width, height, address
        self.gone = False
        self.bytes_taken = 0
        self.power_on()

    def power_on(self):
        """What the data sheet says of the state after a reset; the memory holds noise."""
        self.settings = {0xAE: b""}
        self.ram = bytearray(b"\xa5" * (128 * 8))
        self.on = False
        self._window = [0, 127, 0, 7]
        self._at = [0, 0]

    def writeto(self, address, buffer):
        """The bus: one write to `address`. Raises OSError if nobody answers there."""
        if self.gone:
            self.power_on()
        if self.gone or address != self.address:
            raise OSError(19)
        data = bytes(buffer)
        if data[0] == 0x40:
            self._take(data[1:])
        else:
            assert data[0] == 0, "a control byte that means nothing"
            self._obey(data[1:])
        return len(data)

    def _obey(self, data):
        at = 0
        while at < len(data):
            code = data[at]
            assert code in _OPERANDS, "no command that this panel needs: 0x%02x" % code
            end = at + 1 + _OPERANDS[code]
            operands = data[at + 1 : end]
            assert len(operands) == _OPERANDS[code], "a command without its operands"
            self.settings[code] = operands
            if code in (0xAE, 0xAF):
                self.on = code == 0xAF
            elif code == 0x21:
                self._window[:2] = list(operands)
                self._at[0] = operands[0]
            elif code == 0x22:
                self._window[2:] = list(operands)
                self._at[1] = operands[0]
            at = end

    def _take(self, data):
        assert self.settings.get(0x20) == b"\x00", "pixels before the addressing mode was set"
        self.bytes_taken += len(data)
        left, right, first, last = self._window
        for byte in data:
            column, page = self._at
            self.ram[128 * page + column] = byte
            column += 1
            if column > right:
                column, page = left, first if page == last else page + 1
            self._at = [column, page]

    def ready(self):
        """Whether it is switched on and set up so that a person sees the picture upright and at all."""
        set_up = self.settings
        return (
            self.on
            and set_up.get(0x8D) == b"\x14"
            and set_up.get(0xA8) == bytes((self.height - 1,))
            and set_up.get(0xDA) == (b"\x12" if self.height == 64 else b"\x02")
            and set_up.get(0xD3) == b"\x00"
            and 0xA1 in set_up
            and 0xC8 in set_up
            and 0xA4 in set_up
            and 0xA6 in set_up
        )

    def lit(self, x, y):
        """Whether a pixel is lit; a panel that is off or badly set up shows nothing."""
        return self.ready() and bool(self.ram[128 * (y >> 3) + x] >> (y & 7) & 1)


_letters = {}


def letters():
    """Characters by their eight columns, as this interpreter's framebuf draws them."""
    if not _letters:
        columns = bytearray(8)
        canvas = framebuf.FrameBuffer(columns, 8, 8, framebuf.MONO_VLSB)
        for code in range(32, 127):
            canvas.fill(0)
            canvas.text(chr(code), 0, 0)
            _letters[bytes(columns)] = chr(code)
    return _letters


def small_lines(panel):
    """The text on the panel in letters of eight by eight pixels, row by row; "~" is anything else."""
    known = letters()
    rows = []
    for top in range(0, panel.height, 8):
        row = ""
        for left in range(0, panel.width, 8):
            page = bytes([panel.ram[128 * (top >> 3) + left + column] for column in range(8)])
            row += known.get(page, "~")
        rows.append(row.rstrip())
    return rows if panel.ready() else []


def tall_line(panel, top):
    """The text in letters of double height in the sixteen rows of pixels from `top` on."""
    known = letters()
    row = ""
    for left in range(0, panel.width, 8):
        columns = []
        for x in range(left, left + 8):
            column = 0
            for y in range(8):
                upper, lower = panel.lit(x, top + 2 * y), panel.lit(x, top + 2 * y + 1)
                column |= (1 << y) if upper and lower else 0
            columns.append(column)
        row += known.get(bytes(columns), "~")
    return row.rstrip()


def shows_large(panel, text, advance, left, top):
    """Whether `text` stands at a place in letters of double size, `advance` apart; a dash takes 4 pixels.

    The dash of a code is a small bar half way up. Every letter must match pixel by pixel, but for where
    its neighbours may reach into it: its leftmost column and the last pixel on the right.
    """
    known = {character: columns for columns, character in letters().items()}
    x = left
    for character in text:
        if character == "-":
            bar = [any(panel.lit(x + column, top + row) for row in range(16)) for column in range(1, 4)]
            if bar != [True, True, True]:
                return False
            x += 4
            continue
        for column in range(1, 8):
            for row in range(8):
                wanted = bool(known[character][column] >> row & 1)
                at_x, at_y = x + advance - 16 + 2 * column, top + 2 * row
                for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                    shared = column == 7 and dx == 1 and not wanted
                    if panel.lit(at_x + dx, at_y + dy) != wanted and not shared:
                        return False
        x += advance
    return True


def code_screen(remaining_s=600, **changes):
    """The screen of RFC 8628's example code, but for `changes` (fields of Screen)."""
    fields = {
        "user_code": "WDJB-MJHT",
        "verification_uri": ADDRESS,
        "verification_uri_complete": ADDRESS + "?user_code=WDJB-MJHT",
        "remaining_s": remaining_s,
    }
    fields.update(changes)
    return Screen(CODE, **fields)
