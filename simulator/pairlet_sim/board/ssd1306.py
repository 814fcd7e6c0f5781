"""An SSD1306 with its glass: takes the bytes that a driver sends over I2C and knows which pixels are lit.

From the datasheet (SSD1306, Solomon Systech, rev. 1.1): section 8.1.5 for the framing on the bus, 9 and 10
for commands. What a wrong set-up does to the picture is modelled, too: no charge pump and the glass stays
dark, wrong COM pins and the lines are shuffled, addresses that wrap.
"""

_COLUMNS = 128
_PAGES = 8

# How many bytes follow a command; those not named here have none.
_ARGUMENTS = {
    0x20: 1, 0x21: 2, 0x22: 2, 0x81: 1, 0x8D: 1, 0xA8: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1,
    0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5, 0xA3: 2,
}  # fmt: skip
HORIZONTAL, VERTICAL, PAGE = 0, 1, 2


class Ssd1306:
    """The controller and a glass of `width` by `height`. `writes` counts the messages that came."""

    def __init__(self, width: int = 128, height: int = 64):
        self.width = width
        self.height = height
        self.writes = 0
        self.unknown: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Power-on state: display off, page addressing; the memory holds noise, here: nothing."""
        self.memory = bytearray(_COLUMNS * _PAGES)
        self.on = self.inverted = self.all_on = self.pump = False
        self.contrast = 0x7F
        self._mode = PAGE
        self._columns, self._pages = (0, 127), (0, 7)
        self._column = self._page = 0
        self._mirrored = self._flipped = False
        self._first_line = self._offset = 0
        self._lines = 64
        self._alternating = True
        self._command: list[int] = []

    def write(self, data: bytes) -> None:
        """A message to the display's address: control bytes say what the rest is (section 8.1.5.2)."""
        self.writes += 1
        place = 0
        while place + 1 < len(data):
            control = data[place]
            end = place + 2 if control & 0x80 else len(data)
            for byte in data[place + 1 : end]:
                if control & 0x40:
                    self._store(byte)
                else:
                    self._take(byte)
            place = end

    def read(self, size: int) -> bytes:
        """The status byte: bit 6 is set while the display is off."""
        return bytes([0x00 if self.on else 0x40]) * size

    # ---- commands ----------------------------------------------------------------------------

    def _take(self, byte: int) -> None:
        self._command.append(byte)
        first = self._command[0]
        if len(self._command) <= _ARGUMENTS.get(first, 0):
            return
        arguments, self._command = self._command[1:], []
        if first in _ARGUMENTS:
            self._set(first, arguments)
        else:
            self._switch(first)

    def _set(self, command: int, arguments: list[int]) -> None:
        """Commands with arguments. Timing and scrolling change nothing that this model shows."""
        value = arguments[0]
        if command == 0x20:
            self._mode = value & 3
        elif command == 0x21:
            self._columns = (value & 127, arguments[1] & 127)
            self._column = self._columns[0]
        elif command == 0x22:
            self._pages = (value & 7, arguments[1] & 7)
            self._page = self._pages[0]
        elif command == 0x81:
            self.contrast = value
        elif command == 0x8D:
            self.pump = bool(value & 4)
        elif command == 0xA8:
            self._lines = (value & 63) + 1
        elif command == 0xD3:
            self._offset = value & 63
        elif command == 0xDA:
            self._alternating = bool(value & 0x10)

    def _switch(self, command: int) -> None:
        """Commands of a single byte, the value in it."""
        if command <= 0x0F:
            self._column = (self._column & 0xF0) | command
        elif command <= 0x1F:
            self._column = (self._column & 0x0F) | (command & 7) << 4
        elif 0x40 <= command <= 0x7F:
            self._first_line = command & 63
        elif command in (0xA0, 0xA1):
            self._mirrored = command == 0xA1
        elif command in (0xA4, 0xA5):
            self.all_on = command == 0xA5
        elif command in (0xA6, 0xA7):
            self.inverted = command == 0xA7
        elif command in (0xAE, 0xAF):
            self.on = command == 0xAF
        elif 0xB0 <= command <= 0xB7:
            self._page = command & 7
        elif command & 0xF0 == 0xC0:
            self._flipped = command == 0xC8
        elif command not in (0xE3, 0x2E, 0x2F):  # no operation, scrolling off and on
            self.unknown.append(command)

    def _store(self, byte: int) -> None:
        """A byte of the picture: eight pixels of a column; the place goes on as section 10.1.3 says."""
        column = 127 - self._column if self._mirrored else self._column
        self.memory[self._page * _COLUMNS + column] = byte
        if self._mode == PAGE:
            self._column = (self._column + 1) & 127
        elif self._mode == HORIZONTAL:
            self._column, wrapped = _next(self._column, self._columns)
            if wrapped:
                self._page, _ = _next(self._page, self._pages)
        else:
            self._page, wrapped = _next(self._page, self._pages)
            if wrapped:
                self._column, _ = _next(self._column, self._columns)

    # ---- the glass ---------------------------------------------------------------------------

    def pixels(self) -> list[bytes]:
        """The glass from above: one bytes object a line, a byte for each pixel, 1 is lit."""
        if not (self.on and self.pump):
            return [bytes(self.width)] * self.height
        return [self._line(self._row_at(line)) for line in range(self.height)]

    def _row_at(self, line: int) -> int | None:
        """The row of the display that this line of the glass is wired to; None: it is not driven.

        A glass of 64 lines is wired for alternating COM pins, one of 32 for sequential ones (10.1.18); it is
        mounted so that it is upright with the scan direction reversed (C8), as all modules are.
        """
        if self.height == 64:
            pin = line // 2 + 32 * (line % 2)
            com = line if self._alternating else pin
        else:
            com = 2 * line if self._alternating else line
        if com >= self._lines:
            return None
        return com if self._flipped else self._lines - 1 - com

    def _line(self, row: int | None) -> bytes:
        if row is None:
            return bytes(self.width)
        if self.all_on:
            lit = bytes([1]) * self.width
        else:
            source = (row + self._first_line + self._offset) & 63
            start = (source >> 3) * _COLUMNS
            # Modules are mounted so that the picture is upright with the columns mirrored (A1).
            stored = self.memory[start : start + _COLUMNS]
            lit = bytes(byte >> (source & 7) & 1 for byte in reversed(stored))[: self.width]
        return bytes(1 - pixel for pixel in lit) if self.inverted else lit


def _next(value: int, bounds: tuple[int, int]) -> tuple[int, bool]:
    """The following address within `bounds`, and whether it began anew."""
    first, last = bounds
    return (first, True) if value == last else ((value + 1) & 127, False)
