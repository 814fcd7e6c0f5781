"""What an agent tells its listener, as lines of the log: the event, and in words what it means."""

import logging
from collections.abc import Callable
from typing import Any

from .words import clock_time, span

_log = logging.getLogger("pairlet.agent")

_LEVELS = {
    "published": logging.DEBUG,
    "announced": logging.DEBUG,
    "error": logging.WARNING,
    "denied": logging.WARNING,
    "expired": logging.WARNING,
    "unpaired": logging.WARNING,
    "dropped": logging.WARNING,
}
# A wait that nobody wonders about.
_SHORT_MS = 1000
_PURPOSES = {
    "server": "asking the server again",
    "refresh": "asking for a new token again",
    "broker": "connecting to the broker again",
    "delivery": "sending what the broker refused again",
    "start": "asking for what is needed after a start",
}
# Shown to a person who stands before the device; whoever reads a log somewhere else should not have it.
_NOT_LOGGED = ("authorization_uri", "user_code", "verification_uri_complete", "access_token")


class LoggedEvents:
    """A listener that logs what it hears, and passes it on to `listener`."""

    def __init__(self, listener: Callable[..., None]):
        self._listener = listener

    def __call__(self, event: str, **fields: Any) -> None:
        """Log one event."""
        shown = {name: value for name, value in fields.items() if name not in _NOT_LOGGED}
        level = _LEVELS.get(event, logging.INFO)
        if event == "waiting" and fields["ms"] < _SHORT_MS:
            level = logging.DEBUG
        _log.log(level, "%s", in_words(event, fields), extra={"fields": {"event": event, **shown}})
        self._listener(event, **fields)


def in_words(event: str, fields: dict[str, Any]) -> str:
    """What `event` means, in one sentence."""
    words = _WORDS.get(event)
    return words(fields) if words else event


def _code(fields: dict[str, Any]) -> str:
    return (
        f"a code is shown for {fields['verification_uri']}; it is good for "
        f"{span(1000 * fields['expires_in'])}, and the server is asked every {fields['interval']} s"
    )


def _authorize(fields: dict[str, Any]) -> str:
    return (
        f"a browser is to bring the answer to {fields['redirect_uri']} within "
        f"{span(1000 * fields['expires_in'])}"
    )


def _paired(fields: dict[str, Any]) -> str:
    renewal = "a refresh token came along" if fields["has_refresh_token"] else "there is no refresh token"
    return f"paired, with {_scope(fields)}; the token {_life(fields)}; {renewal}"


def _refreshed(fields: dict[str, Any]) -> str:
    rotated = "the refresh token was replaced too" if fields["rotated"] else "the refresh token stays"
    return f"the token was renewed and {_life(fields)}; {rotated}"


def _waiting(fields: dict[str, Any]) -> str:
    wait_ms = fields["ms"]
    return f"{_PURPOSES[fields['what']]} in {span(wait_ms)}, at {clock_time(wait_ms)}"


def _dropped(fields: dict[str, Any]) -> str:
    what = "events" if fields.get("stream") == "event" else "samples"
    why = f": {fields['reason']}" if "reason" in fields else ""
    count = f"up to {fields['count']}" if fields.get("reason") == "restart" else fields["count"]
    return f"{count} {what} dropped, number {fields['from']} to {fields['to']}{why}"


def _command(fields: dict[str, Any]) -> str:
    outcome = "done" if fields["ok"] else f"not done: {fields['error']}"
    return f"command {fields['name']}: {outcome}"


def _error(fields: dict[str, Any]) -> str:
    return f"{fields['error_description'] or fields['error']}. {fields.get('advice', '')}".strip()


def _scope(fields: dict[str, Any]) -> str:
    return f"the scope {fields['scope']}" if fields["scope"] else "an unnamed scope"


def _life(fields: dict[str, Any]) -> str:
    expires_in = fields["expires_in"]
    return "does not say when it ends" if expires_in is None else f"is good for {span(1000 * expires_in)}"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "code": _code,
    "authorize": _authorize,
    "paired": _paired,
    "denied": lambda fields: "the person said no",
    "expired": lambda fields: "the time is over, and nobody has approved",
    "refreshed": _refreshed,
    "unpaired": lambda fields: f"not paired any more: {fields['reason']}",
    "mqtt_connected": lambda fields: "connected to the broker",
    "mqtt_disconnected": lambda fields: f"not connected to the broker: {fields['reason']}",
    "published": lambda fields: f"published; {fields['backlog']} samples wait",
    "dropped": _dropped,
    "recovered": lambda fields: f"{fields['what']} is well again",
    "waiting": _waiting,
    "command": _command,
    "announced": lambda fields: f"{fields['count']} messages for Home Assistant",
    "error": _error,
}
