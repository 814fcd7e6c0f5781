"""Checks access tokens that are JWTs: signature by JWKS, `alg`, `typ`, `iss`, `aud`, `exp` and `nbf`.

RFC 9068 section 4 for access tokens, RFC 8725 for what JWT libraries got wrong over the years. No token,
nor any part of one, is in an error or a log.
"""

import math
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError

from .jwks import FetchedKeys, KeySource, StaticKeys
from .settings import BrokerSettings

# Claims and a signature take about one kilobyte; more than this is not worth any arithmetic.
MAX_TOKEN_BYTES = 8 * 1024


class TokenRefused(Exception):
    """The token is not good (any more); the text says why and repeats nothing of the token."""


class TokenVerifier:
    """Verifies tokens by the settings of a broker; keeps the keys between calls."""

    def __init__(self, settings: BrokerSettings):
        self._settings = settings
        self._keys = _key_source(settings)
        # Unknown header parameters are ignored (RFC 7515 section 4); the library would refuse them.
        self._registry = jws.JWSRegistry(algorithms=list(settings.algorithms), strict_check_header=False)

    async def verify(self, password: bytes | None) -> dict[str, Any]:
        """The claims of a good token. TokenRefused if it is not, KeysUnavailable if that can not be told."""
        token = _compact(password)
        header = _header(token)
        alg = header.get("alg")
        if not isinstance(alg, str) or alg not in self._settings.algorithms:
            raise TokenRefused("the token is not signed with an accepted algorithm")
        self._check_header(header)
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenRefused("the token's kid is not a string")
        key = await self._keys.find(kid, alg)
        if key is None:
            raise TokenRefused("the token is signed with an unknown key")
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
        except BadSignatureError:
            raise TokenRefused("the token's signature is wrong") from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise TokenRefused("the token is not a readable JWT") from None
        self._check_claims(claims)
        return claims

    def _check_header(self, header: dict[str, Any]) -> None:
        if "crit" in header:
            # RFC 7515 section 4.1.11: what is critical and not understood makes the token invalid.
            raise TokenRefused("the token asks for an extension that is not known here")
        wanted = self._settings.token_type
        if wanted is not None:
            said = str(header.get("typ", "")).lower().removeprefix("application/")
            if said != wanted.lower():
                raise TokenRefused("the token's typ is not %s" % wanted)

    def _check_claims(self, claims: dict[str, Any]) -> None:
        """RFC 7519 section 4.1. `exp` is required: a token that never ends could not be taken back."""
        settings = self._settings
        if claims.get("iss") != settings.issuer:
            raise TokenRefused("the token is from another issuer")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if settings.audience not in audiences:
            raise TokenRefused("the token is for another audience")
        if claims.get("cnf"):
            # RFC 7800 section 3: of use only to whoever proves to have the key, for which MQTT has no way.
            raise TokenRefused("the token is bound to a key, which can't be proven here")
        now = settings.now()
        if _numeric_date(claims, "exp") <= now:
            raise TokenRefused("the token has expired")
        if "nbf" in claims and _numeric_date(claims, "nbf") > now + settings.leeway:
            raise TokenRefused("the token is not valid yet")


def _key_source(settings: BrokerSettings) -> KeySource:
    if settings.jwks_url is None:
        return StaticKeys(settings.jwks or {})
    return FetchedKeys(settings.jwks_url, interval=settings.jwks_interval, timeout=settings.jwks_timeout)


def _compact(password: bytes | None) -> bytes:
    """The password as a JWS Compact Serialization (RFC 7515 section 7.1): three parts of printable ASCII."""
    if not password:
        raise TokenRefused("there is no token in the password field")
    if len(password) > MAX_TOKEN_BYTES:
        raise TokenRefused("the token is longer than %d bytes" % MAX_TOKEN_BYTES)
    if password.count(b".") != 2:
        raise TokenRefused("the password is not a JWT")
    return password


def _header(token: bytes) -> dict[str, Any]:
    """The protected header, not yet to be trusted: it only says which key to try."""
    try:
        header = jws.extract_compact(token).headers()
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise TokenRefused("the password is not a JWT") from None
    if not isinstance(header, dict):
        raise TokenRefused("the password is not a JWT")
    return header


def _numeric_date(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2): a finite number; bool is not one."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenRefused("the token's %s is missing or not a number" % name)
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise TokenRefused("the token's %s is not a date" % name)
    return seconds
