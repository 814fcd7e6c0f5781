"""An access token with what belongs to it (RFC 6749 section 5.1), and when to replace it."""

from collections import namedtuple

from .errors import ProtocolError
from .secret import Secret
from .text import clean

TEN_YEARS_S = 315360000
# token_type: good for whoever holds it (RFC 6750), or only with proofs of a key (RFC 9449).
BEARER = "Bearer"
DPOP = "DPoP"
_LEAST_APART_MS = 2000

# What has to be on the disk of a pairing. `token`: the current one. `previous`: the refresh token that
# `token` was got with, until token's own has worked, or None. `refreshing_since`: when a refresh with
# token's refresh token left whose answer is not known (Unix seconds, 0: there was no clock), or None.
Kept = namedtuple("Kept", ("token", "previous", "refreshing_since"))


class Token:
    """What the server issued.

    access_token, refresh_token: Secret (refresh_token may be None). scope: as granted, "" if unknown.
    expires_in: lifetime in seconds, or None if the server did not say.
    expires_at: ms on the machine clock of this start, or None when it has no known end.
    token_type: BEARER or DPOP.
    """

    def __init__(
        self,
        access_token: Secret,
        *,
        expires_in: "int | None" = None,
        expires_at: "int | None" = None,
        refresh_token: "Secret | None" = None,
        scope: str = "",
        token_type: str = BEARER,
    ):
        self.access_token = access_token
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.refresh_token = refresh_token
        self.scope = scope
        self.token_type = token_type

    @staticmethod
    def from_answer(
        members: "dict[str, object]",
        now: int,
        *,
        scope: str = "",
        previous: "Token | None" = None,
        token_type: str = BEARER,
    ) -> "Token":
        """Read a token endpoint's success.

        `scope`: what was asked for; it holds when the answer names none (section 5.1). `previous`: the
        token that was refreshed; its refresh token stays good when the answer brings none (section 6).
        `token_type`: the one that was asked for.
        Raises ProtocolError without an access token, or with a type we can't use (section 7.1).
        """
        from .json_object import seconds_member, secret_member  # a board forgets it in between

        access_token = secret_member(members, "access_token")
        if access_token is None:
            raise ProtocolError("the answer has no access_token")
        said = members.get("token_type")
        if not isinstance(said, str) or said.lower() != token_type.lower():
            raise _unusable(said, token_type)
        refresh_token = secret_member(members, "refresh_token")
        if previous is not None:
            refresh_token = refresh_token or previous.refresh_token
            scope = previous.scope
        expires_in = seconds_member(members, "expires_in", TEN_YEARS_S)
        return Token(
            access_token,
            expires_in=expires_in,
            expires_at=None if expires_in is None else now + 1000 * expires_in,
            refresh_token=refresh_token,
            scope=_scope_member(members) or scope,
            token_type=token_type,
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

    def refresh_at(self, chance: int, renewable: bool = False) -> "int | None":
        """When to replace it, or None when there is no reason or no way to. `renewable`: there is a way also
        without a refresh token.

        Ahead of its end by the larger of 60 s and 20 % of its life, but never more than half of it, so
        that a token of 30 s is not replaced without pause. `chance`, 0 to 255, is this device's own
        and moves it up to 10 % of its life earlier: a site of 500 devices must not refresh as one.
        Never sooner than 2 s after it came, even when it has ended by then: no server is to be hammered.
        """
        if not (renewable or self.refresh_token) or self.expires_in is None or self.expires_at is None:
            return None
        life_ms = 1000 * self.expires_in
        ahead_ms = min(max(60000, life_ms // 5), life_ms // 2)
        ahead_ms += life_ms // 10 * chance // 255
        return self.expires_at - min(ahead_ms, life_ms - _LEAST_APART_MS)

    def with_refresh_token(self, refresh_token: Secret) -> "Token":
        """The same with another refresh token."""
        return Token(
            self.access_token,
            expires_in=self.expires_in,
            expires_at=self.expires_at,
            refresh_token=refresh_token,
            scope=self.scope,
            token_type=self.token_type,
        )

    def not_granted(self, scope: str) -> str:
        """What of `scope` (as asked for, space-separated) this token was not granted; "" for nothing or
        nobody knows.

        RFC 6749 section 3.3: the server may grant less. Those two that ask for a kind of token are
        often left out of its answer: openid is never counted, offline_access only without a refresh token.
        """
        if not self.scope:
            return ""
        granted = self.scope.split() + ["openid"]
        if self.refresh_token is not None:
            granted.append("offline_access")
        return " ".join([part for part in scope.split() if part not in granted])

    def __repr__(self) -> str:
        return f"<Token scope={self.scope} expires_in={self.expires_in}>"


def _unusable(said: object, token_type: str) -> ProtocolError:
    """Another type than what was asked for. A Bearer token in the place of a bound one is refused, too:
    whoever asked for the binding counts on it (RFC 9449 section 5)."""
    advice = "Let the server issue Bearer tokens (RFC 6750) to this client."
    if token_type == DPOP:
        advice = (
            "Let the server bind this client's tokens to its key (RFC 9449), or leave out oauth.dpop: then "
            "they are good for whoever holds them."
        )
    words = f"'{clean(said, 40)}'" if isinstance(said, str) else "not named"
    return ProtocolError(f"the token's type is {words}; only {token_type} tokens can be used", advice)


def _scope_member(members: "dict[str, object]") -> str:
    """The granted scope, space-separated (section 3.3); some servers send a JSON array."""
    scope = members.get("scope")
    if isinstance(scope, list):
        scope = " ".join([part for part in scope if isinstance(part, str)])
    return clean(scope, 2000) if isinstance(scope, str) else ""
