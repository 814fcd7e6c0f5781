"""QR Code symbols, model 2 (ISO/IEC 18004): one segment, versions 1 to 10, levels L and M, in little memory.

A symbol is a bitmap of rows, each a whole number of bytes, bit 0 of the first byte leftmost: what
framebuf calls MONO_HMSB. Clauses and tables are those of the 2015 edition.
"""

from pairlet.core.errors import ProtocolError

from .qr_mask import apply, best_mask, check_bits

_VERSIONS = 10

# Table 9. Half of all codewords (they are even in number), by version.
_HALF_OF_CODEWORDS = b"\x0d\x16\x23\x32\x43\x56\x62\x79\x92\xad"
# Error correction codewords of a block, and the blocks: versions 1 to 10 of level L, then of M.
_CORRECTION = b"\x07\x0a\x0f\x14\x1a\x12\x14\x18\x1e\x12\x0a\x10\x1a\x12\x18\x10\x12\x16\x16\x1a"
_BLOCKS = b"\x01\x01\x01\x01\x01\x02\x02\x02\x02\x04\x01\x01\x01\x02\x02\x04\x04\x04\x05\x05"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NUMERIC, _ALPHANUMERIC, _BYTE = 1, 2, 4  # mode indicators, table 2
# By mode: characters of a group, bits of each and of the whole group besides, base; bits of the
# character count (table 3) in versions 1 to 9, and how many more in version 10.
_MODES = {
    _NUMERIC: (3, 3, 1, 10, 10, 2),
    _ALPHANUMERIC: (2, 5, 1, 45, 9, 2),
    _BYTE: (1, 8, 0, 256, 8, 8),
}


class QrCode:
    """One symbol: `size` modules a side, `version`, `level`, `mask`, and the modules themselves."""

    def __init__(self, version: int, level: str):
        self.version = version
        self.level = level
        self.mask = 0
        self.size = 17 + 4 * version
        self.stride = (self.size + 7) >> 3  # bytes in a row
        self.bits = bytearray(self.stride * self.size)

    def get(self, x: int, y: int) -> bool:
        """Whether the module in column `x` of row `y` is dark. All around the symbol it is light."""
        if not (0 <= x < self.size and 0 <= y < self.size):
            return False
        return bool(self.bits[y * self.stride + (x >> 3)] >> (x & 7) & 1)


class Draft:
    """A symbol in the making, and which of its places hold no data."""

    def __init__(self, code: QrCode):
        self.code = code
        self.fixed = bytearray(len(code.bits))

    def put(self, x: int, y: int, dark: "bool | int") -> None:
        """Set a module that no mask may turn."""
        at, bit = y * self.code.stride + (x >> 3), 1 << (x & 7)
        self.fixed[at] |= bit
        if dark:
            self.code.bits[at] |= bit
        else:
            self.code.bits[at] &= ~bit


def smallest_version(text: str, level: str = "L") -> int:
    """The smallest version whose symbol of that level holds `text`; 0 if none does or there is no text."""
    mode, count = _mode(text)
    group, each, more, _, count_bits, extra = _MODES[mode]
    bits = 4 + count_bits + each * count + (count + group - 1) // group * more
    for version in range(1, _VERSIONS + 1):
        if version > 9:
            bits += extra
        if text and bits <= 8 * _data_codewords(version, level):
            return version
    return 0


def upper_host(uri: str) -> str:
    """`uri` in the smaller alphabet of a QR code, if that is the same address; else as it is.

    Scheme and host know no case (RFC 3986 section 6.2.2.1), the rest does: only where all of the rest
    is of that alphabet already are the first two turned into capitals.
    """
    scheme, mark, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    capitals = (scheme + mark + host).upper() + slash + path
    # Beyond ASCII a capital may be another letter's too.
    plain = mark and len(uri.encode()) == len(uri)
    return capitals if plain and _mode(capitals)[0] == _ALPHANUMERIC else uri


def encode(
    text: str, level: "str | None" = None, mask: "int | None" = None, version: "int | None" = None
) -> QrCode:
    """The symbol that holds `text`, in UTF-8 where it is more than digits and capitals.

    Without `level` it is M where that costs no larger symbol, else L; without `version` the smallest;
    without `mask` the one with the least penalty (clause 7.8.3). Raises ProtocolError if `text` is
    empty or does not fit.
    """
    version = version or smallest_version(text, level or "L")
    if level is None:
        level = "M" if 0 < smallest_version(text, "M") <= version else "L"
    if not 0 < smallest_version(text, level) <= version:
        raise ProtocolError("the address does not fit into a QR code")
    code = QrCode(version, level)
    draft = Draft(code)
    _draw_patterns(draft)
    _place(draft, _interleaved(_data(text, version, level), version, level))
    apply(draft, best_mask(draft) if mask is None else mask)
    return code


# ---- data: clause 7.4


def _mode(text: str) -> "tuple[int, int]":
    """The densest mode that holds all of `text`, and its character count there."""
    mode = _NUMERIC
    for character in text:
        value = _ALPHABET.find(character)
        if value < 0:
            return _BYTE, len(text.encode())
        if value > 9:
            mode = _ALPHANUMERIC
    return mode, len(text)


def _row(version: int, level: str) -> int:
    """Where the tables speak of this kind of symbol."""
    return version - 1 + _VERSIONS * (level == "M")


def _data_codewords(version: int, level: str) -> int:
    row = _row(version, level)
    return 2 * _HALF_OF_CODEWORDS[version - 1] - _CORRECTION[row] * _BLOCKS[row]


