"""The ID token (OpenID Connect Core section 2) and its checks (section 3.1.3.7). Needs the extra `keys`."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple, TypeGuard

import jwt

from ...core.errors import ProtocolError
from ...core.secret import Secret
from ...core.text import clean

# Signed with a private key of the server's; a secret that two share proves nothing to a third.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# For clocks that disagree.
_LEEWAY_S = 120
_LONGEST = 16384
# RFC 7518 sections 3.3 and 3.5: RSA keys must be of that size.
_RSA_BITS = 2048
# How much of SHAKE256 signatures with Ed448 are made with.
_ED448_BYTES = 114
# Nothing but the signature: the claims are looked at below, by this device's own idea of time.
_UNCHECKED: Any = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)
# What people call themselves, the first that is there; `sub` is what is always there.
_NAMES = ("name", "preferred_username", "nickname", "email", "sub")


class Expected(NamedTuple):
    """What has to be in it: the server's `issuer`, the device's `client_id`, the `nonce`.

    nonce: None where none was sent. now: Unix seconds, None: there is no clock to judge by. access_token: the
    one that came in the same answer.
    """

    issuer: str
    client_id: str
    nonce: str | None
    now: int | None
    access_token: Secret | None


class _Verified(NamedTuple):
    """What a key has signed, and the hash that its signatures are made with."""

    claims: dict[str, Any]
    hash_name: str


def person_in(id_token: Secret, jwks: dict[str, object], expected: Expected) -> tuple[str, str]:
    """(sub, name) of the person, both clean, from a token that one of the keys in `jwks` has signed.

    Raises ProtocolError, which says what is wrong and holds nothing of the token.
    """
    claims, hash_name = _verified(id_token.reveal(), jwks)
    problem = _problem(claims, expected) or _problem_with_token(claims, expected.access_token, hash_name)
    if problem:
        raise ProtocolError(f"the ID token {problem}")
    said = [claims.get(name) for name in _NAMES]
    names = [clean(name, 80) for name in said if isinstance(name, str)]
    name = next((name for name in names if name), "")
    if not name or not isinstance(claims.get("sub"), str):
        raise ProtocolError("the ID token names nobody")
    return clean(claims["sub"], 255), name


def _verified(text: str, jwks: dict[str, object]) -> _Verified:
    """The claims, once the signature is right. Raises ProtocolError."""
    try:
        header = jwt.get_unverified_header(text) if len(text) <= _LONGEST else {}
    except (jwt.PyJWTError, ValueError, RecursionError):
        header = {}
    algorithm = header.get("alg")
    if algorithm not in _ALGORITHMS or "crit" in header:
        raise ProtocolError("the ID token is not signed with a key of the server's")
    for members in _candidates(jwks, header.get("kid")):
        try:
            key = jwt.PyJWK.from_dict(members, algorithm)
            if algorithm[:2] in ("RS", "PS") and key.key.key_size < _RSA_BITS:
                continue
            claims = dict(jwt.decode(text, key, [algorithm], options=_UNCHECKED))
            return _Verified(claims, _hash_of(algorithm, members.get("crv")))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue  # a key of another kind, or not the one
    raise ProtocolError("the ID token is signed by none of the server's keys")


def _hash_of(algorithm: str, curve: object) -> str:
    """RFC 7518 has it in the name; of EdDSA (RFC 8032) the curve has its own."""
    if algorithm != "EdDSA":
        return "sha" + algorithm[2:]
    return "shake_256" if curve == "Ed448" else "sha512"


def _candidates(jwks: dict[str, object], kid: object) -> list[dict[str, Any]]:
    """The keys that may have signed it: the one that is named, else all that are for signing."""
    listed = jwks.get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    keys = [key for key in keys if key.get("use", "sig") == "sig"]
    return keys if kid is None else [key for key in keys if key.get("kid") == kid]


def _problem(claims: dict[str, Any], expected: Expected) -> str:
    """What is wrong with the claims, "" for nothing."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        return "is from another issuer"
    if expected.client_id not in audiences:
        return "is for another client"
    if claims.get("azp", expected.client_id) != expected.client_id or (
        len(audiences) > 1 and "azp" not in claims
    ):
        return "was asked for by another client"
    if expected.nonce is not None and claims.get("nonce") != expected.nonce:
        return "is not the answer to this sign-in"
    ends, issued = claims.get("exp"), claims.get("iat")
    if not _is_time(ends) or not _is_time(issued):
        return "says not when it is good"
    if expected.now is not None and ends + _LEEWAY_S < expected.now:
        return "has expired"
    if expected.now is not None and issued - _LEEWAY_S > expected.now:
        return "is from the future: is this device's clock right?"
    return ""


def _problem_with_token(claims: dict[str, Any], access_token: Secret | None, hash_name: str) -> str:
    """What is wrong with at_hash (section 3.1.3.6), "" for nothing: with a code it may be missing."""
    said = claims.get("at_hash")
    if said is None:
        return ""
    found: Any = hashlib.new(hash_name, access_token.reveal().encode() if access_token else b"")
    digest = found.digest(_ED448_BYTES) if hash_name == "shake_256" else found.digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return "" if access_token is not None and said == half else "did not come with this access token"


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
