"""Where an access token comes from, as far as whoever uses one knows."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...core.secret import Secret

if TYPE_CHECKING:
    from ...core.token import Token


class AccessToken(NamedTuple):
    """A token for now. `access_token`: its `reveal()` gives the text, nothing else does.

    expires_in: seconds that are left, None if nobody knows. scope: as granted, "" if nobody knows.
    """

    access_token: Secret
    expires_in: int | None
    scope: str


class Source(Protocol):
    """A Device, a TokenAgent, or anything like them; used from any thread."""

    @property
    def insecure_http(self) -> bool:
        """Whether the token may go to plain http on loopback."""

    def token(self, refused: Secret | None = None) -> AccessToken:
        """A token that is good for a while.

        `refused`: one that a resource server did not take; another one then, or the same if there is none.
        """


def seen(token: "Token", now: int) -> AccessToken:
    """`token` at `now` (ms of the clock it came by), without what others must not have."""
    left_ms = token.remaining_ms(now)
    return AccessToken(token.access_token, None if left_ms is None else left_ms // 1000, token.scope)
