"""The core's screens on a small panel of pixels: a QR code beside the user code, and words on other pages.

A panel is anything with framebuf's fill(), fill_rect() and text(), besides `width`, `height`,
show(first_page, last_page), dim(flag) and close(); pages are rows of eight pixels. Lit pixels are the
light modules of a QR code.

RFC 8628 section 3.3.1: the user code is on every page, for whoever can't or won't scan. The address has
a page of its own, where it is in full, and the pages take turns.
"""

import framebuf
from pairlet.core.screen import CODE, RUNNING, countdown

from .memory import unload
from .words import TITLES, chop, drawable, paragraphs, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pairlet.core.screen import Screen

_PAGE_S = 6
_DASH = 4  # pixels that a dash takes up among double letters
_CRAMPED = 15  # the least advance of double letters: one pixel less, and the widest touch
_CLOCK = 56  # pixels kept free for the countdown at the lower right
_TALL = 8  # as an advance: letters of single width and double height


class PanelDisplay:
    """The port Display on a panel. A panel that does not answer is tried anew with every screen."""

    def __init__(self, panel: "Any"):
        self._panel = panel
        self._shown: object = None  # what the panel shows, but for the countdown
        self._code: object = None
        self._qr: Any = None
        self._since = 0  # remaining_s when this code was first shown
        # One letter at a time is drawn in here, and comes out enlarged.
        self._glyph = bytearray(8)
        self._letter = framebuf.FrameBuffer(self._glyph, 8, 8, framebuf.MONO_VLSB)

    def show(self, screen: "Screen") -> None:
        """Draw what has changed since the last screen. Raises nothing."""
        try:
            if screen.kind == CODE:
                self._show_code(screen)
            else:
                self._show_notice(screen)
        except OSError:
            self._shown = None

    def close(self) -> None:
        """Switch the panel off."""
        self._shown = None
        try:
            self._panel.close()
        except OSError:
            pass

    # ---- words

    def _show_notice(self, screen: "Screen") -> None:
        panel = self._panel
        shown = (screen.kind, screen.scope, screen.message, screen.advice)
        if shown == self._shown:
            return
        if self._code is not None:
            self._code = self._qr = None
        title = TITLES.get(screen.kind, "")
        columns, rows = panel.width // 8, panel.height // 8
        lines = []
        for paragraph in paragraphs(screen):
            lines += wrap(paragraph, columns)
        panel.fill(0)
        row = 0
        if title and len(lines) + 2 <= rows:
            self._draw_large(title, 0, 0, _CRAMPED)
            row = 2
        elif title:
            panel.text(title, 0, 0)
            row = 1
        if row + len(lines) > rows:
            lines = lines[: rows - row]
            lines[-1] = lines[-1][: columns - 3] + "..."
        for line in lines:
            panel.text(line, 0, 8 * row)
            row += 1
        panel.show()
        panel.dim(screen.kind == RUNNING)
        self._shown = shown

    # ---- codes

    def _show_code(self, screen: "Screen") -> None:
        code = (screen.user_code, screen.verification_uri, screen.verification_uri_complete)
        if code != self._code:
            self._code = code
            self._since = screen.remaining_s
            self._qr = _encode(screen, self._panel)
        pages = self._pages(screen)
        page = pages[max(0, self._since - screen.remaining_s) // _PAGE_S % len(pages)]
        time = countdown(screen.remaining_s)
        panel = self._panel
        last = panel.height // 8 - 1
        if page == self._shown:
            panel.fill_rect(panel.width - _CLOCK, 8 * last, _CLOCK, 8, 0)
            panel.text(time, panel.width - 8 * len(time), 8 * last)
            panel.show(last, last)
            return
        panel.fill(0)
        self._draw_page(page)
        panel.text(time, panel.width - 8 * len(time), 8 * last)
        panel.show()
        panel.dim(False)
        self._shown = page

    def _pages(self, screen: "Screen") -> "list[Any]":
        """Every page as (lines of text or None for the QR code, where and how the code is drawn)."""
        panel = self._panel
        columns, rows = panel.width // 8, panel.height // 8
        code = drawable(screen.user_code)
        pages: list[Any] = []
        if self._qr is not None:
            box = self._qr_box()
            place = fit_code(code, panel.width - box, rows - 1)
            if place:
                pages.append((None, box, (rows - 1 - _rows_of(place)) // 2 * 8) + place)
        lines = chop(drawable(screen.verification_uri), columns)
        if rows < 6:
            # The countdown stands beside the code, not below.
            place, free = fit_code(code, panel.width - _CLOCK, rows - 1), rows
        else:
            place, free = fit_code(code, panel.width, rows - 3), rows - 1
        if place:
            free -= _rows_of(place)
        else:
            lines += chop(code, columns)
            place, free = ([], 0), rows - 1
        lines += wrap(drawable(screen.message), columns)
        for start in range(0, max(1, len(lines)), free):
            pages.append((lines[start : start + free], 0, 8 * free) + place)
        return pages

    def _qr_box(self) -> int:
        """Pixels a side of the QR code with its light margin: four modules, or what there is room for."""
        size: int = self._qr[0]
        height: int = self._panel.height
        return min(height, height // (size + 2) * (size + 8))

    def _draw_page(self, page: "Any") -> None:
        lines, x, y, code_lines, advance = page
        panel = self._panel
        if lines is None:
            self._draw_qr()
        else:
            tall = 16 * len(lines) <= y
            for number, line in enumerate(lines):
                if tall:
                    self._draw_large(line, 0, 16 * number, _TALL)
                else:
                    panel.text(line, 0, 8 * number)
        for line in code_lines:
            if advance:
                self._draw_large(line, x, y, advance)
                y += 16
            else:
                panel.text(line, x, y)
                y += 8

    def _draw_qr(self) -> None:
        panel = self._panel
        size, stride, bits = self._qr
        scale = panel.height // (size + 2)
        box = self._qr_box()
        top = (panel.height - box) // 2
        panel.fill_rect(0, top, box, box, 1)
        margin = (box - scale * size) // 2
        for y in range(size):
            for x in range(size):
                if bits[y * stride + (x >> 3)] >> (x & 7) & 1:
                    panel.fill_rect(margin + scale * x, top + margin + scale * y, scale, scale, 0)

    def _draw_large(self, text: str, x: int, y: int, advance: int) -> None:
        """Draw letters at twice their height, `advance` pixels apart; above 8, at twice their width."""
        panel, glyph = self._panel, self._glyph
        width = 2 if advance > _TALL else 1
        for character in text:
            if width == 2 and character == "-":
                panel.fill_rect(x + 1, y + 6, _DASH - 1, 2, 1)
                x += _DASH
                continue
            self._letter.fill(0)
            self._letter.text(character, 0, 0)
            for column in range(8):
                bits = glyph[column]
                # The leftmost column of a letter is empty: where it is cramped, that is left out.
                left = x + width * (column - 8) + advance
                top = y
                while bits:
                    if bits & 1:
                        panel.fill_rect(left, top, width, 2, 1)
                    bits >>= 1
                    top += 2
            x += advance


def fit_code(code: str, width: int, rows: int) -> "tuple[list[str], int] | None":
    """`code` as large as it fits into `width` pixels and `rows` rows of eight: lines, and their advance.

    The advance is 16 or 15 for double letters, 8 for tall ones, 0 for letters as they are. In one
    line if possible, else broken after its dashes, or anywhere. None: it does not fit.
    """
    groups = [code] if " " in code else code.replace("-", "- ").split()
    for lines in ([code], groups):
        for advance in (16, _CRAMPED):
            widths = [advance * len(line) - (advance - _DASH) * line.count("-") for line in lines]
            if 2 * len(lines) <= rows and max(widths) <= width:
                return lines, advance
    if 8 * len(code) <= width and rows > 1:
        return [code], _TALL
    for advance in (_CRAMPED, _TALL, 0):
        lines = _broken(code, groups, width // (advance or 8))
        if len(lines) * (2 if advance else 1) <= rows:
            return lines, advance
    return None


def _broken(code: str, groups: "list[str]", longest: int) -> "list[str]":
    """`code` in lines of at most `longest` characters: groups if they are short enough, else even pieces."""
    if max([len(group) for group in groups]) > longest:
        count = (len(code) + longest - 1) // longest
        return chop(code, (len(code) + count - 1) // count)
    lines = [""]
    for group in groups:
        if len(lines[-1]) + len(group) > longest:
            lines.append("")
        lines[-1] += group
    return lines


def _rows_of(place: "tuple[list[str], int]") -> int:
    return len(place[0]) * (2 if place[1] else 1)


def _encode(screen: "Screen", panel: "Any") -> "Any":
    """The QR code of the complete address, else of the plain one, with the largest modules; or None.

    As (modules a side, bytes a row, bits): of the encoder, a tenth of what the whole agent takes,
    nothing stays in memory.
    """
    from . import qr

    found = None
    code: Any = None
    for address in (screen.qr_text, screen.verification_uri):
        best, text = 0, ""
        for candidate in (address, qr.upper_host(address)):
            version = qr.smallest_version(candidate)
            scale = panel.height // (4 * version + 19) if version else 0
            if scale > best:
                best, text = scale, candidate
        if best:
            code = qr.encode(text)
            found = (code.size, code.stride, code.bits)
            break
    code = None
    del qr
    unload(["pairlet_board.qr", "pairlet_board.qr_mask"])
    return found
