"""A stand-in for MicroPython's framebuf on CPython, as much of it as the board's displays use.

On MicroPython the built-in module wins over this file. The letters are not letters, but each
character has a shape of its own, with an empty column on its left as most have there.
"""

MONO_VLSB = 0


def shape(code):
    """The eight columns of a character, lowest bit on top, by its code; a space is empty."""
    if code == 32:
        return bytes(8)
    return bytes((0, 0x7F, 0, code & 0x7F, 0, ~code & 0x7F, 0, 0))


class FrameBuffer:
    """A canvas of `width` by `height` pixels on `buffer`, one bit each, eight in a byte below each other."""

    def __init__(self, buffer, width, height, layout):
        if layout != MONO_VLSB or len(buffer) < width * (height // 8):
            raise ValueError("not a buffer of that format and size")
        self._pixels = buffer
        self._size = (width, height)

    def pixel(self, x, y, color=None):
        """Set a pixel, or tell it if there is no `color`. Outside of the canvas nothing happens."""
        width, height = self._size
        if not (0 <= x < width and 0 <= y < height):
            return None
        at, bit = (y >> 3) * width + x, 1 << (y & 7)
        if color is None:
            return int(self._pixels[at] & bit != 0)
        self._pixels[at] = self._pixels[at] | bit if color else self._pixels[at] & ~bit
        return None

    def fill(self, color):
        """Set all pixels."""
        self.fill_rect(0, 0, self._size[0], self._size[1], color)

    def fill_rect(self, x, y, width, height, color):
        """Set the pixels of a rectangle, as far as they are on the canvas."""
        pixels, (most_x, most_y) = self._pixels, self._size
        for row in range(max(y, 0), min(y + height, most_y)):
            start, bit = (row >> 3) * most_x, 1 << (row & 7)
            for at in range(start + max(x, 0), start + min(x + width, most_x)):
                pixels[at] = pixels[at] | bit if color else pixels[at] & ~bit

    def text(self, text, x, y, color=1):
        """Write characters, eight pixels apart: their lit pixels only. What is not ASCII is a byte's DEL."""
        for byte in text.encode():
            columns = shape(byte if 32 <= byte < 127 else 127)
            for column in range(8):
                for row in range(8):
                    if columns[column] >> row & 1:
                        self.pixel(x + column, y + row, color)
            x += 8
