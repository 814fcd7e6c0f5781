"""Clients that a certificate proves in the TLS handshake (mutual TLS, RFC 8705 section 2)."""

import hashlib
import os
import ssl
from base64 import urlsafe_b64encode
from pathlib import Path

from ...core.client import NONE, Client
from ...core.errors import ConfigError

METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
_ADVICE = "Check oauth.client_certificate_file and oauth.client_key_file: PEM files that belong together."


class CertificateClient(Client):
    """A client that names itself in the body, and is proven by the connection (RFC 8705 section 2)."""

    def __init__(self, client_id: str, client_auth: str):
        super().__init__(client_id, None, NONE)
        self.client_auth = client_auth


class Certificate:
    """A client certificate with its chain, and its private key: two PEM files, or one that has both.

    Whoever renews them puts new ones in their place: what was read is good while they stay the same.
    """

    def __init__(self, certificate: Path, key: Path):
        self._files = (certificate, key)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let `context` show it to servers that ask. Raises ConfigError when the files can't be used."""
        certificate, key = self._files
        for file in self._files:
            if not os.access(file, os.R_OK) or not file.is_file():
                raise ConfigError(f"{file} can't be read, and the client certificate takes it", _ADVICE)
        try:
            context.load_cert_chain(certificate, key, password=_refuse_password)
        except ssl.SSLError as error:
            raise ConfigError(_explain(error, certificate, key), _ADVICE) from None
        except OSError as error:
            raise ConfigError(
                f"the client certificate {certificate} can't be read: {error.strerror}", _ADVICE
            ) from None

    def check(self) -> None:
        """Raises ConfigError when the files can't be used as they are now."""
        self.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def mark(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when somebody renews the files. Raises ConfigError when one is gone."""
        try:
            found = [file.stat() for file in self._files]
        except OSError as error:
            raise ConfigError(
                f"the client certificate can't be read: {error.strerror}: {error.filename}", _ADVICE
            ) from None
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)


def thumbprint(file: Path) -> str:
    """The "x5t#S256" of RFC 7515 section 4.1.8: of the first certificate in the PEM `file`.

    Raises ConfigError when there is none.
    """
    mark = "-----BEGIN CERTIFICATE-----"
    try:
        text = file.read_text(encoding="ascii")
        first = text[text.index(mark) :].partition("-----END CERTIFICATE-----")
        data = ssl.PEM_cert_to_DER_cert(first[0] + first[1])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM form"
        raise ConfigError(f"the client certificate {file} can't be read: {reason}", _ADVICE) from None
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class _EncryptedError(OSError):
    """OpenSSL wants a password, and would ask for it on the terminal."""


def _refuse_password() -> str:
    raise _EncryptedError(0, "its key is encrypted, and nobody is there to type a password")


def _explain(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    # The latter is what OpenSSL says of a key of another kind, which it has put where no certificate is.
    if error.reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return f"the key in {key} is not that of the client certificate {certificate}"
    return f"{certificate} and {key} hold no certificate and private key in PEM form"
