"""What the agent tells whoever listens: an event's name and its fields, named as in the RFCs.

code, authorize, paired, signed_in (from `pairlet pair` alone), denied, expired, refreshed, token, unpaired,
mqtt_connected, mqtt_disconnected, published, dropped, command (name, id, ok, error), error, and recovered
(what: a sensor that had failed); the command line's --json prints them one a line. And for logs alone waiting
(what, ms): what is tried again, and when; announced (count): what Home Assistant is told; and making_room, on
boards alone.
"""

from .core.errors import OAuthError, PairletError

# The reason of a disconnection that was planned.
RENEWED = "the token was renewed"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .core.outbox import Outbox

    class Emit(Protocol):
        """Whoever listens."""

        def __call__(self, event: str, **fields: object) -> None: ...


def tell_error(emit: "Emit", error: PairletError) -> None:
    """Tell of `error` as an "error" event: its OAuth code or kind, what happened and what to do."""
    if isinstance(error, OAuthError):
        code, description = error.error, error.error_description or ""
    else:
        code, description = kind_of(error), str(error)
    emit("error", error=code, error_description=description, advice=error.advice, exit_code=error.exit_code)


def tell_gaps(emit: "Emit", outbox: "Outbox") -> None:
    """Tell of what had to go since this was last asked, as "dropped" events."""
    for gap in outbox.gaps():
        numbers = {"from": gap.first, "to": gap.last}
        emit("dropped", count=gap.count, stream=gap.stream, reason=gap.reason, **numbers)


def kind_of(error: PairletError) -> str:
    """The error's class as a code in the manner of the RFCs: TransportError is "transport_error"."""
    name = type(error).__name__
    pieces: list[str] = []
    for character in name:
        if character.lower() != character and pieces:
            pieces.append("_")
        pieces.append(character.lower())
    return "".join(pieces)


def describe(event: str, fields: "dict[str, object]") -> str:
    """One line for a person about an event of a running agent, "" for those that are no news."""
    if event == "refreshed":
        expires_in = fields.get("expires_in")
        if not isinstance(expires_in, int):
            return "the token was renewed"
        return "the token was renewed and is good for " + _duration(expires_in)
    if event == "mqtt_connected":
        return "connected to the broker; telemetry is flowing"
    if event == "mqtt_disconnected":
        if fields.get("reason") == RENEWED:
            return ""
        return f"not connected to the broker: {fields.get('reason')}"
    if event == "dropped":
        what = "events" if fields.get("stream") == "event" else "samples"
        reason = fields.get("reason")
        if reason == "restart":
            # Nobody knows how many of these numbers were given out, and events are few.
            return "" if what == "events" else f"up to {fields.get('count')} samples lost when it stopped"
        why = {"no room": "no room left while the broker is away", "refused": "the broker does not take them"}
        return f"{fields.get('count')} {what} dropped: {why.get(str(reason), reason)}"
    if event == "recovered":
        return f"{fields.get('what')} is well again"
    if event == "error":
        return f"{fields.get('error_description') or fields.get('error')}; trying again"
    return ""


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
