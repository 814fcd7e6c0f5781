"""`pairlet sim board`: its options, and the board's life until a signal."""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from .board import Board
from .control import control_socket
from .places import check_places
from .settings import PROFILES, BoardError, Settings

_REDRAW_S = 0.2
_CAUSES = {1: "power", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}
_DISPLAYS = {"128x64": (128, 64), "128x32": (128, 32), "none": None}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options, for `--help` and for `settings`."""
    parser.description = (
        "A small board on this machine: a real MicroPython with flash, display, pins and Wi-Fi. "
        "Its serial port is a pseudo-terminal that mpremote and others take for a board's."
    )
    parser.epilog = (
        "example:\n  pairlet sim board --flash board.bin --link /tmp/board --show\n"
        "  pairlet flash /tmp/board        in another terminal"
    )
    board = parser.add_argument_group("what it is")
    board.add_argument("--profile", choices=PROFILES, default="picow",
                       help="the chip, with its heap and its clock (default: %(default)s)")  # fmt: skip
    board.add_argument("--flash", type=Path, metavar="FILE", help="its flash (default: a new one, not kept)")
    board.add_argument("--size", type=_bytes, metavar="BYTES", default=868_352,
                       help="bytes of flash, as 848k (default: %(default)s)")  # fmt: skip
    board.add_argument(
        "--heap", type=_bytes, metavar="BYTES",
        help="bytes that a program finds free, as 187k (default: as the hardware)",
    )
    board.add_argument("--oled", choices=_DISPLAYS, default="128x64",
                       help="the display (default: %(default)s)")  # fmt: skip
    board.add_argument("--micropython", type=Path, metavar="PATH",
                       help="the interpreter (default: $MICROPYTHON, the checkout's, PATH's)")  # fmt: skip
    world = parser.add_argument_group("the world around it")
    world.add_argument("--wifi", action="append", default=[], metavar="SSID:KEYFILE",
                       help="an access point, its key the first line of KEYFILE; may be repeated "
                       "(default: any SSID and key will do)")  # fmt: skip
    world.add_argument("--link", type=Path, metavar="PATH", help="a name that leads to the serial port")
    world.add_argument("--control", type=Path, metavar="SOCKET",
                       help="take JSON lines there: buttons, sensors, Wi-Fi, power, screenshots")  # fmt: skip
    world.add_argument("--skip-idle", action="store_true",
                       help="while its program only waits, let its clock jump instead")  # fmt: skip
    world.add_argument("--trace", type=Path, metavar="FILE", help="note every write to the flash in FILE")
    seen = parser.add_argument_group("what can be seen")
    seen.add_argument("--png", type=Path, metavar="FILE", help="keep a picture of the display there")
    seen.add_argument("--scale", type=_scale, metavar="N", default=4,
                      help="its pixels a pixel of the display, 1 to 64 (default: %(default)s)")  # fmt: skip
    seen.add_argument("--show", action="store_true", help="draw the display in this terminal")
    parser.add_argument("--json", action="store_true", help="one JSON line for each start, nothing else")


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([kKmM]?)", text)
    if not match:
        raise argparse.ArgumentTypeError("it takes a number of bytes, perhaps with k or m behind it")
    return int(match[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[match[2].lower()]


def _scale(text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text) or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("it takes a whole number from 1 to 64")
    return int(text)


def settings(options: argparse.Namespace) -> Settings:
    """The board that the options ask for. Raises BoardError with a sentence."""
    return Settings(
        profile=options.profile,
        flash=options.flash,
        size=options.size,
        heap=options.heap,
        networks=dict(map(_network, options.wifi)) if options.wifi else None,
        oled=_DISPLAYS[options.oled],
        trace=options.trace,
        link=options.link,
        skip_idle=options.skip_idle,
        micropython=options.micropython,
    )


def _network(word: str) -> tuple[str, str]:
    ssid, colon, name = word.rpartition(":")
    if not colon or not ssid or not name:
        raise BoardError("--wifi wants SSID:KEYFILE; the key itself has no place on a command line.")
    try:
        key = Path(name).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BoardError(f"{name} can't be read: {reason}.") from None
    return ssid, key


async def serve(options: argparse.Namespace, stopped: "asyncio.Future[int]") -> int:
    """Run the board until `stopped` has an exit code. Raises BoardError if it can't be made or dies."""
    check_places(
        flash=options.flash,
        trace=options.trace,
        link=options.link,
        control=options.control,
        png=options.png,
    )
    news = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        board = await stack.enter_async_context(Board(settings(options), changed=news.set))
        if options.control:
            await stack.enter_async_context(control_socket(board, options.control))
        _announce(options, board)
        if options.show:
            # Everything from the first line on is the picture's, until the end.
            sys.stdout.write("\x1b[2J")
        tasks: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(task) for task in (_watch(board, options), _draw(board, options, news))
        ]
        try:
            await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            return stopped.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _announce(options: argparse.Namespace, board: Board) -> None:
    if options.json:
        _print_json(
            "ready",
            serial=str(options.link or board.serial_path),
            profile=options.profile,
            control=str(options.control) if options.control else None,
        )
        return
    port = options.link or board.serial_path
    lines = [
        f"The board is ready: {port}",
        "",
        f"  mpremote connect {port}           talk to it",
        f"  mpremote connect {port} cp -r . : copy files onto it",
    ]
    if options.control:
        lines.append(f"  {options.control}   takes JSON lines")
    end = "Ctrl-C ends it; its flash stays." if options.flash else "Ctrl-C ends it."
    print("\n".join([*lines, "", end]), flush=True)


async def _watch(board: Board, options: argparse.Namespace) -> None:
    """Tell of starts; BoardError when the board has died."""
    told = 0

    def started_anew() -> bool:
        return board.boots > told

    while True:
        await board.until(started_anew, timeout=1e9)
        told = board.boots
        cause = _CAUSES.get(board.reset_cause, "unknown")
        if options.json:
            _print_json("boot", boots=told, cause=cause)
        elif cause in ("watchdog", "deep sleep"):
            print(f"The board started anew: {cause}.", file=sys.stderr, flush=True)


async def _draw(board: Board, options: argparse.Namespace, news: asyncio.Event) -> None:
    """Keep picture and terminal as the display is, a few times a second at most."""
    news.set()
    while True:
        await news.wait()
        news.clear()
        if options.png and board.world.display:
            _write_picture(options.png, board.look().screenshot(options.scale))
        if options.show and board.world.display:
            sys.stdout.write("\x1b[H" + board.look().screen_text().replace("\n", "\x1b[K\r\n") + "\x1b[K\r\n")
            sys.stdout.flush()
        await asyncio.sleep(_REDRAW_S)


def _write_picture(path: Path, data: bytes) -> None:
    """Replace the file in one step: whoever looks at it never sees half a picture."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(data)
        os.replace(new, path)
    except OSError as error:
        raise BoardError(f"{path} can't be written: {error.strerror}.") from None


def _print_json(event: str, **values: Any) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps({"event": event, "at": at, **values}), flush=True)
