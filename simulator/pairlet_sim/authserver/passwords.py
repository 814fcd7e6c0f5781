"""Passwords as scrypt hashes (RFC 7914). Nothing here ever stores or shows a password."""

import base64
import hashlib
import hmac
import os

# 16 MiB and some tens of milliseconds a guess: dear for a guesser, bearable for a small board in a test rack.
_N, _R, _P, _SALT = 2**14, 8, 1, 16


def hash_password(password: str) -> str:
    """`salt$key`, both base64, with a fresh salt."""
    salt = os.urandom(_SALT)
    return _encode(salt) + "$" + _encode(_derive(password, salt))


def verify_password(password: str, password_hash: str) -> bool:
    """Whether `password` made `password_hash`; takes as long for a wrong one as for the right one."""
    salt, _, key = password_hash.partition("$")
    return hmac.compare_digest(_derive(password, base64.b64decode(salt)), base64.b64decode(key))


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
