"""DPoP proofs (RFC 9449 sections 4.3 and 8): by which key, for which request, when, used but once."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from .database import Database, fingerprint

ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"]
TYPE = "dpop+jwt"

_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}
# How far iat may be off, and how long a jti is remembered at least.
_WINDOW_S = 300
_NONCE_S = 60
_LONGEST_JTI = 256


class ProofRefused(OAuth2Error):  # type: ignore[misc]
    """RFC 9449 section 5."""

    error = "invalid_dpop_proof"


class NonceWanted(OAuth2Error):  # type: ignore[misc]
    """RFC 9449 section 8: the same once more, with the nonce that comes along as DPoP-Nonce."""

    error = "use_dpop_nonce"


class Proofs:
    """The judge of proofs. `needs_nonce`: none is good without a nonce of this server.

    `clock` gives seconds since 1970; what was used is in `database` until its time is over.
    """

    def __init__(self, clock: Callable[[], float], database: Database, *, needs_nonce: bool = False):
        self.needs_nonce = needs_nonce
        self._clock = clock
        self._database = database
        self._secret = secrets.token_bytes(32)

    def nonce(self, before: int = 0) -> str:
        """The one to use now; with 1, the one before, which is good as well."""
        turn = str(int(self._clock() // _NONCE_S) - before)
        digest = hmac.digest(self._secret, turn.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def judge(
        self, proofs: list[str], method: str, addresses: Iterable[str], access_token: str | None = None
    ) -> str | None:
        """The thumbprint (RFC 7638) of the key that has proven itself, or None without a proof.

        `proofs`: the values of all header fields DPoP. `addresses`: those at which the request may have come.
        `access_token`: what goes along with it at a resource server. Raises ProofRefused, NonceWanted.
        """
        if not proofs:
            return None
        if len(proofs) > 1:
            raise ProofRefused("There is more than one DPoP header.")
        key, claims = _opened(proofs[0])
        if claims.get("htm") != method:
            raise ProofRefused("The proof is for another method (htm).")
        if _normal(claims.get("htu")) not in {_normal(address) for address in addresses}:
            raise ProofRefused("The proof is for another address (htu).")
        if access_token is not None and claims.get("ath") != _digest(access_token):
            raise ProofRefused("The proof is for another access token (ath).")
        self._check_time(claims)
        thumbprint = str(key.thumbprint())
        self._spend(thumbprint, claims.get("jti"))
        return thumbprint

    def _check_time(self, claims: dict[str, Any]) -> None:
        """By the nonce where there is one: then nobody's clock matters (section 8)."""
        issued, nonce = claims.get("iat"), claims.get("nonce")
        if not isinstance(issued, int | float) or isinstance(issued, bool):
            raise ProofRefused("The proof has no iat.")
        if nonce is not None or self.needs_nonce:
            if nonce not in (self.nonce(), self.nonce(1)):
                raise NonceWanted("Put the nonce of the DPoP-Nonce header into the proof.")
        elif abs(self._clock() - issued) > _WINDOW_S:
            raise ProofRefused("The proof is too old, or from the future (iat).")

    def _spend(self, thumbprint: str, jti: object) -> None:
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            raise ProofRefused("The proof has no jti.")
        now = self._clock()
        self._database.run("DELETE FROM assertion WHERE expires_at < ?", now)
        spent = self._database.run(
            "INSERT OR IGNORE INTO assertion VALUES (?, ?)",
            fingerprint(f"dpop\0{thumbprint}\0{jti}"),
            now + 2 * _WINDOW_S,
        )
        if not spent:
            raise ProofRefused("The proof was used before (jti).")


def _opened(proof: str) -> tuple[Any, dict[str, Any]]:
    """The public key in the header, and the claims that it has signed."""
    try:
        header = jws.extract_compact(proof.encode()).headers()
        algorithm, members = header.get("alg"), header.get("jwk")
        if header.get("typ") != TYPE or algorithm not in ALGORITHMS or not isinstance(members, dict):
            raise ProofRefused(f"The proof is no {TYPE} that a key in its header has signed.")
        if _PRIVATE & set(members):
            raise ProofRefused("The proof shows a private key, which is spoilt by that.")
        key: Any = jwk.import_key(members)
        return key, dict(jwt.decode(proof, key, algorithms=[algorithm]).claims)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ProofRefused("The proof is not signed by the key in its header.") from None


def _normal(address: object) -> str:
    """Without query and fragment, and the same for all ways to write one host and port (section 4.3)."""
    try:
        parts = urlsplit(str(address))
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme.lower())
    except ValueError:
        return ""
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}{parts.path or '/'}"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Bindings:
    """What is of use only together with a key: pairings of public clients, and authorization codes."""

    def __init__(self, database: Database):
        self._database = database

    def bind(self, name: str, thumbprint: str) -> None:
        """From now on `name` is bound to that key; the first one counts."""
        self._database.run("INSERT OR IGNORE INTO binding VALUES (?, ?)", name, thumbprint)

    def permits(self, name: str, thumbprint: str | None) -> bool:
        """Whether `name` is bound to no key, or to this one."""
        row = self._database.row("SELECT thumbprint FROM binding WHERE name = ?", name)
        return row is None or row["thumbprint"] == thumbprint
