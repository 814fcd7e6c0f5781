"""MQTT as values: what the shell hands to whichever client an edge brings (MQTT 3.1.1 and 5)."""

from collections import namedtuple

from .secret import Secret

# A PUBLISH: topic_name (str), payload (bytes), qos (0 or 1), retain (bool). A will is one of these.
Message = namedtuple("Message", ("topic_name", "payload", "qos", "retain"))

# What a client tells of its own accord: kind MESSAGE with `message`, or DISCONNECTED with `reason` and
# the reason_code of the broker's DISCONNECT (MQTT 5), None when there was none.
Event = namedtuple("Event", ("kind", "message", "reason", "reason_code"))

MESSAGE = "message"
DISCONNECTED = "disconnected"


class Credentials:
    """User name and password of one CONNECT, one of which is the access token, a Secret.

    username: a Secret when the token goes there, and `password` is None then. method: of MQTT 5's enhanced
    authentication (section 4.12), "" without; the token is its authentication data then, and no password.
    """

    def __init__(self, username: "str | Secret", password: "Secret | None", method: str = ""):
        self.username = username
        self.password = password
        self.method = method

    def token(self) -> str:
        """The access token."""
        secret = self.username if self.password is None else self.password
        assert isinstance(secret, Secret)
        return secret.reveal()

    def login(self) -> "tuple[str, str | None]":
        """User name and password as CONNECT carries them; no password with enhanced authentication."""
        if self.password is None:
            # Brokers that look at the user name alone want some password to be there.
            return self.token(), "-"
        assert isinstance(self.username, str)
        return self.username, None if self.method else self.password.reveal()

    def __repr__(self) -> str:
        return f"<Credentials of {self.username}>"


class Login:
    """Makes the credentials of each CONNECT: `username`, or the token in its place, and see Credentials."""

    def __init__(self, username: str, is_token_username: bool = False, method: str = ""):
        self._username = username
        self._is_token_username = is_token_username
        self._method = method

    def credentials(self, token: Secret) -> Credentials:
        """For a CONNECT with this access token."""
        if self._is_token_username:
            return Credentials(token, None)
        return Credentials(self._username, token, self._method)


def is_failure(reason_code: int) -> bool:
    """Whether an MQTT 5 reason code tells of a failure: 0x80 and above; 0x10 is a success."""
    return reason_code >= 0x80
