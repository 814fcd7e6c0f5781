"""Layout: where everything on a screen goes, for any size from 20 columns on."""

import functools
from typing import NamedTuple

from ...core.errors import PairletError
from ...core.screen import CODE, DENIED, EXPIRED, PAIRED, SIGN_IN, Screen
from .. import qr
from .canvas import (
    ADDRESS,
    BLANK,
    FAINT,
    PLAIN,
    QR,
    QR_EDGE,
    STRONG,
    WARN,
    Canvas,
    Cell,
    cells,
    chop,
    drawable,
    width,
    wrap,
)
from .lettering import can_letter, lettering, lettering_width
from .look import Look
from .words import ENTER, NO_ROOM, OPEN, OURS, SCAN, body, code_of, heading, validity

Line = tuple[Cell, ...]
Block = list[Line]

_GAP = 3  # columns between the QR code and the text
_LONGEST_LINE = 64  # columns of running text; longer lines are hard to read
_LONGEST_LARGE_CODE = 40  # characters; the server chooses the length, and each takes time to draw
_LAST_MINUTE = 60  # seconds
# Their first sentence says the same in plain letters, which a person can copy and a screen reader read.
_LARGE_HEADINGS = (PAIRED, DENIED, EXPIRED)


class _Plan(NamedTuple):
    """One way to lay out a code: QR scale (0: none) and quiet zone, letter scale (0: spaced), and air."""

    qr_scale: int
    quiet_zone: int
    letters: int
    airy: bool
    leads: bool


# In order of preference; the first that fits is taken. A large code is worth more than a wide margin,
# and the QR code more than large letters: the code stays readable in small ones.
_PLANS = [
    _Plan(2, 4, 3, True, True),
    _Plan(2, 4, 2, True, True),
    *[
        _Plan(1, quiet_zone, letters, airy, True)
        for airy, scales in ((True, (2, 1)), (False, (1,)), (True, (0,)), (False, (0,)))
        for letters in scales
        for quiet_zone in (qr.STANDARD_QUIET_ZONE, qr.NARROW_QUIET_ZONE)
    ],
    _Plan(1, qr.NARROW_QUIET_ZONE, 0, False, False),
    *[_Plan(0, 0, letters, True, True) for letters in (3, 2, 1)],
    _Plan(0, 0, 1, False, True),
    _Plan(0, 0, 0, True, True),
    _Plan(0, 0, 0, False, True),
    _Plan(0, 0, 0, False, False),
]


def compose(screen: Screen, columns: int, rows: int, look: Look) -> Canvas | None:
    """`screen` on a canvas of that size, or None if what matters does not fit: nothing is ever cut off."""
    if columns < 2 or rows < 1:
        return None
    if screen.kind != CODE:
        return _notice(screen, columns, rows)
    for plan in _PLANS:
        canvas = _code(screen, columns, rows, look, plan)
        if canvas is not None:
            return canvas
    return None


def _notice(screen: Screen, columns: int, rows: int) -> Canvas | None:
    """A screen of words: heading, then paragraphs."""
    word, style = heading(screen)
    line_width = min(columns, _LONGEST_LINE)
    paragraphs = [[cells(line) for line in wrap(text, line_width)] for text in body(screen)]
    if screen.kind == SIGN_IN:
        # Over whole rows, so that it can be copied in one piece.
        paragraphs.append(_address(screen, columns))
    large: Block = []
    if screen.kind in _LARGE_HEADINGS and lettering_width(word.upper(), 1) <= columns:
        large = [cells(line, style) for line in lettering(word.upper(), 1)]
    small = [cells(word, style)] if word else []
    for top in (large or small, small):
        for air in (True, False):
            block = _join([top, *paragraphs], air)
            canvas = _centred(block, columns, rows)
            if canvas is not None:
                return canvas
    return None


def _code(screen: Screen, columns: int, rows: int, look: Look, plan: _Plan) -> Canvas | None:
    if not plan.qr_scale:
        block = _text(screen, columns, plan, with_address=True)
        return _centred(block, columns, rows) if block is not None else None
    try:
        picture = list(_qr_lines(screen.qr_text, plan.quiet_zone, plan.qr_scale, look))
    except PairletError:
        return None
    return _beside(screen, picture, columns, rows, plan) or _stacked(screen, picture, columns, rows, plan)


