"""Proofs that a request comes from whoever has the key (RFC 9449 section 4), with the servers' nonces."""

import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from .key import DeviceKey, PassingKey, digest

if TYPE_CHECKING:
    from ...core.secret import Secret

# RFC 9449 section 8.1, and a length that a header field can bear.
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}")
_MOST_SERVERS = 100


class Proof(NamedTuple):
    """A proof: `text` is the value of the header field DPoP, `nonce` what it has of the server's, or None."""

    text: str
    nonce: str | None


class Prover:
    """Makes proofs with one key. `clock()`: Unix seconds. Used from any thread.

    A server's nonce counts from the answer that brings it until the next one does (section 8.2). It is why a
    device whose calendar is wrong can prove something: `iat` says little where there is a nonce.
    """

    def __init__(self, key: DeviceKey | PassingKey, clock: Callable[[], int]):
        self.key = key
        self._clock = clock
        self._nonces: dict[str, str] = {}

    def proof(self, method: str, url: str, access_token: "Secret | None" = None) -> str:
        """For one request: a JWT for the header field DPoP. With the token that goes along to a resource.

        Raises StoreError.
        """
        return self.prove(method, url, access_token).text

    def prove(self, method: str, url: str, access_token: "Secret | None" = None) -> Proof:
        """As proof(), for those who are to know its nonce."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(24),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": self._clock(),
        }
        nonce = self._nonces.get(_origin(url))
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            claims["ath"] = digest(access_token.reveal())
        return Proof(self.key.signer().sign(claims), nonce)

    def heard(self, url: str, nonce: str | None) -> bool:
        """The server at `url` sent this DPoP-Nonce, or none. True if there is one that fits into a proof."""
        if nonce is None or not _NONCE.fullmatch(nonce):
            return False
        origin = _origin(url)
        if origin not in self._nonces and len(self._nonces) >= _MOST_SERVERS:
            self._nonces.clear()  # each server gives another one for the asking
        self._nonces[origin] = nonce
        return True


def _origin(url: str) -> str:
    """Whose nonces count for it (section 9: a resource server has its own)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
