"""The signing key and what is signed with it: JWT access tokens (RFC 9068), ES256 (RFC 7518 section 3.4)."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from .database import Database

ALGORITHM = "ES256"
_SLOT = "signing_key"


class SigningKey:
    """One EC P-256 key. It lives in the database, so that tokens outlast a restart of the server."""

    def __init__(self, database: Database):
        parameters: jwk.KeyParameters = {"use": "sig", "alg": ALGORITHM}
        stored = database.load_json(_SLOT)
        if stored is None:
            self._key = jwk.ECKey.generate_key("P-256", parameters=parameters, auto_kid=True)
            database.save_json(_SLOT, self._key.as_dict(private=True))
        else:
            self._key = jwk.ECKey.import_key(stored)

    def jwks(self) -> dict[str, Any]:
        """The public half as a JWK Set (RFC 7517 section 5)."""
        return {"keys": [self._key.as_dict(private=False)]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWT with `typ` at+jwt, which keeps it from being taken for an ID token (RFC 9068 2.1)."""
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._key.kid}
        return jwt.encode(header, dict(claims), self._key, algorithms=[ALGORITHM])

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key signed, or None. `exp` is for the caller, who has the clock."""
        try:
            return dict(jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
