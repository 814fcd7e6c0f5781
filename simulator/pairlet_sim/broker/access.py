"""What one access token allows on the broker: whose it is, until when, and which topics.

Pure: no clock and no socket. A device D owns every topic name below `devices/D/` and nothing else.
"""

from dataclasses import dataclass

# Tokens without a device can only read. No device may be called so: `$` is refused in `is_device_id`.
READER = "$reader"


class AccessDenied(Exception):
    """The token is good, but allows nothing here; the text says why."""


@dataclass(frozen=True)
class Access:
    """The rights of one connection.

    device_id   the device that the token was issued to, or None for one that may only read
    reads_all   whether every topic below the root may be read
    root        the first level of all topics
    expires_at  `exp` of the token, in seconds since 1970
    """

    device_id: str | None
    reads_all: bool
    root: str
    expires_at: float

    @property
    def owner(self) -> str:
        """Who the client_ids of this token belong to."""
        return self.device_id or READER

    def may_use_client_id(self, client_id: str) -> bool:
        """Whether `client_id` is the device's own: its id, or its id, a slash and anything.

        A device_id holds no slash, so that no two devices share a client_id and none can end another's
        session.
        """
        return client_id == self.device_id or client_id.startswith(self.owner + "/")

    def may_publish(self, topic: str) -> bool:
        """Whether a PUBLISH, or a will, to `topic` is allowed: only below the device's own level."""
        return self.device_id is not None and self._is_below(topic, self.device_id)

    def may_receive(self, topic: str) -> bool:
        """Whether a message of `topic` may be handed to this client."""
        return self.may_publish(topic) or (self.reads_all and topic.startswith(self.root + "/"))

    def may_subscribe(self, topic_filter: str) -> bool:
        """Whether every topic name that `topic_filter` matches may be read, wildcards included."""
        levels = topic_filter.split("/")
        if len(levels) < 2 or levels[0] != self.root:
            return False
        if self.reads_all:
            return True
        # A wildcard in the device's own level would look into the levels of others.
        return len(levels) > 2 and self.device_id is not None and levels[1] == self.device_id

    def _is_below(self, topic: str, device_id: str) -> bool:
        prefix = "%s/%s/" % (self.root, device_id)
        return topic.startswith(prefix) and len(topic) > len(prefix)


def is_device_id(value: object) -> bool:
    """Whether `value` can be one level of a topic name, and nothing that means more than itself."""
    if not isinstance(value, str) or not 0 < len(value) <= 128 or value.startswith("$"):
        return False
    return value.isprintable() and not any(sign in value for sign in "/+#")


def access_from_claims(claims: dict[str, object], *, device_claim: str, read_scope: str, root: str) -> Access:
    """Read verified claims; AccessDenied if the token names no device and does not have `read_scope`."""
    scope = claims.get("scope")
    reads_all = isinstance(scope, str) and read_scope in scope.split(" ")
    device_id = claims.get(device_claim)
    if device_id is not None and not is_device_id(device_id):
        raise AccessDenied("the claim %s is not a usable device id" % device_claim)
    if device_id is None and not reads_all:
        raise AccessDenied(
            "the token names no device (%s) and lacks the scope %s" % (device_claim, read_scope)
        )
    expires_at = claims["exp"]
    assert isinstance(expires_at, (int, float))
    return Access(str(device_id) if device_id is not None else None, reads_all, root, float(expires_at))
