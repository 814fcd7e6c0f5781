"""DPoP proofs (RFC 9449 section 4.2), made and read with a library that the agent does not use."""

import secrets
from typing import Any

from joserfc import jwk, jws, jwt


def new_key() -> Any:
    """A key pair for ES256."""
    return jwk.ECKey.generate_key("P-256")


def proof(key: Any, htu: str, iat: float, *, alg: str = "ES256", **changes: Any) -> str:
    """A good one for a POST but for `changes`; None takes a claim away. `jwk` and `typ` are of the header."""
    header = {"typ": changes.pop("typ", "dpop+jwt"), "alg": alg}
    header["jwk"] = changes.pop("jwk", key.as_dict(private=False))
    good = {"htm": "POST", "htu": htu, "iat": int(iat), "jti": secrets.token_hex(8)}
    claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
    return jwt.encode(header, claims, key, algorithms=[alg])


def opened(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a proof that the key in it has signed."""
    header = jws.extract_compact(text.encode()).headers()
    key: Any = jwk.import_key(header["jwk"])
    return header, dict(jwt.decode(text, key, algorithms=["ES256"]).claims)
