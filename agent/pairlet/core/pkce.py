"""Proof Key for Code Exchange (RFC 7636), with the one method that hides the verifier. Not for boards."""

import hashlib
from binascii import b2a_base64

from .secret import Secret

METHOD = "S256"
# Section 7.1: 256 bits of chance. A verifier has 43 to 128 characters; this makes 43.
CHANCE_BYTES = 32


def base64url(data: bytes) -> str:
    """`data` as base64url without padding (RFC 7636 appendix A)."""
    return b2a_base64(data).decode().strip().replace("+", "-").replace("/", "_").replace("=", "")


def code_verifier(chance: bytes) -> Secret:
    """The secret that the token request proves the authorization request with; `chance`: 32 random bytes."""
    if len(chance) < CHANCE_BYTES:
        raise ValueError("a code_verifier takes 32 random bytes")
    return Secret(base64url(chance))


def code_challenge(verifier: Secret) -> str:
    """What the authorization request says of it (section 4.2)."""
    return base64url(hashlib.sha256(verifier.reveal().encode()).digest())


def sign_in_nonce(verifier: Secret) -> str:
    """The nonce that an ID token is to hold (OpenID Connect Core section 3.1.2.1): whoever has the verifier
    of this very sign-in can tell it, and nobody else."""
    return code_challenge(Secret("nonce " + verifier.reveal()))
