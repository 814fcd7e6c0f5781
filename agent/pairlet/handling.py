"""Commands of the owner's own: each works by itself, so that one that hangs holds up nothing else."""

import asyncio

from .commanding import answer, remember
from .core.command_error import CommandError
from .core.handlers import check_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.command import Command
    from .downlink import Downlink

# How many may be at work at once.
_MOST = 4


def begin(downlink: "Downlink", command: "Command") -> None:
    """Have the handler of `command` work, and answer when it has ended. Raises CommandError."""
    if command.name in downlink.running or len(downlink.running) >= _MOST:
        raise CommandError("busy", "an earlier one is still at work; send it again later")
    remember(downlink, command, None)
    downlink.running.append(command.name)
    downlink.tasks = [task for task in downlink.tasks if not task.done()]
    downlink.tasks.append(asyncio.create_task(_handle(downlink, command)))


async def _handle(downlink: "Downlink", command: "Command") -> None:
    handlers = downlink.agent.handlers
    assert handlers is not None
    result: object = None
    try:
        result = check_result(await handlers.call(command.name, command.arguments))
    except CommandError as error:
        result = error
    finally:
        downlink.running.remove(command.name)
    remember(downlink, command, result.error if isinstance(result, CommandError) else "")
    answer(downlink, command, result)
