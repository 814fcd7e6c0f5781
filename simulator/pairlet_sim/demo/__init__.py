"""`pairlet demo`: the whole story on loopback, with no hardware and no account."""

import argparse
import asyncio
import re
import signal
import sys

from pairlet.linux.grammar import Parser, examples

from ..command_line import run_to_end

_USAGE, _NETWORK, _NOBODY_CAME, _INTERRUPTED = 2, 5, 4, 130


def command(words: list[str]) -> int:
    """Run the demo.

    Exit codes: 0 done, 2 usage or a missing part, 4 nobody approved in time, 5 network, 8 disk, 130 Ctrl-C.
    """
    arguments = parser().parse_args(words)
    # Reading the libraries takes a second in which there is nothing to tidy up, and an import can
    # swallow a KeyboardInterrupt: until then Ctrl-C simply ends the process.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        # Here and not above: without the extra there would be no --help either.
        from .board_device import find_parts
        from .error import DemoError
        from .story import Story
        from .view import open_view
    except ImportError as error:
        print(f"pairlet: the demo needs a package that is not installed: {error.name}", file=sys.stderr)
        print("Install it with: pip install 'pairlet[simulator]'", file=sys.stderr)
        return _USAGE
    finally:
        signal.signal(signal.SIGINT, before)

    async def play() -> int:
        story = Story(
            port=arguments.port,
            approve=arguments.approve,
            open_browser=arguments.browser and arguments.approve == "person",
            limit_s=arguments.limit,
            board=parts,
        )
        _end_on_signals()
        with open_view(sys.stdout, story.state) as view:
            await story.play(view)
        return 0 if story.state.complete else _NOBODY_CAME

    try:
        parts = find_parts() if arguments.board else None
        return run_to_end(play())
    except DemoError as error:
        print(f"pairlet: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nThe demo is over; nothing is left running.", file=sys.stderr)
        return _INTERRUPTED


def _end_on_signals() -> None:
    """A person's Ctrl-C and a supervisor's SIGTERM end the demo alike, and a second one ends it no faster."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end() -> None:
        for name in ends:
            loop.add_signal_handler(name, lambda: None)
        task.cancel()

    for name in ends:
        loop.add_signal_handler(name, end)


def parser() -> argparse.ArgumentParser:
    """The parser of `pairlet demo`."""
    top = Parser(
        prog="pairlet demo",
        description="Starts an authorization server and an MQTT broker on this machine, pairs a real agent "
        "with an account on real web pages, and shows its telemetry arriving. With --board a board does "
        "the same beside it.",
        epilog=examples("pairlet demo --approve auto --for 60s"),
    )
    top.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help="port that the authorization server listens on (default: 8628, or a free one if that is taken)",
    )
    top.add_argument(
        "--board",
        action="store_true",
        help="a board as well: the firmware in a virtual Pico W with a real MicroPython and a display",
    )
    top.add_argument(
        "--no-browser", dest="browser", action="store_false", help="don't open the page in a browser"
    )
    top.add_argument(
        "--approve",
        choices=("auto", "person"),
        default="person",
        help="auto: a simulated person walks the pages; person: you do (default: %(default)s)",
    )
    top.add_argument(
        "--for",
        dest="limit",
        type=_duration,
        metavar="60s",
        help="end after this long (30s, 5m; default: never)",
    )
    return top


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: use 1 to 65535")
    return int(text)


def _duration(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?)(s|m|h|)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a duration: write 30s, 5m or 1h")
    return float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]]
