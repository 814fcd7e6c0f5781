"""QR codes: an address as modules, and modules as half blocks for a text screen.

The quiet zone: zxing-cpp 3.1, given 96 views of codes on a dark screen (turned, blurred, made smaller),
read none without a quiet zone and the same 80 of them with 1, 2, 3 and 4 modules. So the standard's 4 are
drawn where there is room, and 2 rather than no QR code at all.

Without colours (NO_COLOR) a code can only be drawn in the terminal's own two. On a dark background,
which most have, light ink makes it a normal one. On a light background the same picture is inverted:
80 of 96 by a reader that tries that (most telephones do), none by one that doesn't. Where the
terminal says that its background is light, dark ink is used.
"""

import functools
from collections.abc import Sequence

from ..core.errors import ProtocolError
from .drawing.half_blocks import enlarge, half_blocks

Matrix = list[list[bool]]

STANDARD_QUIET_ZONE = 4  # modules, ISO/IEC 18004
NARROW_QUIET_ZONE = 2


def matrix(text: str) -> Matrix:
    """The modules of the smallest QR code that holds `text`, row by row; true is dark, no quiet zone.

    Error correction is level M where that costs no larger code, else L. Raises ProtocolError if
    `text` is empty, longer than any QR code (2953 bytes) or no text that UTF-8 can hold.
    """
    return [list(row) for row in _modules(text)]


@functools.lru_cache(maxsize=8)  # a display asks every second, for as long as the code is on the screen
def _modules(text: str) -> tuple[tuple[bool, ...], ...]:
    # Not at the top: most commands draw nothing, and the library takes a while on a small machine.
    import qrcode
    from qrcode.exceptions import DataOverflowError

    if not text:
        raise ProtocolError("there is no address for a QR code")
    try:
        code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_L, border=0)
        code.add_data(text)
        code.make(fit=True)
        stronger = qrcode.QRCode(version=code.version, error_correction=qrcode.ERROR_CORRECT_M, border=0)
        stronger.add_data(text)
        try:
            stronger.make(fit=False)
            code = stronger
        except (DataOverflowError, ValueError):
            pass  # it would take a larger code; screens are small
        # A dark module may come out as None where the library left it open; bool() settles it.
        return tuple(tuple(bool(module) for module in row) for row in code.get_matrix())
    except (DataOverflowError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise ProtocolError("the address does not fit into a QR code") from error


def with_quiet_zone(modules: Sequence[Sequence[bool]], quiet_zone: int) -> Matrix:
    """`modules` with `quiet_zone` light modules on every side."""
    side = [False] * quiet_zone
    blank = [False] * (len(modules) + 2 * quiet_zone)
    above = [list(blank) for _ in range(quiet_zone)]
    below = [list(blank) for _ in range(quiet_zone)]
    return [*above, *[[*side, *row, *side] for row in modules], *below]


def dark_ink(modules: Sequence[Sequence[bool]], quiet_zone: int, scale: int = 1) -> list[str]:
    """Lines of half blocks in which ink is a dark module: for a screen whose background is light."""
    return half_blocks(enlarge(with_quiet_zone(modules, quiet_zone), scale))


def light_ink(modules: Sequence[Sequence[bool]], quiet_zone: int, scale: int = 1) -> list[str]:
    """Lines of half blocks in which ink is a light module: for a screen whose background is dark."""
    framed = enlarge(with_quiet_zone(modules, quiet_zone), scale)
    return half_blocks([[not module for module in row] for row in framed])
