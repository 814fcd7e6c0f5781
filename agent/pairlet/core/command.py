"""Commands as they come over MQTT (`P/cmd/<name>`), and the replies to them (`P/reply/<name>`).

Pure: what a command says, whether it may be carried out, and what is answered. Anyone who may publish to
the topic can send any bytes; they become a Command or a CommandError, and nothing else.
"""

import json
from collections import namedtuple

from .command_error import CommandError
from .errors import ProtocolError
from .json_object import parse
from .text import clean, is_printable_ascii
from .wall import SYNCED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wall import Wall

# name: the last level of the topic. id: the sender's, or None. expires: what was sent for it, or None.
# arguments: a dict of the other members.
Command = namedtuple("Command", ("name", "id", "expires", "arguments"))

BUILT_IN = ("ping", "re-pair", "report-now", "restart", "set-interval", "unpair")
# What must not happen twice for one message, not even when the device restarts in between.
ONCE = ("re-pair", "unpair", "restart")
# What may be late: their effect is the same whenever they come.
PATIENT = ("ping", "report-now", "set-interval", "unpair")

_LONGEST_NAME = 40
_LONGEST_ID = 64
_LARGEST = 8192
_INTERVALS_S = (0.1, 7 * 86400)
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-"


def is_name(name: str) -> bool:
    """Whether a command can be called `name`: small letters, digits and dashes."""
    return 0 < len(name) <= _LONGEST_NAME and all(character in _NAME for character in name)


def read(name: str, payload: bytes) -> Command:
    """The command `name` with `payload`: a JSON object. Raises CommandError."""
    if len(payload) > _LARGEST:
        raise CommandError("too_large", "a command has %d bytes at the most" % _LARGEST)
    try:
        arguments = parse(payload)
    except ProtocolError:
        raise CommandError("invalid_request", 'a command is a JSON object, such as {"id": "1"}') from None
    command_id = arguments.pop("id", None)
    if command_id is not None and not _is_id(command_id):
        raise CommandError(
            "invalid_request", "id must be a text of 1 to %d printable ASCII characters" % _LONGEST_ID
        )
    return Command(name, command_id, arguments.pop("expires", None), arguments)


def check(command: Command, allowed: "list[str]", known: "list[str]", wall: "Wall", late: bool) -> None:
    """Whether `command` may be carried out now. Raises CommandError.

    allowed: names that the owner allows, of those that are `known`. late: it may have waited at the broker
    while the device was away, for who knows how long.
    """
    name = command.name
    if name not in known:
        raise CommandError("unknown_command", "there are: " + ", ".join(known))
    if name not in allowed:
        raise CommandError("not_allowed", "the device's owner has not listed it in commands.allow")
    if name in ONCE and command.id is None:
        raise CommandError("id_required", "it must not run twice, so that it needs an id of its own")
    expires = command.expires
    if expires is not None and not is_number(expires):
        raise CommandError("invalid_request", "expires must be a Unix time in seconds")
    # A floor is the least that it can be: enough to know that the time is over, not that it is not.
    if expires is not None and wall.seconds is not None and wall.seconds > expires:
        raise CommandError("expired", "its time was over when it came")
    is_in_time = wall.state == SYNCED if expires is not None else name in PATIENT
    if late and not is_in_time:
        raise CommandError(
            "stale", "it may have waited while the device was away; send it again, or say when it expires"
        )


def interval_ms(arguments: "dict[str, object]") -> "int | None":
    """The `interval` of set-interval, given in seconds, in ms; None for null: as configured.

    Raises CommandError.
    """
    if "interval" not in arguments:
        raise CommandError("invalid_request", "interval is missing: seconds, or null for the configured one")
    seconds = arguments["interval"]
    if seconds is None:
        return None
    if not is_number(seconds) or not _INTERVALS_S[0] <= seconds <= _INTERVALS_S[1]:  # type: ignore[operator]
        raise CommandError("invalid_request", "interval must be 0.1 to 604800 seconds")
    return int(seconds * 1000)  # type: ignore[operator]


def reply(command_id: "str | None", result: "object") -> bytes:
    """The payload of a reply: `result` is a dict of further members, None for none, or a CommandError."""
    answer: dict[str, object] = {"ok": not isinstance(result, CommandError)}
    if command_id is not None:
        answer["id"] = command_id
    if isinstance(result, CommandError):
        # A handler may have put anything into it.
        answer["error"] = clean(str(result.error), 64)
        answer["error_description"] = clean(str(result.message), 300)
    elif isinstance(result, dict):
        for name in result:
            if name not in ("id", "ok"):
                answer[name] = result[name]
    return json.dumps(answer).encode()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and is_printable_ascii(value)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return bool(value - value == 0)
