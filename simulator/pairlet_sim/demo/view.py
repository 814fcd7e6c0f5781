"""The demo on a screen: a live picture in a terminal, lines elsewhere."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live

from .picture import picture
from .state import Device, State
from .story import View
from .terminal import Terminal, terminal_of
from .words import counted, number


@contextlib.contextmanager
def open_view(stream: TextIO, state: State) -> Iterator[View]:
    """A view of `state` on `stream`: live when that is a terminal that can be drawn on."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with terminal_of(stream) as terminal:
            console = Console(file=cast(TextIO, terminal))
            with Live(console=console, auto_refresh=False, screen=False) as live:
                yield LiveView(live, terminal, state)
            terminal.write("\n".join([*summary(state), ""]))
    else:
        lines = LineView(stream, state)
        yield lines
        for line in summary(state):
            lines.say(line)


def summary(state: State) -> list[str]:
    """What was seen, a line for each device."""
    return [
        f"{device.prefix}{'paired' if device.token_issued else 'not paired'}, "
        f"{counted(device.arrived, 'sample')} arrived, token refreshed {counted(device.refreshed, 'time')}"
        for device in state.devices
    ]


class LineView:
    """One line for each thing that happens. A reader that has gone is not an error."""

    def __init__(self, stream: TextIO, state: State):
        self._stream = stream
        self._state = state
        self._server = ""
        self._codes: dict[str, str] = {}
        self._arrived: dict[str, int] = {}

    def update(self) -> None:
        """Print what is new."""
        state = self._state
        if state.server and not self._server:
            self._server = state.server
            self.say(f"authorization server: {state.server}   broker: {state.broker}")
        while state.log:
            self.say(state.log.popleft())
        for device in state.devices:
            for line in [*self._new_code(device), *self._new_sample(device)]:
                self.say(line)

    def _new_code(self, device: Device) -> list[str]:
        """What the person has to do now, if that has changed."""
        if device.user_code == self._codes.get(device.device_id, ""):
            return []
        self._codes[device.device_id] = device.user_code
        state = self._state
        return [
            "",
            *([f"To approve {device.name}:"] if len(state.devices) > 1 else []),
            f"Open  {device.verification_uri_complete}",
            f"or go to {device.verification_uri} and enter {device.user_code}",
            f"Sign in as {state.username} with the password {state.password}",
            "",
        ]

    def _new_sample(self, device: Device) -> list[str]:
        if device.arrived == self._arrived.get(device.device_id, 0):
            return []
        self._arrived[device.device_id] = device.arrived
        values = "  ".join(f"{name} {number(value)}" for name, value in sorted(device.values.items()))
        return [time.strftime("%H:%M:%S ") + f"{device.prefix}telemetry {device.arrived}: {values}"]

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

    def __init__(self, live: Live, terminal: Terminal, state: State):
        self._live = live
        self._terminal = terminal
        self._state = state

    def update(self) -> None:
        """Redraw, unless the terminal has not yet taken the last picture."""
        if self._terminal.ready:
            drawn = picture(self._state, self._live.console, time.monotonic())
            self._live.update(drawn, refresh=True)
