"""Commands that end the connection, and must not run twice: restart, unpair, re-pair."""

import json

from .core.errors import EXIT_RESTART, PairletError, ProtocolError, StoreError, UnpairedError
from .core.json_object import parse
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.command import Command
    from .ports import Store

# The store's name for what was carried out, and how many of them are remembered.
_STORED = "commands"
_MOST = 16
# Between the reply and the end of the connection.
_BEFORE_MS = 1000


class RestartError(PairletError):
    """Not a fault: a command asks for the program to end and to be started again."""

    exit_code = EXIT_RESTART

    def _usual_advice(self) -> str:
        return "What runs pairlet as a service starts it again; without one, start it yourself."


def was_done(store: "Store", command: "Command") -> bool:
    """Whether this very command was carried out before, by another run perhaps. Raises StoreError."""
    return [command.name, command.id] in _done(store)


def note(store: "Store", command: "Command") -> None:
    """Put it on the disk before it is carried out: lost is better than twice. Raises StoreError."""
    done = _done(store)[1 - _MOST :] + [[command.name, command.id]]
    store.save(_STORED, json.dumps({"done": done}).encode())


def _done(store: "Store") -> "list[object]":
    data = store.load(_STORED)
    if data is None:
        return []
    try:
        done = parse(data).get("done")
    except ProtocolError:
        done = None
    if not isinstance(done, list):
        store.set_aside(_STORED)
        return []
    return done


async def follow(agent: "Agent") -> None:
    """Do what `agent.order` says: raises RestartError or UnpairedError. Returns if the disk objects."""
    clock = agent.ports.clock
    await clock.sleep_until(clock.now() + _BEFORE_MS)
    order, agent.order = agent.order, ""
    if order == "restart":
        raise RestartError("a command asked for a restart")
    from .unpairing import forget_grant

    agent.wants_code = order == "re-pair"
    try:
        # The server is told afterwards, from the note: without a connection to the broker there is more room.
        await forget_grant(agent)
    except StoreError as error:
        # The token is still there, and counts: nothing has happened.
        agent.wants_code = False
        tell_error(agent.emit, error)
        return
    raise UnpairedError("a command un-paired this device", "It is paired anew as [pairing] says.")
