"""A model MQTT broker: sessions, wills, retained messages, and what it takes as a password."""

from collections.abc import Callable

from .grants import Note

CONNECTION_LOST, TAKEN_OVER, TOKEN_ENDED = "the connection was lost", "taken over", "the token has ended"


class Session:
    """One accepted connection. `lost(reason)` is called when the broker ends it."""

    def __init__(
        self, password: str, will: "tuple[str, bytes] | None", since: int, lost: Callable[[str], None]
    ):
        self.password = password
        self.will = will
        self.since = since
        self.lost = lost


class Broker:
    """Takes connections with a good access token, one for each client_id (and there is one device).

    `is_good(token, now)`: whether a password is good. `retained`: the last retained payload of each
    topic. `heard(topic, payload)` is called for each message that it has taken, `mourned(password, reason)`
    when it publishes the will of the session with that password.
    """

    def __init__(
        self,
        is_good: Callable[[str, int], bool],
        heard: Callable[[str, bytes], None],
        mourned: Callable[[str, str], None],
        note: Note,
    ):
        self.session: Session | None = None
        self.retained: dict[str, bytes] = {}
        self._is_good = is_good
        self._heard = heard
        self._mourned = mourned
        self._note = note

    def connect(self, session: Session, now: int) -> int:
        """The CONNACK's code: 0, or 135 (MQTT 5: not authorized)."""
        if not self._is_good(session.password, now):
            self._note("refuses the connection: %s is not good", session.password)
            return 135
        if self.session is not None:
            self.end(TAKEN_OVER)
        self.session = session
        return 0

    def publish(self, session: Session, topic: str, payload: bytes, retain: bool) -> bool:
        """Take a message; False when the session is over."""
        if session is not self.session:
            return False
        if retain:
            self.retained[topic] = payload
        self._heard(topic, payload)
        return True

    def leave(self, session: Session) -> None:
        """A proper DISCONNECT: the will is dropped (MQTT 5 section 3.1.2.5)."""
        if session is self.session:
            self.session = None

    def end(self, reason: str) -> None:
        """End the session without a DISCONNECT of the client's: its will is published."""
        session, self.session = self.session, None
        if session is None:
            return
        self._note("ends the connection: %s", reason)
        if session.will is not None:
            self._mourned(session.password, reason)
            self.retained[session.will[0]] = session.will[1]
        session.lost(reason)
