"""Calling what a command of the owner's own does: a function in a module on the board."""

import asyncio

from pairlet.core.errors import CommandError

_TimeoutError = asyncio.TimeoutError  # noqa: UP041  MicroPython has it nowhere else


async def call(
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
