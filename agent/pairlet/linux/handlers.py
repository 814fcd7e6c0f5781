"""Commands of the owner's own: functions in Python, each called at its own risk."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.command_error import CommandError
from ..core.handlers import handlers_of
from .own_function import Failed, OwnFunction, StillBusy
from .sensors import trust
from .sensors.function import load


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
        self._function = OwnFunction(function)

    async def call(self, arguments: dict[str, object]) -> object:
        try:
            return await self._function.call(arguments)
        except StillBusy:
            raise CommandError("busy", "its handler has not come back from an earlier call") from None
        except OSError:
            raise CommandError("failed", "the system gave no thread for its handler") from None
        except Failed as failure:
            if isinstance(failure.error, CommandError):
                raise failure.error from None
            raise CommandError("failed", f"its handler failed with {failure}") from None
