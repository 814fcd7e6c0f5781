"""The command `pairlet`: from the command line to an exit code."""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine

from ..core.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, PairletError
from ..events import tell_error
from .log import faults
from .log.lines import log_to
from .options import parser
from .output import Output

_log = logging.getLogger("pairlet")

# Commands that come with the extra `simulator`, found by name so that the agent never imports it.
_ELSEWHERE = ("demo", "sim")


def main(words: list[str]) -> int:
    """Run one command; return its exit code (see pairlet --help)."""
    try:
        if words and words[0] in _ELSEWHERE:
            return _elsewhere(words[0], words[1:])
        return _run(words)
    except KeyboardInterrupt:
        # Also while modules are read, which takes longest in the simulator.
        return EXIT_INTERRUPTED


def _run(words: list[str]) -> int:
    arguments = parser().parse_args(words)
    output = Output(arguments.json, sys.stdout, sys.stderr)
    with faults.watched(), log_to(sys.stderr, arguments.log_level, arguments.log_format):
        try:
            return _command(arguments, output)
        except PairletError as error:
            return _failed(error, output)
        except KeyboardInterrupt:
            output.say("")
            return EXIT_INTERRUPTED
        except Exception as error:
            _log.debug("a fault", exc_info=error)
            return _failed(faults.fault(error), output)


def _command(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.command == "init":
        from .commands_init import init

        _raise_on_ctrl_c()
        return init(arguments, output)
    if arguments.command == "flash":
        from .commands_flash import flash

        _raise_on_ctrl_c()
        return flash(arguments, output)
    if arguments.command == "service":
        from .commands_service import service

        _raise_on_ctrl_c()
        return service(arguments, output)
    if arguments.command == "status":
        from .commands_status import status as command
    elif arguments.command == "doctor":
        from .commands_doctor import doctor as command
    elif arguments.command == "unpair":
        from .commands_unpair import unpair as command
    elif arguments.command in ("token", "exec"):
        from .commands_token import COMMANDS

        command = COMMANDS[arguments.command]
    elif arguments.command in ("forget", "reset"):
        from .commands_broker import COMMANDS

        command = COMMANDS[arguments.command]
    else:
        from .commands import COMMANDS

        command = COMMANDS[arguments.command]
    stopped = Stop(arguments.command == "run", output.say)
    return asyncio.run(stopped.guard(command(arguments, output)))


def _raise_on_ctrl_c() -> None:
    """From now on there is something to tidy up. (Until then Ctrl-C ends the process, see start.py.)"""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _failed(error: PairletError, output: Output) -> int:
    """Say how a command ended, to people and to whoever reads its events or its log."""
    if output.last_event not in _TOLD_BY_EVENT:
        tell_error(output.event, error)
    # Who asked for no log reads it below.
    if _log.isEnabledFor(logging.WARNING):
        _log.error("%s. %s", error, error.advice, extra={"fields": {"exit_code": error.exit_code}})
    output.error(error)
    return error.exit_code


# Denied and expired are events of their own; saying them again as an error would count them twice.
_TOLD_BY_EVENT = ("denied", "expired")


# All that a command may still have to do: an answer under way, and a farewell to the broker.
_ORDERLY_S = 10


class Stop:
    """Turns SIGTERM, SIGINT and SIGHUP (the terminal is gone) into an orderly end: exit code 130, or 0 for
    SIGTERM where that is normal.

    Asking again makes it no faster: the server may be answering a refresh right now, and without that
    answer the pairing could be lost. After ten seconds another Ctrl-C ends it at once all the same.
    """

    def __init__(self, quietly: bool, say: Callable[[str], None]):
        self._exit_codes = {signal.SIGTERM: EXIT_DONE if quietly else EXIT_INTERRUPTED}
        self._say = say
        self._asked: tuple[int, float] | None = None

    async def guard(self, command: Coroutine[object, object, int]) -> int:
        """Await `command`; a signal cancels it, and it cleans up behind itself."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def stop(number: int, _frame: object) -> None:
            if loop.is_closed():
                return  # the command has ended, and its exit code stands
            # By the loop, which wakes up for it: whatever is being written right now comes first.
            if self._is_first(number):
                loop.call_soon_threadsafe(task.cancel)
            elif number == signal.SIGINT:
                loop.call_soon_threadsafe(self._say, f"pairlet: stopping, within {_ORDERLY_S} s")

        # Not loop.add_signal_handler: a loop that is held up would never hear of it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(signal.SIGHUP, stop)
        loop.set_exception_handler(faults.heard_by_loop)
        try:
            return await command
        except asyncio.CancelledError:
            if self._asked is None:
                raise
            if self._asked[0] == signal.SIGINT:
                self._say("")  # the terminal has written ^C
            return self._exit_codes.get(signal.Signals(self._asked[0]), EXIT_INTERRUPTED)
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # Else the loop, when it is closed, leaves a button behind that ends the process.
            loop.remove_signal_handler(signal.SIGUSR1)
            signal.signal(signal.SIGUSR1, lambda _number, _frame: None)

    def _is_first(self, number: int) -> bool:
        """Whether this is the first signal. KeyboardInterrupt if that was long ago."""
        now = time.monotonic()
        if self._asked is None:
            self._asked = (number, now)
            return True
        if number == signal.SIGINT and now - self._asked[1] > _ORDERLY_S:
            raise KeyboardInterrupt
        return False


def _elsewhere(name: str, words: list[str]) -> int:
    from importlib.metadata import entry_points

    found: list[Callable[[list[str]], int]] = []
    try:
        for point in entry_points(group="pairlet.commands", name=name):
            found.append(point.load())
    except ImportError as error:
        print(f"pairlet: {name} needs a package that is not installed: {error.name}", file=sys.stderr)
    if not found:
        print("Install it with: pip install 'pairlet[simulator]'", file=sys.stderr)
        return EXIT_USAGE
    _raise_on_ctrl_c()
    if sys.stdout is None:
        sys.stdout = sys.stderr  # what is there to be read goes nowhere, or where people read
    return found[0](words)
