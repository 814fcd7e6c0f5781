"""The demo on a screen: a live picture in a terminal, lines elsewhere."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TextIO

from pairlet.linux.qr import dark_ink, matrix
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .state import State
from .story import View

_PHASES = {
    "starting": "the device asks the server for a code",
    "waiting": "the device waits for a person",
    "paired": "paired",
    "denied": "denied",
}


@contextlib.contextmanager
def open_view(stream: TextIO, state: State) -> Iterator[View]:
    """A view of `state` on `stream`: live when that is a terminal that can be drawn on."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        console = Console(file=stream)
        with Live(console=console, auto_refresh=False, screen=False) as live:
            yield LiveView(live, console, state)
        print(summary(state), file=stream)
    else:
        lines = LineView(stream, state)
        yield lines
        lines.say(summary(state))


def summary(state: State) -> str:
    """What was seen, in one line."""
    paired = "paired" if state.token_issued else "not paired"
    return f"{paired}, {state.arrived} samples arrived, token refreshed {state.refreshed} times"


def how_to_approve(state: State) -> list[str]:
    """What the person has to do now."""
    return [
        f"Open  {state.verification_uri_complete}",
        f"or go to {state.verification_uri} and enter {state.user_code}",
        f"Sign in as {state.username} with the password {state.password}",
    ]


class LineView:
    """One line for each thing that happens. A reader that has gone is not an error."""

    def __init__(self, stream: TextIO, state: State):
        self._stream = stream
        self._state = state
        self._said = 0
        self._server = ""
        self._code = ""
        self._arrived = 0

    def update(self) -> None:
        """Print what is new."""
        state = self._state
        lines = []
        if state.server and not self._server:
            self._server = state.server
            lines.append(f"authorization server: {state.server}   broker: {state.broker}")
        while state.log:
            lines.append(state.log.popleft())
        if state.user_code != self._code:
            self._code = state.user_code
            lines += ["", *how_to_approve(state), ""]
        if state.arrived > self._arrived:
            self._arrived = state.arrived
            values = "  ".join(f"{name} {_number(value)}" for name, value in sorted(state.values.items()))
            lines.append(time.strftime("%H:%M:%S ") + f"telemetry {state.arrived}: {values}")
        for line in lines:
            self.say(line)

    def say(self, line: str) -> None:
        """Print a line."""
        encoding = self._stream.encoding or "ascii"
        try:
            print(line.encode(encoding, "replace").decode(encoding), file=self._stream, flush=True)
        except (OSError, ValueError):
            # Python would complain once more when it flushes at exit.
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())


class LiveView:
    """A picture that is redrawn in place."""

    def __init__(self, live: Live, console: Console, state: State):
        self._live = live
        self._console = console
        self._state = state

    def update(self) -> None:
        """Redraw."""
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        state = self._state
        parts: list[RenderableType] = [self._headline()]
        if state.phase == "waiting":
            parts.append(self._code())
        elif state.values:
            parts.append(self._telemetry())
        parts.append(self._log())
        return Group(*parts)

    def _headline(self) -> RenderableType:
        state = self._state
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        table.add_row("server", state.server)
        table.add_row("broker", state.broker + "  (demo only)" if state.broker else "")
        table.add_row("device", Text(_PHASES.get(state.phase, state.phase), style="bold"))
        if state.token_ends:
            table.add_row("token", self._token_life())
            table.add_row("status", f"{state.status or 'unknown'}  ({state.arrived} samples arrived)")
        return Panel(table, title="pairlet demo", title_align="left", border_style="blue")

    def _token_life(self) -> RenderableType:
        state = self._state
        life = max(1.0, state.token_ends - state.token_issued)
        left = max(0.0, state.token_ends - time.monotonic())
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=life, completed=left, width=24),
            f"{left:.0f} s left, refreshed {state.refreshed} times",
        )
        return row

    def _code(self) -> RenderableType:
        state = self._state
        left = max(0, int(state.code_ends - time.monotonic()))
        words = Text("\n".join(how_to_approve(state)))
        code = Text(" ".join(state.user_code), style="bold reverse")
        timer = Text(f"valid for {left // 60}:{left % 60:02d}", style="dim")
        text = Group(words, Text(), code, Text(), timer)
        rows = dark_ink(matrix(state.verification_uri_complete), 2)
        fits = self._console.width >= len(rows[0]) + 46 and self._console.height >= len(rows) + 14
        if not fits:
            return Panel(text, title="approve this device", title_align="left")
        qr = Text("\n".join(rows), style="black on white", no_wrap=True)
        grid = Table.grid(padding=(0, 3))
        grid.add_row(qr, Align(text, vertical="middle"))
        return Panel(grid, title="approve this device", title_align="left")

    def _telemetry(self) -> RenderableType:
        table = Table(box=None, show_header=False, padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(justify="right")
        for name, value in sorted(self._state.values.items()):
            table.add_row(name, _number(value))
        return Panel(table, title="telemetry as the broker gets it", title_align="left")

    def _log(self) -> RenderableType:
        lines = list(self._state.log)[-8:]
        text = Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")
        return Panel(text, title="what happened", title_align="left", border_style="dim")


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
