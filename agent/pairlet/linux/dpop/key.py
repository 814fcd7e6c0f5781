"""The key pair that tokens are bound to: made once, and kept like a secret. Needs the extra `keys`."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ...core.errors import StoreError
from ..client_auth.key import Signer

if TYPE_CHECKING:
    from ..store import FileStore

ALGORITHM = "ES256"
_TYPE = "dpop+jwt"
_ADVICE = (
    "Put it back from a copy; without one un-pair (pairlet unpair) and pair again: tokens are bound to it."
)


class _Pair(NamedTuple):
    signer: Signer
    thumbprint: str


class DeviceKey:
    """The key pair that `store` has under `name`, PEM in PKCS #8; made when it is asked for first.

    It is looked up each time: another process may un-pair the device, which removes it. `is_missed()`:
    whether what else is stored takes a key, so that none may be made in the place of one that is gone.
    """

    def __init__(self, store: "FileStore", name: str, is_missed: Callable[[], bool]):
        self._store = store
        self._name = name
        self._is_missed = is_missed
        self._known: tuple[bytes, _Pair] | None = None

    def signer(self) -> Signer:
        """Signs proofs, with the public key in their header (RFC 9449 section 4.2). Raises StoreError."""
        return self._pair().signer

    def thumbprint(self) -> str:
        """The public key's, SHA-256 (RFC 7638). Raises StoreError."""
        return self._pair().thumbprint

    def __repr__(self) -> str:
        return f"<DeviceKey {self._name}>"

    def _pair(self) -> _Pair:
        data = self._store.load(self._name) or self._made()
        if self._known is None or self._known[0] != data:
            self._known = data, _read(data, self._name)
        return self._known[1]

    def _made(self) -> bytes:
        with self._store.alone(self._name):
            data = self._store.load(self._name)  # another process may have been faster
            if data is None:
                if self._is_missed():
                    raise _gone(self._name)
                key = _new()
                data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                self._store.save(self._name, data)
        return data


class PassingKey:
    """A key pair that is nowhere but in this process: for proofs of requests that get no token."""

    def __init__(self) -> None:
        self._pair = _pair_of(_new())

    def signer(self) -> Signer:
        """See DeviceKey."""
        return self._pair.signer

    def __repr__(self) -> str:
        return "<PassingKey>"


def check(data: bytes | None, name: str) -> None:
    """Raises StoreError unless `data`, which the store has under `name`, is a key that can be used."""
    if data is None:
        raise _gone(name)
    _read(data, name)


def _gone(name: str) -> StoreError:
    return StoreError(f"the key that the token is bound to, {name}, is gone", _ADVICE)


def _new() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _read(data: bytes, name: str) -> _Pair:
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        # Never replaced: the tokens that are bound to it would be of no use.
        raise StoreError(f"{name} in the state folder holds no key for {ALGORITHM}", _ADVICE)
    return _pair_of(key)


def _pair_of(key: ec.EllipticCurvePrivateKey) -> _Pair:
    public = key.public_key().public_numbers()
    # In the order, and without the spaces, that RFC 7638 section 3 wants.
    jwk = {"crv": "P-256", "kty": "EC", "x": _number(public.x), "y": _number(public.y)}
    text = json.dumps(jwk, separators=(",", ":"))
    return _Pair(Signer(key, ALGORITHM, {"typ": _TYPE, "jwk": jwk}), digest(text))


def digest(text: str) -> str:
    """SHA-256 of `text` as RFC 7638 and RFC 9449 write it."""
    return _base64url(hashlib.sha256(text.encode()).digest())


def _number(value: int) -> str:
    return _base64url(value.to_bytes(32, "big"))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
