"""The way to drive a running board from outside: a Unix socket, one JSON object a line each way.

    {"button": 15, "pressed": true}      press or let go the button between pin 15 and ground
    {"pin": 3, "level": 1}               connect a pin to 0, 1 or nothing (null)
    {"adc": 26, "value": 0.5}            voltage at an analogue pin, as a part of its range
    {"temperature": 31.5}                degrees Celsius of the chip
    {"wifi": "off"}                      "on", "off" (connections fall silent) or "cut" (off, and they break)
    {"rssi": -80}                        strength of the access point, dBm
    {"time_server": 1767225600}          what NTP says from now on; "host": this machine's time; null: silence
    {"screenshot": "x.png", "scale": 4}  the display as a PNG file
    {"screen": "text"}                   the display in half blocks, in the answer's "text"
    {"reset": "power"}                   "soft", "hard" or "power"
    {"power": "off"}                     "off" or "on"
    {"skip_idle": false}                 go on skipping idle time (--skip-idle), or for now not
    {"type": "print(1)\\r"}               keys at the serial port
    {"state": true}                      what there is to know, in the answer

An answer is {"ok": true, ...} or {"ok": false, "error": "a sentence"}.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from .board import Board
from .settings import BoardError

_LINE = 64 * 1024

Arguments = dict[str, Any]


@contextlib.asynccontextmanager
async def control_socket(board: Board, path: Path) -> AsyncIterator[None]:
    """Take commands at `path` for as long as the block lasts. Raises BoardError if that is impossible."""
    _make_way(path)
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _talk(board, reader, writer)
        finally:
            connections.discard(task)
            writer.close()

    try:
        # Whoever may write here can read the board's secrets off its console: nobody else.
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(connected, path, limit=_LINE)
        finally:
            os.umask(before)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BoardError(f"{path} can't be made: {reason}.") from None
    try:
        yield
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        with contextlib.suppress(OSError):
            path.unlink()


def _make_way(path: Path) -> None:
    """Remove a socket that nobody listens at any more, and nothing else."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError:
            return
        else:
            raise BoardError(f"Another board listens at {path}.")


async def _talk(board: Board, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                line, reader = b"", asyncio.StreamReader()  # not JSON lines: answer once and hang up
                reader.feed_eof()
            writer.write(json.dumps(obey(board, line)).encode() + b"\n")
            await writer.drain()


def obey(board: Board, line: bytes | str) -> dict[str, Any]:
    """Carry out one line; the answer. Any line at all has one."""
    try:
        command = json.loads(line)
    except (ValueError, RecursionError):
        return _refused("That is no JSON.")
    if not isinstance(command, dict):
        return _refused("A command is a JSON object.")
    verbs = [name for name in command if name in _VERBS]
    if len(verbs) != 1:
        return _refused(f"A command has one of: {', '.join(_VERBS)}.")
    verb = verbs[0]
    try:
        return {"ok": True, **(_VERBS[verb](board, command.pop(verb), command) or {})}
    except BoardError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(f"That can't be written: {error.strerror}.")
    except (TypeError, ValueError, KeyError, OverflowError):
        return _refused(f"The values of {verb!r} are not what it takes.")


def _refused(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _button(board: Board, pin: Any, rest: Arguments) -> None:
    pressed = rest["pressed"]
    if not isinstance(pressed, bool):
        raise TypeError(pressed)
    (board.world.press if pressed else board.world.release)(_whole(pin))


def _wifi(board: Board, what: Any, rest: Arguments) -> None:
    if what == "on":
        board.world.wifi_on()
    else:
        board.world.wifi_off(reset={"off": False, "cut": True}[what])


def _time_server(board: Board, what: Any, rest: Arguments) -> None:
    here = board.world.registers.now()
    board.world.set_time_server(here if what == "host" else None if what is None else float(what))


def _skip_idle(board: Board, on: Any, rest: Arguments) -> None:
    if not isinstance(on, bool):
        raise TypeError(on)
    board.skip_idle(on)


def _screenshot(board: Board, name: Any, rest: Arguments) -> dict[str, Any]:
    scale = _whole(rest.get("scale", 4))
    if not 1 <= scale <= 64 or not isinstance(name, str) or not name:
        raise ValueError(scale)
    path = Path(name)
    path.write_bytes(board.look().screenshot(scale))
    return {"file": str(path.resolve())}


def _power(board: Board, what: Any, rest: Arguments) -> None:
    {"off": board.power_cut, "on": board.power_on}[what]()


def _type(board: Board, keys: Any, rest: Arguments) -> None:
    if not isinstance(keys, str):
        raise TypeError(keys)
    board.type(keys.encode())


def _screen(board: Board, what: Any, rest: Arguments) -> dict[str, Any]:
    return {"text": board.look().screen_text()}


_VERBS: dict[str, Callable[[Board, Any, Arguments], dict[str, Any] | None]] = {
    "button": _button,
    "pin": lambda board, pin, rest: board.world.set_pin(_whole(pin), rest["level"]),
    "adc": lambda board, pin, rest: board.world.set_adc(_whole(pin), float(rest["value"])),
    "temperature": lambda board, degrees, rest: board.world.set_temperature(float(degrees)),
    "wifi": _wifi,
    "rssi": lambda board, dbm, rest: board.world.set_rssi(_whole(dbm)),
    "time_server": _time_server,
    "screenshot": _screenshot,
    "screen": _screen,
    "reset": lambda board, kind, rest: board.reset(kind),
    "power": _power,
    "skip_idle": _skip_idle,
    "type": _type,
    "state": lambda board, what, rest: board.state(),
}