def _beside(screen: Screen, picture: Block, columns: int, rows: int, plan: _Plan) -> Canvas | None:
    """The QR code on the left, the words on the right; an address too long for there above both."""
    left_width = len(picture[0])
    right_width = columns - left_width - _GAP
    if right_width < 20:
        return None
    above: Block = []
    if width(drawable(screen.verification_uri)) > right_width:
        above = [cells(OPEN), *_address(screen, columns)] + ([()] if plan.airy else [])
    right = _text(screen, right_width, plan, with_address=not above)
    if right is None:
        return None
    height = max(len(picture), len(right))
    if len(above) + height > rows:
        return None
    canvas = Canvas(columns, rows)
    top = (rows - len(above) - height) // 2
    total = left_width + _GAP + max(map(len, right))
    left = (columns - total) // 2
    _place(canvas, above, top, left)
    top += len(above)
    _place(canvas, picture, top + (height - len(picture)) // 2, left)
    _place(canvas, right, top + (height - len(right)) // 2, left + left_width + _GAP)
    return canvas


def _stacked(screen: Screen, picture: Block, columns: int, rows: int, plan: _Plan) -> Canvas | None:
    """The QR code below the words: for a window that is high and narrow."""
    if len(picture[0]) > columns:
        return None
    text = _text(screen, columns, plan, with_address=True)
    if text is None:
        return None
    return _centred(_join([text, picture], plan.airy), columns, rows)


def _text(screen: Screen, columns: int, plan: _Plan, *, with_address: bool) -> Block | None:
    """The words of a code screen in lines of at most `columns` cells, or None if the code is too wide."""
    code = _code_block(code_of(screen), columns, plan)
    if code is None:
        return None
    parts: list[Block] = []
    if with_address:
        lead = _wrapped(OPEN, columns) if plan.leads else []
        parts.append(lead + _address(screen, columns))
    parts.append(code)
    if plan.leads and plan.qr_scale:
        parts.append([cells(SCAN)])
    hurry = screen.remaining_s < _LAST_MINUTE
    end: Block = [cells(validity(screen), WARN if hurry else PLAIN)]
    message = [cells(line, WARN) for line in wrap(screen.message, min(columns, _LONGEST_LINE))]
    # The place of a message is kept, so that the picture does not jump when one comes.
    end += message or ([cells(OURS if len(OURS) <= columns else "", FAINT)] if plan.airy else [])
    if plan.leads and plan.airy and not plan.qr_scale and not message and _can_have_qr(screen):
        end[-1:] = [cells(line, FAINT) for line in wrap(NO_ROOM, columns)]
    parts.append(end)
    return _join(parts, plan.airy)


def _code_block(code: str, columns: int, plan: _Plan) -> Block | None:
    """The code in plain characters, which can be copied, and below in large ones, which can be seen."""
    plain: Block = [cells(piece, STRONG) for piece in chop(code, columns)]
    if not plan.leads:
        return plain
    lead = cells(ENTER + " ") + cells(code, STRONG)
    lines: Block = [lead] if len(lead) <= columns else _wrapped(ENTER, columns) + plain
    if plan.letters:
        pieces = _split(code, columns, plan.letters)
        if pieces is None:
            return None
        large = [[cells(line, STRONG) for line in lettering(piece, plan.letters)] for piece in pieces]
        return _join([lines, _join(large, True)], plan.airy)
    spaced = cells(" ".join(code), STRONG)
    return [*lines, (), spaced] if plan.airy and len(spaced) <= columns else lines


def _split(code: str, columns: int, scale: int) -> list[str] | None:
    """`code` in lines that fit `columns` in large letters, broken after its dashes; None if none do."""
    if len(code) > _LONGEST_LARGE_CODE or not can_letter(code):
        return None
    pieces = [""]
    for character in code:
        if lettering_width(pieces[-1] + character, scale) > columns:
            head, dash, tail = pieces[-1].rpartition("-")
            if not dash or not head:
                return None
            pieces[-1:] = [head + dash, tail]
        pieces[-1] += character
    fits = all(lettering_width(piece, scale) <= columns for piece in pieces)
    return pieces if fits and len(pieces) <= 3 else None


@functools.lru_cache(maxsize=8)  # every second, and for every plan that does not fit
def _qr_lines(text: str, quiet_zone: int, scale: int, look: Look) -> tuple[Line, ...]:
    """The QR code of `text` in lines of cells. Raises ProtocolError if there can't be one."""
    modules = qr.matrix(text)
    if not look.color:
        draw = qr.dark_ink if look.light_background else qr.light_ink
        return tuple(cells(line) for line in draw(modules, quiet_zone, scale))
    lines = [cells(line, QR) for line in qr.dark_ink(modules, quiet_zone, scale)]
    if (len(modules) + 2 * quiet_zone) * scale % 2:
        # Half a row is left over. Paper in all of it would make the margin below wider than the others.
        lines[-1] = (("▀", QR_EDGE),) * len(lines[-1])
    return tuple(lines)


def _can_have_qr(screen: Screen) -> bool:
    try:
        qr.matrix(screen.qr_text)
    except PairletError:
        return False
    return True


def _address(screen: Screen, columns: int) -> Block:
    """The address to type. It is never cut, nor broken by an indent: too long a one runs over whole rows."""
    text = drawable(screen.verification_uri)
    if width(text) <= columns:
        return [cells(text, ADDRESS)]
    lines = [cells(piece, ADDRESS) for piece in chop(text, columns)]
    return [line + (BLANK,) * (columns - len(line)) for line in lines]


def _wrapped(text: str, columns: int) -> Block:
    return [cells(line) for line in wrap(text, columns)]


def _join(parts: list[Block], airy: bool) -> Block:
    """`parts` one below the other; if `airy`, with an empty line between."""
    block: Block = []
    for part in parts:
        if part and block and airy:
            block.append(())
        block += part
    return block


def _centred(block: Block, columns: int, rows: int) -> Canvas | None:
    if not block or len(block) > rows or max(map(len, block)) > columns:
        return None
    canvas = Canvas(columns, rows)
    top = (rows - len(block)) // 2
    for number, line in enumerate(block, top):
        canvas.put(number, (columns - len(line)) // 2, line)
    return canvas


def _place(canvas: Canvas, block: Block, row: int, column: int) -> None:
    """Put `block` at `column`; a line too long for there is centred."""
    for number, line in enumerate(block, row):
        spare = canvas.columns - len(line)
        canvas.put(number, column if column <= spare else spare // 2, line)
