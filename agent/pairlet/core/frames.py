"""Frames: how records lie in a segment, so that whole ones can be told from what is left of others.

CRC-32 of all that follows, number (low 32 bits), length and the number's high 12 bits, value
"""

import struct
from binascii import crc32

HEADER = 12
LONGEST = (1 << 20) - 1


def frame(number: int, value: bytes) -> bytes:
    """`value` (at most LONGEST bytes) with its `number` (44 bits) as a frame."""
    body = struct.pack("<II", number & 0xFFFFFFFF, len(value) | number >> 32 << 20) + value
    return struct.pack("<I", crc32(body)) + body


def next_frame(data: bytes, at: int) -> "tuple[int, int, bool] | None":
    """The frame at `at`: number, where it ends, and whether it is whole and undamaged.

    None when `data` ends before the frame does: there may be more to read. A damaged one can end anywhere.
    """
    if at + HEADER > len(data):
        return None
    check, number, length = struct.unpack_from("<III", data, at)
    end = at + HEADER + (length & LONGEST)
    if end > len(data):
        return None
    return number | length >> 20 << 32, end, crc32(data[at + 4 : end]) == check
