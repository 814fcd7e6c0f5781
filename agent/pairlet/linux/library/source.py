"""Where an access token comes from, as far as whoever uses one knows."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...core.secret import Secret
from ...core.token import BEARER

if TYPE_CHECKING:
    from ...core.token import Token
    from ..dpop.prover import Prover


class AccessToken(NamedTuple):
    """A token for now. `access_token`: its `reveal()` gives the text, nothing else does.

    expires_in: seconds that are left, None if nobody knows. scope: as granted, "" if nobody knows.
    token_type: "Bearer", or "DPoP" (RFC 9449) for one that is of use only with proofs of the device's key,
    which `prover` makes.
    """

    access_token: Secret
    expires_in: int | None
    scope: str
    token_type: str = BEARER
    prover: "Prover | None" = None


class Source(Protocol):
    """A Device, a TokenAgent, or anything like them; used from any thread."""

    @property
    def insecure_http(self) -> bool:
        """Whether the token may go to plain http on loopback."""

    def token(self, refused: Secret | None = None) -> AccessToken:
        """A token that is good for a while.

        `refused`: one that a resource server did not take; another one then, or the same if there is none.
        """


def seen(token: "Token", now: int, prover: "Prover | None" = None) -> AccessToken:
    """`token` at `now` (ms of the clock it came by), without what others must not have."""
    left_ms = token.remaining_ms(now)
    left_s = None if left_ms is None else left_ms // 1000
    return AccessToken(token.access_token, left_s, token.scope, token.token_type, prover)