def _data(text: str, version: int, level: str) -> bytearray:
    """The data codewords: the segment, terminator and padding."""
    mode, count = _mode(text)
    group, each, more, base, count_bits, extra = _MODES[mode]
    room = _data_codewords(version, level)
    out = bytearray(room)
    at = _append(out, 0, mode, 4)
    at = _append(out, at, count, count_bits + extra * (version > 9))
    source = text.encode()
    for start in range(0, count, group):
        value = bits = 0
        for byte in source[start : start + group]:
            value = value * base + (byte if mode == _BYTE else _ALPHABET.find(chr(byte)))
            bits += each
        at = _append(out, at, value, bits + more)
    # The terminator is four zeros or what there is room for; the buffer holds zeros.
    pad = 0xEC
    for index in range((at + 11) >> 3, room):
        out[index] = pad
        pad ^= 0xEC ^ 0x11
    return out


def _append(out: bytearray, at: int, value: int, count: int) -> int:
    """Write `count` bits of `value`, highest first, from bit `at` on; return where the next one goes."""
    for shift in range(count - 1, -1, -1):
        if value >> shift & 1:
            out[at >> 3] |= 0x80 >> (at & 7)
        at += 1
    return at


# ---- error correction: clauses 7.5 and 7.6, annex A


def _interleaved(data: bytearray, version: int, level: str) -> bytearray:
    """All codewords in the order in which they are placed."""
    row = _row(version, level)
    degree, blocks = _CORRECTION[row], _BLOCKS[row]
    short = len(data) // blocks  # codewords of a short block; the last few blocks have one more
    first_long = blocks - len(data) % blocks
    out = bytearray(2 * _HALF_OF_CODEWORDS[version - 1])
    power, log = _field()
    generator = _generator(degree, power, log)
    start = 0
    for block in range(blocks):
        remainder = bytearray(degree + 1)  # the last one stays zero: what is shifted in
        for index in range(short + (block >= first_long)):
            byte = data[start]
            start += 1
            out[index * blocks + block - (first_long if index == short else 0)] = byte
            factor = byte ^ remainder[0]
            shift = log[factor]
            for term in range(degree):
                product = power[(shift + generator[term]) % 255] if factor else 0
                remainder[term] = remainder[term + 1] ^ product
        for index in range(degree):
            out[len(data) + index * blocks + block] = remainder[index]
    return out


def _field() -> "tuple[bytearray, bytearray]":
    """Powers of 2 and their logarithms in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    power, log = bytearray(255), bytearray(256)
    value = 1
    for exponent in range(255):
        power[exponent] = value
        log[value] = exponent
        value <<= 1
        if value > 255:
            value ^= 0x11D
    return power, log


def _generator(degree: int, power: bytearray, log: bytearray) -> bytearray:
    """Logarithms of the coefficients of (x - 1)(x - 2)(x - 4)... below the highest, from the highest on."""
    terms = bytearray(degree)  # the highest, always 1, is left out; none of the others ends as zero
    for root in range(degree):
        before = 1
        for index in range(root + 1):
            term = terms[index]
            terms[index] = term ^ power[(log[before] + root) % 255]
            before = term
    return bytearray([log[term] for term in terms])


# ---- function patterns: clauses 6.3, 7.9 and 7.10


def _draw_patterns(draft: Draft) -> None:
    """Draw what is the same whatever the text, and reserve the place for level and mask."""
    size, version = draft.code.size, draft.code.version
    for at in range(size):
        draft.put(at, 6, at & 1 ^ 1)
        draft.put(6, at, at & 1 ^ 1)
    for at in range(9):
        for x, y in ((8, at), (at, 8), (8, size - 1 - at % 8), (size - 1 - at % 8, 8)):
            draft.put(x, y, True)
    last = size - 7
    corners = ((6, 6), (6, last), (last, 6))
    for x, y in corners:
        _draw_square(draft, x - 3 if x == 6 else x + 3, y - 3 if y == 6 else y + 3, 4)
    centres = (6, 2 * version + 8, last) if version > 6 else (6, last) if version > 1 else ()
    for x in centres:
        for y in centres:
            if (x, y) not in corners:
                _draw_square(draft, x, y, 2)
    if version > 6:
        word = version << 12 | check_bits(version, 0x1F25, 12)
        for bit in range(18):
            x, y = size - 11 + bit % 3, bit // 3
            draft.put(x, y, word >> bit & 1)
            draft.put(y, x, word >> bit & 1)


def _draw_square(draft: Draft, centre_x: int, centre_y: int, reach: int) -> None:
    """Rings around a centre: a finder pattern with its separator (reach 4), an alignment pattern (2)."""
    size = draft.code.size
    for y in range(max(0, centre_y - reach), min(size, centre_y + reach + 1)):
        for x in range(max(0, centre_x - reach), min(size, centre_x + reach + 1)):
            ring = max(abs(x - centre_x), abs(y - centre_y))
            draft.put(x, y, ring not in (reach // 2, 4))


# ---- placement: clause 7.7.3


def _place(draft: Draft, codewords: bytearray) -> None:
    """Fill in the data: up and down in columns two modules wide, from the right."""
    bits, fixed = draft.code.bits, draft.fixed
    size, stride = draft.code.size, draft.code.stride
    at, end = 0, 8 * len(codewords)
    right = size - 1
    while right > 0:
        if right == 6:  # the vertical timing pattern
            right = 5
        for step in range(size):
            # One less than the size is a multiple of four; that column goes upwards.
            y = step if right + 1 & 2 else size - 1 - step
            for x in (right, right - 1):
                place, bit = y * stride + (x >> 3), 1 << (x & 7)
                if at < end and not fixed[place] & bit:
                    if codewords[at >> 3] & 0x80 >> (at & 7):
                        bits[place] |= bit
                    at += 1
        right -= 2
