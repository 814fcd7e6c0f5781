"""Commands of the owner's own: functions in Python, each called at its own risk."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.command_error import CommandError
from ..core.handlers import handlers_of
from .log.faults import frames
from .sensors import trust
from .sensors.function import load
from .worker import in_thread


class FunctionHandlers:
    """The port Handlers: `words` as commands.handlers has them, MODULE:FUNCTION or NAME=MODULE:FUNCTION.

    A plain function is called in a thread of its own, so that it may take its time; a coroutine
    function is awaited in the loop, so it must not block. Either has `timeout_s`.
    `file`: pairlet.toml, None if there is none; modules are looked for in its folder, too.
    """

    def __init__(self, words: list[str], timeout_s: float, file: Path | None):
        """This imports the modules. Raises ConfigError."""
        folder = (file.parent if file else Path()).absolute()
        if file is not None:
            trust.check_file(file)
        self._timeout_s = timeout_s
        self._handlers = {
            name: _Handler(load(f"the handler {module}:{function}", module, function, folder))
            for name, module, function in handlers_of(words)
        }

    def names(self) -> list[str]:
        """See pairlet.ports.Handlers."""
        return list(self._handlers)

    async def call(self, name: str, arguments: dict[str, object]) -> object:
        """See pairlet.ports.Handlers."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._handlers[name].call(arguments)
        except TimeoutError:
            raise CommandError("timeout", f"its handler took longer than {self._timeout_s:g} s") from None


class _Handler:
    def __init__(self, function: Callable[[dict[str, object]], Any]):
        self._function = function
        self._in_use = threading.Lock()

    async def call(self, arguments: dict[str, object]) -> object:
        if inspect.iscoroutinefunction(self._function):
            try:
                return await self._function(arguments)
            except TimeoutError:
                # Its own is no time-out of ours.
                raise CommandError("failed", "its handler failed with TimeoutError") from None
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                raise _failed(error) from None
        # A thread can't be ended: one that hangs is left alone, and never joined by a second one.
        if not self._in_use.acquire(blocking=False):
            raise CommandError("busy", "its handler has not come back from an earlier call")
        try:
            result, failure = await in_thread(self._work, arguments)
        except OSError:
            self._in_use.release()
            raise CommandError("failed", "the system gave no thread for its handler") from None
        if failure is not None:
            raise _failed(failure)
        return result

    def _work(self, arguments: dict[str, object]) -> tuple[object, BaseException | None]:
        try:
            return self._function(arguments), None
        except BaseException as error:
            return None, error
        finally:
            self._in_use.release()


def _failed(error: BaseException) -> CommandError:
    if isinstance(error, CommandError):
        return error
    # Its text may be anything, a password as well; its kind and its place are not.
    return CommandError("failed", f"its handler failed with {type(error).__name__} at {frames(error)[0]}")
