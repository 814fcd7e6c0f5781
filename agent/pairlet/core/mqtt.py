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
    """User name and password of one CONNECT; the password is the access token."""

    def __init__(self, username: str, password: Secret):
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return f"<Credentials of {self.username}>"


def is_failure(reason_code: int) -> bool:
    """Whether an MQTT 5 reason code tells of a failure: 0x80 and above; 0x10 is a success."""
    return reason_code >= 0x80
