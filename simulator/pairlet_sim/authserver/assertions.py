"""Client assertions (RFC 7523 sections 2.2 and 3): whose they are, for whom, until when, used but once."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeGuard

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from .database import Database, fingerprint
from .settings import SECRET_JWT, Client, Settings

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"]
KEY_ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"]
ALGORITHMS = [*KEY_ALGORITHMS, *SECRET_ALGORITHMS]

# For clocks that disagree.
_LEEWAY_S = 30
# An assertion that is good for longer must have been stolen from the future, or made to be kept.
_LONGEST_S = 3600
_LONGEST_JTI = 256


class AssertionRefused(Exception):
    """Why, in a sentence for the client."""


def claimed_client_id(assertion: str) -> str:
    """The "sub" in `assertion`, which nobody has verified yet. Raises AssertionRefused."""
    try:
        body = assertion.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        subject = claims["sub"]
    except (ValueError, IndexError, KeyError, TypeError, binascii.Error, RecursionError):
        subject = None
    if not isinstance(subject, str) or not subject:
        raise AssertionRefused("The client assertion is no JWT with a sub.")
    return subject


class Assertions:
    """The judge of client assertions. What was used is in `database` until it has expired."""

    def __init__(self, settings: Settings, clock: Callable[[], float], database: Database):
        # RFC 7523 section 3 allows the token endpoint too; clients of today name the issuer.
        self._audiences = (settings.issuer, settings.base + "/token")
        self._clock = clock
        self._database = database

    def judge(self, client: Client, assertion: str) -> None:
        """Raises AssertionRefused unless `client` has signed this for us, now, and for the first time."""
        claims = self._verified(client, assertion)
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise AssertionRefused("iss and sub of the client assertion must both be the client_id.")
        audience = claims.get("aud")
        if not any(
            one in self._audiences for one in (audience if isinstance(audience, list) else [audience])
        ):
            raise AssertionRefused("The client assertion is not for this server: aud must be its issuer.")
        now = self._clock()
        self._check_times(claims, now)
        self._spend(client, claims, now)

    def _verified(self, client: Client, assertion: str) -> dict[str, Any]:
        """The claims, once a registered key is found that has signed them."""
        keys: list[Any]
        if client.token_endpoint_auth_method == SECRET_JWT:
            keys, algorithms = [jwk.OctKey.import_key(client.secret or "")], SECRET_ALGORITHMS
        else:
            keys = [jwk.import_key(key) for key in (client.jwks or {}).get("keys", [])]
            algorithms = KEY_ALGORITHMS
        for key in keys:
            try:
                token = jwt.decode(assertion, key, algorithms=algorithms)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            named = token.header.get("kid")
            # With several keys the client says which: another one's signature is none of that.
            if named is None or key.kid in (None, named):
                return dict(token.claims)
        raise AssertionRefused("No key that this client is registered with has signed the client assertion.")

    def _check_times(self, claims: dict[str, Any], now: float) -> None:
        ends, begins, issued = (claims.get(name) for name in ("exp", "nbf", "iat"))
        if not _is_time(ends):
            raise AssertionRefused("The client assertion has no exp.")
        if ends <= now - _LEEWAY_S:
            raise AssertionRefused("The client assertion has expired.")
        if ends > now + _LONGEST_S:
            raise AssertionRefused("The client assertion is good for too long.")
        for time in (begins, issued):
            if time is not None and (not _is_time(time) or time > now + _LEEWAY_S):
                raise AssertionRefused("The client assertion is from the future.")

    def _spend(self, client: Client, claims: dict[str, Any], now: float) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            raise AssertionRefused("The client assertion has no jti.")
        self._database.run("DELETE FROM assertion WHERE expires_at < ?", now)
        spent = self._database.run(
            "INSERT OR IGNORE INTO assertion VALUES (?, ?)",
            fingerprint(client.client_id + "\0" + jti),
            claims["exp"] + _LEEWAY_S,
        )
        if not spent:
            raise AssertionRefused("The client assertion was used before.")


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
