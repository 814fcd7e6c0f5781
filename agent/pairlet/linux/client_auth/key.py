"""The client's private key, and what is signed with it (JWS, RFC 7515). Needs the extra `keys`."""

import json
from typing import Any

from ...core.errors import ConfigError
from ...core.secret import Secret

try:
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
except ImportError:
    # Outside of the handler: what is missing is said below, and a chain of import errors helps nobody.
    _HAS_KEYS = False
else:
    # A package of another kind has the import name `jwt` as well.
    _HAS_KEYS = hasattr(jwt, "PyJWK")

HMAC = ("HS256", "HS384", "HS512")
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# By the name of the curve, as `cryptography` has it.
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
# RFC 7518 section 3.3.
_RSA_BITS = 2048


class Signer:
    """Signs claims with one key: `algorithm` is the "alg" (RFC 7518), `headers` the rest of the header."""

    def __init__(self, key: Any, algorithm: str, headers: dict[str, Any]):
        self._key = key
        self.algorithm = algorithm
        self._headers = headers

    def sign(self, claims: dict[str, Any]) -> str:
        """`claims` as a JWT in its compact form."""
        return jwt.encode(claims, self._key, self.algorithm, self._headers)

    def __repr__(self) -> str:
        return f"<Signer {self.algorithm}>"


def require_extra(setting: str) -> None:
    """ConfigError, if what signing takes is not installed. `setting`: what asks for it."""
    if not _HAS_KEYS:
        raise ConfigError(
            f"{setting} needs the extra keys",
            "Install it with: pip install 'pairlet[keys]'.",
        )


def secret_signer(secret: Secret, algorithm: str) -> Signer:
    """A signer with the client secret as its key (RFC 7518 section 3.2). Raises ConfigError."""
    algorithm = algorithm or HMAC[0]
    _check(algorithm, HMAC, "a client secret")
    key, needed = secret.reveal().encode(), int(algorithm[2:]) // 8
    if len(key) < needed:
        raise ConfigError(
            f"the client secret is too short to sign with: {algorithm} wants {needed} bytes",
            "Have the server make a longer one, or use client_secret_basic.",
        )
    return Signer(key, algorithm, {})


def key_signer(text: Secret, place: str, algorithm: str, headers: dict[str, str]) -> Signer:
    """A signer with the private key in `text`: PEM, or a JWK (RFC 7517), whose "kid" goes into the header.

    `place`: where it is from, for sentences. `algorithm`: "" for the usual one of such a key. `headers`: what
    the header gets besides; its "kid" wins. Raises ConfigError for what is no such key.
    """
    found = text.reveal()
    key: Any = None
    if found.startswith("{"):
        key, key_id = _from_jwk(found)
        if key_id:
            headers = {"kid": key_id, **headers}
        problem = "it is no private key in JWK form"
    else:
        key, problem = _from_pem(found.encode())
    if key is not None:
        kinds, problem = _algorithms(key)
        if kinds:
            _check(algorithm or kinds[0], kinds, "this key")
            return Signer(key, algorithm or kinds[0], headers)
    raise ConfigError(
        f"the client key in {place} can't be used: {problem}",
        "Name a private key in PEM or JWK form, not encrypted; for one: openssl genpkey -algorithm EC "
        "-pkeyopt ec_paramgen_curve:P-256.",
    )


def _from_pem(data: bytes) -> tuple[Any, str]:
    try:
        return load_pem_private_key(data, None), ""
    except TypeError:
        return None, "it is encrypted, and nobody is there to type a password"
    except (ValueError, UnsupportedAlgorithm):
        return None, "it is no private key in PEM form"


def _from_jwk(text: str) -> tuple[Any, str]:
    """The private key and its "kid"; (None, "") if it is none."""
    try:
        members = json.loads(text)
        key = jwt.PyJWK.from_dict(members).key
        # A public key would do until it comes to signing.
        return (key if "d" in members else None), str(members.get("kid") or "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, jwt.PyJWTError):
        return None, ""


def _algorithms(key: Any) -> tuple[tuple[str, ...], str]:
    """What can be signed with `key`, the usual first; or nothing, and why."""
    if isinstance(key, rsa.RSAPrivateKey):
        return (_RSA, "") if key.key_size >= _RSA_BITS else ((), f"it has less than {_RSA_BITS} bits")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return (_CURVES[key.curve.name],), ""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return ("EdDSA",), ""
    return (), "it is of a kind that JSON Web Signatures have no use for"


def _check(algorithm: str, possible: tuple[str, ...], owner: str) -> None:
    if algorithm not in possible:
        raise ConfigError(
            f"oauth.token_endpoint_auth_signing_alg is '{algorithm}', which {owner} can't do",
            "Use one of: " + ", ".join(possible) + "; or leave it out.",
        )
