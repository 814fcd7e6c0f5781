"""Commands of the owner's own: functions in modules on the board."""

import asyncio

from pairlet.core.command_error import CommandError
from pairlet.core.handlers import handlers_of

_TimeoutError = asyncio.TimeoutError  # noqa: UP041  MicroPython has it nowhere else


class Handlers:
    """The port Handlers: functions in modules on the board, `words` as commands.handlers has them."""

    def __init__(self, words: "list[str]", timeout_ms: int):
        """Raises ConfigError. No module of the owner's is read in before its command comes."""
        self._handlers = handlers_of(words)
        self._timeout_ms = timeout_ms

    def names(self) -> "list[str]":
        """See pairlet.ports.Handlers."""
        return [handler[0] for handler in self._handlers]

    async def call(self, name: str, arguments: "dict[str, object]") -> object:
        """See pairlet.ports.Handlers."""
        for command, module_name, function_name in self._handlers:
            if command == name:
                return await _call(module_name, function_name, arguments, self._timeout_ms)
        return None


async def _call(
    module_name: str, function_name: str, arguments: "dict[str, object]", timeout_ms: int
) -> object:
    """Call the function with `arguments`, await it if it is a coroutine function; what it returns.

    CommandError whatever it raises, and when it takes longer than `timeout_ms`: a plain function can't be
    interrupted, and holds up everything while it works.
    """
    try:
        module = __import__(module_name)
        for part in module_name.split(".")[1:]:
            module = getattr(module, part)
        result = getattr(module, function_name)(arguments)
        if hasattr(result, "send"):
            result = await asyncio.wait_for(result, timeout_ms / 1000)
        return result
    except CommandError:
        raise
    except _TimeoutError:
        raise CommandError("timeout", "its handler took longer than %d ms" % timeout_ms) from None
    except Exception as error:
        # Its text may be anything, a password as well.
        raise CommandError("failed", "its handler failed with " + type(error).__name__) from None
