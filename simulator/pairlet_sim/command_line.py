"""What the commands of `pairlet sim` have in common: exit codes, options, signals, lines on stdout.

Exit codes as everywhere in Pairlet: 0 done (also after SIGTERM), 2 usage, 5 network (a port in use),
6 something failed, 7 certificate, 130 Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

# Of seconds it is thirty years.
_MOST = 1_000_000_000

DONE, USAGE, NETWORK, FAILED, IDENTITY, INTERRUPTED = 0, 2, 5, 6, 7, 130


class CommandError(Exception):
    """Ends a command: the text is one sentence for people, `exit_code` is for scripts."""

    def __init__(self, sentence: str, exit_code: int = USAGE):
        super().__init__(sentence)
        self.exit_code = exit_code


def port(text: str) -> int:
    """A port, for argparse; 0 is one, too."""
    number = _number(text, int)
    if number is None or not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(number)


def whole(text: str) -> int:
    """A whole number from 1 upwards, for argparse."""
    number = _number(text, int)
    if number is None or not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"it takes a whole number from 1 to {_MOST}")
    return int(number)


def seconds(text: str) -> float:
    """A number of seconds from 0 upwards, for argparse."""
    number = _number(text, float)
    if number is None or not 0 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"it takes a number of seconds from 0 to {_MOST}")
    return number


def _number(text: str, kind: Callable[[str], float]) -> float | None:
    """What is written in ASCII and is not longer than any number that makes sense; None else."""
    try:
        return kind(text) if text.isascii() and len(text) <= 20 else None
    except ValueError:
        return None


def first_line(path: str) -> str:
    """The secret in the file at `path`. Raises CommandError."""
    try:
        with open(path, encoding="utf-8") as file:
            line = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CommandError(f"{path} can't be read: {reason}.") from None
    if not line:
        raise CommandError(f"{path} is empty; its first line must be the secret.")
    return line


def add_place(parser: argparse.ArgumentParser, default_port: int) -> Any:
    """The options that say where a server listens; check_host() judges them. Returns their group."""
    place = parser.add_argument_group("where it listens")
    place.add_argument(
        "--host", metavar="ADDR", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    place.add_argument(
        "--port",
        type=port,
        metavar="PORT",
        default=default_port,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    place.add_argument("--allow-remote", action="store_true", help="allow an address other machines reach")
    return place


def check_host(host: str, allowed: bool) -> None:
    """Raise CommandError when `host` can be reached from other machines and nobody has allowed that."""
    from .authserver.settings import is_loopback

    if not is_loopback(host) and not allowed:
        raise CommandError(f"{host} can be reached from other machines; add --allow-remote to do that.")


def print_json(event: str, values: dict[str, Any]) -> None:
    """One event as a line of JSON, with the time (RFC 3339)."""
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print_text(json.dumps({"event": event, "at": at, **values}))


def print_text(text: str) -> None:
    """Lines on stdout, at once. When nobody takes them any more, they go nowhere and the work goes on."""
    try:
        print(text, flush=True)
    except OSError:  # a pipe without a reader, a full disk
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def run_to_end(work: Coroutine[Any, Any, int]) -> int:
    """What `work` returns, in an event loop of its own."""
    try:
        return asyncio.run(work)
    finally:
        work.close()  # after a Ctrl-C before its first step, of which Python would tell at length


@contextlib.contextmanager
def signals() -> Iterator[asyncio.Future[int]]:
    """A future that Ctrl-C, or a terminal that is closed, ends with 130 and SIGTERM with 0.

    In place before a command says that it is ready: whoever reads that may stop it at once.
    """
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(exit_code: int) -> None:
        if not stopped.done():
            stopped.set_result(exit_code)

    ends = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: DONE}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        ends[signal.SIGHUP] = INTERRUPTED
    for number, exit_code in ends.items():
        loop.add_signal_handler(number, stop, exit_code)
    try:
        yield stopped
    finally:
        for number in ends:
            loop.remove_signal_handler(number)
