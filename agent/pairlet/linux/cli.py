"""The command `pairlet`: from the command line to an exit code."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine

from ..core.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, PairletError
from ..events import tell_error
from .options import parser
from .output import Output

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
    try:
        if arguments.command == "flash":
            from .commands_flash import flash

            return flash(arguments, output)
        from .commands import COMMANDS

        stopped = Stop(quietly=arguments.command == "run")
        return asyncio.run(stopped.guard(COMMANDS[arguments.command](arguments, output)))
    except PairletError as error:
        if output.last_event not in _TOLD_BY_EVENT:
            tell_error(output.event, error)
        output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        output.say("")
        return EXIT_INTERRUPTED


# Denied and expired are events of their own; saying them again as an error would count them twice.
_TOLD_BY_EVENT = ("denied", "expired")


class Stop:
    """Turns SIGTERM into an orderly end: exit code 0 where stopping is the normal end, else 130."""

    def __init__(self, quietly: bool):
        self._exit_code = EXIT_DONE if quietly else EXIT_INTERRUPTED
        self._asked = False

    async def guard(self, command: Coroutine[object, object, int]) -> int:
        """Await `command`; a SIGTERM cancels it, and it cleans up behind itself."""
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            self._asked = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        try:
            return await command
        except asyncio.CancelledError:
            if self._asked:
                return self._exit_code
            raise


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
    return found[0](words)
