"""Pixels for people and programs: PNG files and half blocks in a terminal. No library needed."""

import struct
import zlib
from collections.abc import Sequence

INK = (190, 230, 255)
PAPER = (8, 10, 14)


def png(pixels: Sequence[bytes], scale: int = 4) -> bytes:
    """A PNG file, each of `pixels` (lines of 0 and 1) a square of `scale` pixels, in a display's colours."""
    height, width = len(pixels) * scale, len(pixels[0]) * scale if pixels else 0
    rows = bytearray()
    for line in pixels:
        packed = _packed([pixel for pixel in line for _ in range(scale)])
        rows += (b"\0" + packed) * scale
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)  # one bit a pixel, with a palette
    body = _chunk(b"IHDR", header) + _chunk(b"PLTE", bytes([*PAPER, *INK]))
    body += _chunk(b"IDAT", zlib.compress(bytes(rows))) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def half_blocks(pixels: Sequence[bytes]) -> str:
    """Two lines of pixels in a line of text, lit ones as blocks."""
    lines = []
    for upper in range(0, len(pixels), 2):
        lower = pixels[upper + 1] if upper + 1 < len(pixels) else bytes(len(pixels[upper]))
        pairs = zip(pixels[upper], lower, strict=True)
        lines.append("".join(" ▀▄█"[top + 2 * bottom] for top, bottom in pairs))
    return "\n".join(lines)


def braille(pixels: Sequence[bytes]) -> str:
    """Two columns and four lines of pixels in a character: half the size of half blocks, and less clear."""
    width = len(pixels[0]) if pixels else 0
    lines = []
    for top in range(0, len(pixels), 4):
        rows = [pixels[top + y] if top + y < len(pixels) else bytes(width) for y in range(4)]
        cells = range(0, width, 2)
        lines.append("".join(chr(0x2800 + _dots([row[left : left + 2] for row in rows])) for left in cells))
    return "\n".join(lines)


def _dots(cell: Sequence[bytes]) -> int:
    """The dots of one character as Unicode numbers them: three down, three down, then the lowest two."""
    dots = 0
    for y, row in enumerate(cell):
        for x, pixel in enumerate(row):
            dots |= pixel << (6 + x if y == 3 else 3 * x + y)
    return dots


def _packed(line: list[int]) -> bytes:
    """Eight pixels in a byte, the first in the highest bit, the last byte filled up."""
    line = line + [0] * (-len(line) % 8)
    return int("".join(map(str, line)), 2).to_bytes(len(line) // 8, "big") if line else b""


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
