"""What the server did, for tests and demos to look at. Never a token, a code or a password."""

from collections import deque
from typing import NamedTuple

_KEPT = 10_000


class Event(NamedTuple):
    """One answered request.

    `at` is the server's clock in seconds; `endpoint` one of device_authorization, authorization, token,
    revocation, introspection, sign_in, user_code, consent; `outcome` an RFC error code, or a word such as
    "issued".
    """

    at: float
    endpoint: str
    outcome: str
    client_id: str = ""
    device_id: str = ""


class EventLog:
    """The newest events, oldest first; bounded, because a simulator may run for weeks."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_KEPT)

    def record(self, event: Event) -> None:
        """Append one event."""
        self._events.append(event)

    def all(self) -> list[Event]:
        """A copy, oldest first."""
        return list(self._events)
