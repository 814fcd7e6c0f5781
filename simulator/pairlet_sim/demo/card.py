"""One device in the demo's picture: its code while it waits, then its token and its telemetry."""

from typing import NamedTuple

from pairlet.linux.qr import dark_ink, light_ink, matrix
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from .state import Device
from .words import PHASES, counted, number, time_left

_QUIET_ZONE = 2
_GAP = 3  # columns between QR code and words
_WORDS = 30  # columns that the words beside a QR code take at least
_LABEL = 7  # columns; the longest address on loopback has the other 29 of a narrow card
_VALUE_COLUMNS = 46  # of a name and its value; farther apart the eye loses the line


class Look(NamedTuple):
    """What a terminal can show: characters beyond ASCII, colours."""

    blocks: bool
    colors: bool


class Card:
    """A device within `columns` columns, frame included, at the monotonic time `now`.

    `with_qr`: draw the QR code, if the device waits for a person. `least` and `wanted`: rows with the frame.
    """

    def __init__(self, device: Device, columns: int, now: float, look: Look, *, with_qr: bool):
        self._device = device
        self._columns = columns - 4
        if device.phase == "waiting" and with_qr:
            qr = qr_lines(device.verification_uri_complete, look)
            self._lines = code_lines_with_qr(device, self._columns, now, qr)
        elif device.phase == "waiting":
            self._lines = code_lines(device, now) + complete_address(device, self._columns)
        else:
            self._lines = state_lines(device, self._columns, now, look)
        self.least = len(self._lines) + 2
        self.wanted = self.least + (len(device.values) if device.phase == "paired" else 0)

    @property
    def fits(self) -> bool:
        """Whether nothing is cut off at the side."""
        return all(len(line) <= self._columns for line in self._lines)

    def drawn(self, rows: int) -> Panel:
        """The card, `rows` high."""
        device = self._device
        lines = list(self._lines)
        if device.phase == "paired":
            lines += value_lines(device, self._columns, rows - self.least)
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        title = f"{device.name}, {device.about}" if device.about else device.name
        color = {"waiting": "yellow", "paired": "green", "denied": "red"}.get(device.phase, "blue")
        return Panel(Group(*lines), title=title, title_align="left", border_style=color, height=rows)


def qr_lines(address: str, look: Look) -> list[Text]:
    """A QR code, dark on light whatever the terminal's colours are; without any, as for a dark terminal."""
    modules = matrix(address)
    if look.colors:
        return [Text(row, style="black on white") for row in dark_ink(modules, _QUIET_ZONE)]
    return [Text(row) for row in light_ink(modules, _QUIET_ZONE)]


def code_lines_with_qr(device: Device, columns: int, now: float, qr: list[Text]) -> list[Text]:
    """How to approve a device: the words beside its QR code or, in a narrow card, below."""
    if columns < len(qr[0]) + _GAP + _WORDS:
        indent = " " * ((columns - len(qr[0])) // 2)
        return [Text.assemble(indent, line) for line in qr] + code_lines(device, now)
    words = _spacious_words(device, now)
    above = (len(qr) - len(words)) // 2
    words = [Text()] * above + words + [Text()] * (len(qr) - above - len(words))
    return [Text.assemble(line, " " * _GAP, beside) for line, beside in zip(qr, words, strict=True)]


def code_lines(device: Device, now: float) -> list[Text]:
    """How to approve a device, in two lines."""
    code = Text.assemble((device.user_code, "bold reverse"), "  ", _left(device, now))
    return [_row("open", Text(device.verification_uri)), _row("code", code)]


def complete_address(device: Device, columns: int) -> list[Text]:
    """The address that needs no code: a line, or none if it could not be copied in one piece."""
    line = _row("or", Text(device.verification_uri_complete))
    return [line] * (len(line) <= columns)


def _left(device: Device, now: float) -> tuple[str, str]:
    return time_left(device.code_ends, now) + " left", "dim"


def _spacious_words(device: Device, now: float) -> list[Text]:
    return [
        Text("Scan the QR code, or open"),
        Text(device.verification_uri),
        Text(),
        Text("and enter the code"),
        Text(),
        Text(" ".join(device.user_code), style="bold reverse"),
        Text(),
        Text.assemble(_left(device, now)),
    ]


def state_lines(device: Device, columns: int, now: float, look: Look) -> list[Text]:
    """What a device is doing, how long its token is good for, and what has arrived from it."""
    lines = [_row("state", Text(PHASES.get(device.phase, device.phase), style="bold"))]
    if not device.token_ends:
        return lines
    lines.append(_row("token", _token_life(device, columns - _LABEL, now, look)))
    lines.append(
        _row("broker", Text(f"{device.status or 'unknown'}, {counted(device.arrived, 'sample')} arrived"))
    )
    return lines


def _row(label: str, content: Text) -> Text:
    return Text.assemble((label.ljust(_LABEL), "dim"), content)


def _token_life(device: Device, columns: int, now: float, look: Look) -> Text:
    """A bar that gets shorter, and words behind it as long as there is room."""
    life = max(1.0, device.token_ends - device.token_issued)
    left = max(0.0, device.token_ends - now)
    words = f"{left:.0f} s left, refreshed {counted(device.refreshed, 'time')}"
    if columns < len(words) + 8:
        words = f"{left:.0f} s, refreshed {device.refreshed}x"
    bar = min(24, columns - len(words) - 1)
    full = round(bar * min(1.0, left / life))
    part = "━" if look.blocks else "="
    return Text.assemble((part * full, "green"), (part * (bar - full), "dim"), " ", words)


def value_lines(device: Device, columns: int, rows: int) -> list[Text]:
    """The last measured values in at most `rows` lines: one in each if that is enough, else in a row."""
    values = sorted(device.values.items())
    if len(values) <= rows:
        right = min(columns, _VALUE_COLUMNS)
        return [
            Text.assemble((name.ljust(right - len(shown)), "cyan"), shown)
            for name, value in values
            if (shown := " " + number(value))
        ]
    lines = [Text()]
    for name, value in values:
        piece = Text.assemble((name, "cyan"), " ", number(value))
        if lines[-1] and len(lines[-1]) + 2 + len(piece) > columns:
            lines.append(Text())
        lines[-1] = Text.assemble(lines[-1], "  " if lines[-1] else "", piece)
    return lines[:rows]
