"""The demo's live picture: what is shown, and how, in the room that a terminal has.

From top to bottom: addresses and account, a card for each device, the board's display, what happened. A QR
code that a person has to scan comes before everything else, then the display; the log gets what is left.
"""

from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..board.picture import INK, PAPER, braille, half_blocks
from .card import Card, Look
from .state import State

_CARD_COLUMNS = 40  # with a QR code, the longest address on loopback, and the frame
_LOG_ROWS = 10  # with the frame
_LOG_COLUMNS = 50  # that it must have beside a display
_PLAIN = Console(width=80)  # for wrapping, which asks a console for no more than its tab size
_DISPLAY_STYLE = "rgb(%d,%d,%d) on rgb(%d,%d,%d)" % (*INK, *PAPER)


class Cards:
    """The devices, beside each other or, in a narrow terminal, one above the other."""

    def __init__(self, state: State, columns: int, now: float, look: Look, *, with_qr: bool):
        count = len(state.devices)
        self.across = columns >= _CARD_COLUMNS * count
        each = columns // count if self.across else columns
        self.cards = [Card(device, each, now, look, with_qr=with_qr) for device in state.devices]

    @property
    def least(self) -> int:
        """Rows for what must be seen."""
        return self._rows([card.least for card in self.cards])

    @property
    def wanted(self) -> int:
        """Rows for everything."""
        return self._rows([card.wanted for card in self.cards])

    @property
    def fit(self) -> bool:
        """Whether nothing is cut off at the side."""
        return all(card.fits for card in self.cards)

    def _rows(self, each: list[int]) -> int:
        return max(each) if self.across else sum(each)

    def drawn(self, rows: int) -> RenderableType:
        """All cards in `rows` rows, which are not less than `least`."""
        if not self.across:
            more = (rows - self.least) // len(self.cards)
            return Group(*[card.drawn(card.least + more) for card in self.cards])
        grid = Table.grid(expand=True)
        for _ in self.cards:
            grid.add_column(ratio=1)
        grid.add_row(*[card.drawn(rows) for card in self.cards])
        return grid


class Display(NamedTuple):
    """A board's display as it is drawn; `rows` and `columns` with the frame, 0 when there is no room for it.

    `beside`: whether the log has room at its side.
    """

    rows: int
    columns: int
    beside: bool
    drawn: RenderableType


def picture(state: State, console: Console, now: float) -> RenderableType:
    """`state` at the monotonic time `now`, never higher than `console`."""
    columns = console.width
    # The last row stays free: what comes after the picture would push its top off the screen.
    rows = console.height - 1
    look = Look(not console.options.ascii_only, not console.no_color)
    head, cards = _head_and_cards(state, columns, rows, now, look)
    left = rows - len(head) - cards.least
    display = _display(state, columns, left, look)
    left -= display.rows
    # A few lines of the log are worth more than the last measured values.
    log = 0 if display.beside else min(5, left // 2)
    more = max(0, min(cards.wanted - cards.least, left - log))
    parts: list[RenderableType] = [*head, cards.drawn(cards.least + more)]
    if display.beside:
        grid = Table.grid()
        grid.add_row(display.drawn, _log(state, display.rows, columns - display.columns))
        return Group(*parts, grid)
    if display.rows:
        parts.append(display.drawn)
    if left > more:
        parts.append(_log(state, min(left - more, _LOG_ROWS), columns))
    return Group(*parts)


def _head_and_cards(
    state: State, columns: int, rows: int, now: float, look: Look
) -> tuple[list[Text], Cards]:
    """With QR codes for all that wait or, if there is no room, with none and a line that says so."""
    with_qr = look.blocks and bool(state.waiting)
    head = _wrapped(_head(state, with_qr=with_qr), columns)
    cards = Cards(state, columns, now, look, with_qr=with_qr)
    if with_qr and not (cards.fit and len(head) + cards.least <= rows):
        size = "%dx%d" % _size_for_qr(state, columns, now, look)
        words = f"This terminal is too small for a QR code: that takes {size}."
        head = _wrapped([*_head(state, with_qr=False), Text(words, style="yellow")], columns)
        cards = Cards(state, columns, now, look, with_qr=False)
    # Where not even that has room, the addresses of server and broker are what nobody needs.
    return head[max(0, len(head) + cards.least - rows) :], cards


def _size_for_qr(state: State, columns: int, now: float, look: Look) -> tuple[int, int]:
    """Columns and rows of a terminal with room for QR codes: as wide as this one, or wider if that helps."""
    sizes = []
    for width in {max(columns, _CARD_COLUMNS), max(columns, _CARD_COLUMNS * len(state.devices))}:
        cards = Cards(state, width, now, look, with_qr=True)
        sizes.append((width, len(_wrapped(_head(state, with_qr=True), width)) + cards.least + 1))
    return min(sizes, key=lambda size: (size[1], size[0]))


def _head(state: State, *, with_qr: bool) -> list[Text]:
    """Where everything is, and what a person has to know."""
    head = Text.assemble(("pairlet demo", "bold"))
    for label, address in (("server", state.server), ("broker", state.broker)):
        if address:
            head = Text.assemble(head, "  ", (label, "dim"), " ", address)
    if not state.waiting:
        return [head]
    first, *others = state.waiting
    account = f"Sign in as {state.username} with the password {state.password}"
    if len(state.devices) > 1:
        return [head, Text(f"{account} and approve {'both devices' if others else first.name}")]
    # Beside a QR code there is no room for it in one piece.
    complete = [Text(f"Open  {first.verification_uri_complete}")] if with_qr else []
    return [head, *complete, Text(account)]


def _wrapped(lines: list[Text], columns: int) -> list[Text]:
    return [part for line in lines for part in line.wrap(_PLAIN, columns)]


def _display(state: State, columns: int, rows: int, look: Look) -> Display:
    """The largest picture of the board's display that has room, with two lines of the log at least."""
    pixels = next((pixels for device in state.devices if (pixels := device.pixels)), [])
    title = f"the board's display, {len(pixels[0])}x{len(pixels)}" if pixels else ""
    for draw, remark in ((half_blocks, ""), (braille, ", at half size")):
        lines = draw(pixels).split("\n") if pixels and look.blocks else []
        height, width = len(lines) + 2, len(lines[0]) + 2 if lines else 0
        beside = columns >= width + _LOG_COLUMNS
        if lines and columns >= width and rows >= height + (0 if beside else 2):
            text = Text("\n".join(lines), style=_DISPLAY_STYLE, no_wrap=True)
            panel = Panel(text, title=title + remark, title_align="left", padding=0, expand=False)
            return Display(height, width, beside, panel)
    return Display(0, 0, False, Text())


def _log(state: State, rows: int, columns: int) -> RenderableType:
    """What happened, in `rows` rows: with a frame if there is room for one."""
    framed = rows >= 4
    lines = list(state.log)[-(rows - 2 if framed else rows) :]
    text = Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")
    if not framed:
        return text
    return Panel(
        text, title="what happened", title_align="left", border_style="dim", width=columns, height=rows
    )
