"""The masks of a QR Code symbol (ISO/IEC 18004:2015 clause 7.8) and the words that tell of them (7.9).

A mask is chosen with rows read as integers, so that all modules of a row are weighed in one go, along
the row and across the rows: a board stands still meanwhile, and module by module it takes far longer.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .qr import Draft


def _flips(mask: int, row: int, column: int) -> bool:
    """Whether a mask turns this module (table 10)."""
    if mask < 4:
        return ((row + column) % 2, row % 2, column % 3, (row + column) % 3)[mask] == 0
    if mask == 4:
        return (row // 2 + column // 3) % 2 == 0
    product = row * column
    if mask == 5:
        return product % 6 == 0
    return (product % 3 + (product if mask == 6 else row + column)) % 2 == 0


def _masked(draft: "Draft", mask: int) -> "list[int]":
    """The rows of the symbol with the mask applied."""
    code, fixed, stride = draft.code, draft.fixed, draft.code.stride
    every = (1 << code.size) - 1
    # Every mask repeats itself after 6 columns, and after 6 or 4 rows.
    patterns = []
    for row in range(12):
        pattern = 0
        for column in range(6):
            if _flips(mask, row, column):
                pattern |= 0x41041041041041 << column
        patterns.append(pattern & every)
    lines = []
    for row in range(code.size):
        at = row * stride
        turned = patterns[row % 12] & ~int.from_bytes(fixed[at : at + stride], "little")
        lines.append(int.from_bytes(code.bits[at : at + stride], "little") ^ turned)
    return lines


def apply(draft: "Draft", mask: int) -> None:
    """Turn the modules that the mask turns, and write which one it was: the symbol is ready then."""
    code, at = draft.code, 0
    code.mask = mask
    _draw_format(draft, mask)
    for line in _masked(draft, mask):
        code.bits[at : at + code.stride] = line.to_bytes(code.stride, "little")
        at += code.stride


def best_mask(draft: "Draft") -> int:
    """The mask with the least penalty, the first of equals."""
    best, least = 0, 0
    for mask in range(8):
        _draw_format(draft, mask)
        points = _penalty(_masked(draft, mask), draft.code.size)
        if not mask or points < least:
            best, least = mask, points
    return best


def _penalty(lines: "list[int]", size: int) -> int:
    """Points for what a reader stumbles over (table 11): runs, blocks, false finder patterns, imbalance."""
    points = dark = above = alike_above = fives_above = down_1 = down_2 = down_3 = 0
    for row in range(size):
        line = lines[row]
        dark += _ones(line)
        alike = ~(line ^ line >> 1) & (1 << size - 1) - 1  # modules that are like their right neighbour
        fives = alike & alike >> 1
        fives &= fives >> 2
        down = ~(line ^ above) & (1 << size) - 1 if row else 0  # and like the one above
        down_fives = down & down_1 & down_2 & down_3
        # Of a run of n modules, n - 4 begin five of a kind; it costs n - 2.
        points += _ones(fives) + 2 * _ones(fives & ~(fives >> 1))
        points += _ones(down_fives) + 2 * _ones(down_fives & ~fives_above)
        points += 3 * _ones(alike & alike_above & down)
        points += 40 * _false_finders(lines, row, size)
        above, alike_above, fives_above = line, alike, down_fives
        down_3, down_2, down_1 = down_2, down_1, down
    return points + abs(100 * dark - 50 * size * size) // (5 * size * size) * 10


def _false_finders(lines: "list[int]", row: int, size: int) -> int:
    """Dark and light as 1:1:3:1:1 with four light ones on a side: all in `row`, and those that end there."""
    line = lines[row]
    light = ~line & (1 << size) - 1
    found = 0
    finders = line & light >> 1 & line >> 2 & line >> 3 & line >> 4 & light >> 5 & line >> 6
    if finders:
        four = light & light >> 1
        four &= four >> 2
        found = _ones(finders & four >> 7) + _ones(finders & four << 4)
    if row > 5:
        finders = line & ~lines[row - 1] & lines[row - 2] & lines[row - 3] & lines[row - 4]
        finders &= ~lines[row - 5] & lines[row - 6]
        for at in (row - 10, row + 1):
            if finders and 0 <= at <= size - 4:
                found += _ones(finders & ~(lines[at] | lines[at + 1] | lines[at + 2] | lines[at + 3]))
    return found


def _ones(number: int) -> int:
    return bin(number).count("1") if number else 0


def _draw_format(draft: "Draft", mask: int) -> None:
    """Write level and mask, once around the upper left finder pattern and once beside the others."""
    size = draft.code.size
    word = (8 if draft.code.level == "L" else 0) | mask
    word = (word << 10 | check_bits(word, 0x537, 10)) ^ 0x5412
    for bit in range(15):
        dark = word >> bit & 1
        # Counted from the corner; the timing pattern is left out.
        near = bit + (bit > 5) if bit < 8 else size - 15 + bit
        draft.put(8, near, dark)
        draft.put(size - 1 - bit if bit < 8 else 14 - bit + (bit < 9), 8, dark)


def check_bits(value: int, polynomial: int, degree: int) -> int:
    """The check bits of a BCH code: `value` times x^degree modulo `polynomial`."""
    value <<= degree
    for shift in range(17 - degree, -1, -1):
        if value >> (shift + degree) & 1:
            value ^= polynomial << shift
    return value
