"""An access token with what belongs to it (RFC 6749 section 5.1), and when to replace it."""

from .errors import ProtocolError
from .secret import Secret
from .text import clean
from .wall import SYNCED, UNSET, Wall

_TEN_YEARS_S = 315360000
_RECORD_VERSION = 1


class Token:
    """What the server issued.

    access_token, refresh_token: Secret (refresh_token may be None). scope: as granted, "" if unknown.
    expires_in: lifetime in seconds, or None if the server did not say.
    expires_at: ms on the machine clock of this start, or None when it has no known end.
    """

    def __init__(
        self,
        access_token: Secret,
        *,
        expires_in: "int | None" = None,
        expires_at: "int | None" = None,
        refresh_token: "Secret | None" = None,
        scope: str = ""
    ):
        self.access_token = access_token
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.refresh_token = refresh_token
        self.scope = scope

    @staticmethod
    def from_answer(
        members: "dict[str, object]", now: int, *, scope: str = "", previous: "Token | None" = None
    ) -> "Token":
        """Read a token endpoint's success.

        `scope`: what was asked for; it holds when the answer names none (section 5.1). `previous`: the
        token that was refreshed; its refresh token stays good when the answer brings none (section 6).
        Raises ProtocolError without an access token, or with a type we can't use (section 7.1).
        """
        from .json_object import seconds_member, secret_member  # a board forgets it in between

        access_token = secret_member(members, "access_token")
        if access_token is None:
            raise ProtocolError("the answer has no access_token")
        token_type = members.get("token_type")
        if not isinstance(token_type, str) or token_type.lower() != "bearer":
            said = f"'{clean(token_type, 40)}'" if isinstance(token_type, str) else "not named"
            raise ProtocolError(
                f"the token's type is {said}; only Bearer tokens can be used",
                "Let the server issue Bearer tokens (RFC 6750) to this client.",
            )
        refresh_token = secret_member(members, "refresh_token")
        if previous is not None:
            refresh_token = refresh_token or previous.refresh_token
            scope = previous.scope
        expires_in = seconds_member(members, "expires_in", _TEN_YEARS_S)
        return Token(
            access_token,
            expires_in=expires_in,
            expires_at=None if expires_in is None else now + 1000 * expires_in,
            refresh_token=refresh_token,
            scope=_scope_member(members) or scope,
        )

    def is_same(self, other: "Token | None") -> bool:
        """Whether `other` has the same access token and the same refresh token."""
        return (
            other is not None
            and other.access_token == self.access_token
            and other.refresh_token == self.refresh_token
        )

    def remaining_ms(self, now: int) -> "int | None":
        """How long it is still good; 0 when it has ended, None when nobody knows."""
        return None if self.expires_at is None else max(0, self.expires_at - now)

    def refresh_at(self, chance: int) -> "int | None":
        """When to replace it, or None when there is no reason or no way to.

        Ahead of its end by the larger of 60 s and 20 % of its life, but never more than half of it, so
        that a token of 30 s is not replaced without pause. `chance`, 0 to 255, is this device's own
        and moves it up to 10 % of its life earlier: a site of 500 devices must not refresh as one.
        """
        if self.refresh_token is None or self.expires_in is None or self.expires_at is None:
            return None
        life_ms = 1000 * self.expires_in
        ahead_ms = min(max(60000, life_ms // 5), life_ms // 2)
        return self.expires_at - ahead_ms - life_ms // 10 * chance // 255

    def to_record(self, now: int, wall: Wall, boot_id: str = "") -> "dict[str, object]":
        """What to keep on disk: plain values, secrets included.

        `wall` dates it for the next boot; `boot_id` names this one, in which `now` says all ("": unknown).
        """
        remaining_ms = self.remaining_ms(now)
        ends = None
        if remaining_ms is not None and wall.state != UNSET:
            ends = wall.seconds + remaining_ms // 1000
        return {
            "version": _RECORD_VERSION,
            "access_token": self.access_token.reveal(),
            "token_type": "Bearer",
            "refresh_token": self.refresh_token.reveal() if self.refresh_token else None,
            "scope": self.scope,
            "expires_in": self.expires_in,
            "ends": ends,
            "boot_id": boot_id,
            "expires_at": self.expires_at,
        }

    @staticmethod
    def from_record(record: "dict[str, object]", now: int, wall: Wall, boot_id: str = "") -> "Token":
        """Read what to_record wrote. Raises ProtocolError when it is not that.

        Written in this very boot, its end is known to the millisecond, whatever the wall clock did
        since. Otherwise it takes a wall clock then and a synced one now: a floor only says what has
        ended. When the end can't be known, the token counts as ended: refreshing once too often costs
        one request, a dead token costs samples.
        """
        if record.get("version") != _RECORD_VERSION:
            raise ProtocolError("the record has another version")
        from .json_object import seconds_member, secret_member

        access_token = secret_member(record, "access_token")
        if access_token is None:
            raise ProtocolError("the record has no access_token")
        refresh_token = secret_member(record, "refresh_token")
        expires_in = seconds_member(record, "expires_in", _TEN_YEARS_S)
        expires_at = None
        if expires_in is not None:
            ends, kept = record.get("ends"), record.get("expires_at")
            # Without a refresh token there is nothing to do about an end that may have come: whoever
            # takes the token will tell.
            expires_at = now if refresh_token is not None else None
            if boot_id and record.get("boot_id") == boot_id and isinstance(kept, int):
                expires_at = min(kept, now + 1000 * expires_in)
            elif isinstance(ends, int) and wall.state == SYNCED and 0 <= ends - wall.seconds <= expires_in:
                expires_at = now + 1000 * (ends - wall.seconds)
            elif isinstance(ends, int) and wall.state == SYNCED and ends < wall.seconds:
                expires_at = now
        scope = record.get("scope")
        return Token(
            access_token,
            expires_in=expires_in,
            expires_at=expires_at,
            refresh_token=refresh_token,
            scope=clean(scope, 2000) if isinstance(scope, str) else "",
        )

    def __repr__(self) -> str:
        return f"<Token scope={self.scope} expires_in={self.expires_in}>"


def _scope_member(members: "dict[str, object]") -> str:
    """The granted scope, space-separated (section 3.3); some servers send a JSON array."""
    scope = members.get("scope")
    if isinstance(scope, list):
        scope = " ".join([part for part in scope if isinstance(part, str)])
    return clean(scope, 2000) if isinstance(scope, str) else ""
