"""Carrying commands out. A board reads this in with a command, and forgets it when that is done."""

from . import __version__
from .core.command import BUILT_IN, ONCE, Command, check, interval_ms, is_name, read, reply
from .core.command_error import CommandError
from .core.errors import PairletError
from .core.mqtt import Message
from .core.text import clean
from .core.wall import UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .downlink import Downlink

# What waited at the broker comes at once after a connect. It is of no concern if the device was hardly away.
_QUEUED_MS = 10000
_AWAY_MS = 60000
# How many are remembered until the agent ends.
_MOST = 16
_RETAINED = "a retained command would run at each connect; send it without the retain flag, and clear it"


async def obey(downlink: "Downlink", message: Message) -> None:
    """Carry `message` out if it may be, and answer. Never raises but for a cancellation."""
    name = message.topic_name[len(downlink.topics.commands) :]
    # Nothing can be answered to what is no name; an empty payload is what clears a retained message.
    if not is_name(name) or not message.payload:
        return
    command = Command(name, None, None, {})
    result: object = None
    try:
        command = read(name, message.payload)
        if message.retain:
            raise CommandError("retained", _RETAINED)
        if not _is_repeated(downlink, command) and not _is_begun(downlink, command):
            result = await _carry_out(downlink.agent, command)
            remember(downlink, command, "")
            answer(downlink, command, result)
        return
    except CommandError as error:
        result = error
    except PairletError as error:
        result = CommandError("failed", str(error))
    except MemoryError:
        result = CommandError("failed", "there was not enough memory for it")
    answer(downlink, command, result)


def _is_begun(downlink: "Downlink", command: Command) -> bool:
    """Check `command`; True if its handler is at work now, and will answer. Raises CommandError."""
    agent = downlink.agent
    handled = agent.handlers.names() if agent.handlers is not None else []
    allowed = (agent.config.texts("commands.allow") or []) + handled
    check(command, allowed, list(BUILT_IN) + handled, agent.ports.clock.wall(), _may_be_late(downlink))
    if command.name in handled:
        from .handling import begin

        begin(downlink, command)
        return True
    return False


def _may_be_late(downlink: "Downlink") -> bool:
    """Whether what comes now may have waited at the broker while the device was away."""
    since = downlink.link.connected_at if downlink.link is not None else None
    if since is None or downlink.agent.ports.clock.now() - since > _QUEUED_MS:
        return False
    return downlink.parted_at is None or bool(since - downlink.parted_at > _AWAY_MS)


async def _carry_out(agent: "Agent", command: Command) -> object:
    name = command.name
    if name == "ping":
        wall = agent.ports.clock.wall()
        return {"t": None if wall.state == UNSET else 1000 * wall.seconds, "version": __version__}
    if name == "report-now":
        return {"seq": await agent.measuring.take()}
    if name == "set-interval":
        from .remote_settings import set_interval

        measuring, wanted = agent.measuring, interval_ms(command.arguments)
        milliseconds = set_interval(agent.ports.store, wanted, measuring.configured_ms)
        measuring.set_interval(milliseconds)
        return {"interval": milliseconds / 1000}
    from .ordering import note

    note(agent.ports.store, command)
    agent.give_order(name)
    return None


def answer(downlink: "Downlink", command: Command, result: object) -> None:
    """Reply to `command`: `result` is a CommandError, a dict of further members, or None."""
    error = result.error or "failed" if isinstance(result, CommandError) else ""
    if downlink.link is not None:
        payload = reply(command.id, result)
        downlink.link.reply(Message(downlink.topics.replies + command.name, payload, 1, False))
    fields: dict[str, object] = {"name": command.name, "id": command.id, "ok": not error}
    if error:
        fields["error"] = clean(str(error), 64)
    downlink.agent.emit("command", **fields)


def _is_repeated(downlink: "Downlink", command: Command) -> bool:
    """Whether it came before; then the outcome is told again, unless it is still to be told."""
    if command.id is None:
        return False
    for name, command_id, outcome in downlink.recent:
        if (name, command_id) == (command.name, command.id):
            if outcome:
                answer(downlink, command, CommandError(outcome, "as before: this id came a second time"))
            elif outcome is not None:
                answer(downlink, command, {"repeated": True})
            return True
    if command.name in ONCE:
        from .ordering import was_done

        if was_done(downlink.agent.ports.store, command):
            answer(downlink, command, {"repeated": True})
            return True
    return False


def remember(downlink: "Downlink", command: Command, outcome: "str | None") -> None:
    """Note the `outcome` of a command with an id: None while it runs, "" if it went well, else the error."""
    if command.id is None:
        return
    recent = [one for one in downlink.recent if one[:2] != (command.name, command.id)]
    downlink.recent = recent[1 - _MOST :] + [(command.name, command.id, outcome)]
