"""The certificate that a server shows, also one that proves nothing: its names and dates, for words alone."""

import socket
import ssl
import time
from typing import Any, NamedTuple

from ...core.errors import PairletError, TlsError
from ...core.text import clean
from ..tls import explain

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name.
_ANY_TIME = 0x200000
_MOST_NAMES = 3

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class Shown(NamedTuple):
    """What a server showed. version: of TLS. names: whose. issuer: who says so. starts, ends: Unix time."""

    version: str
    names: tuple[str, ...]
    issuer: str
    starts: float
    ends: float

    def __str__(self) -> str:
        more = f" and {len(self.names) - _MOST_NAMES} more" if len(self.names) > _MOST_NAMES else ""
        names = ", ".join(self.names[:_MOST_NAMES]) + more
        return f"it is for {names or 'nobody'}, from {self.issuer}, {_day(self.starts)} to {_day(self.ends)}"


def show(address: _Address, host: str, context: ssl.SSLContext, limit_s: float) -> Shown:
    """Have `host` at `address` prove who it is to `context`; each read takes `limit_s` at the most.

    Blocks. Raises OSError, which ssl.SSLError is.
    """
    family, where = address
    with socket.socket(family, socket.SOCK_STREAM) as opened:
        opened.settimeout(limit_s)
        opened.connect(where)
        with context.wrap_socket(opened, server_hostname=host) as secured:
            return _read(secured.getpeercert() or {}, secured.version() or "TLS")


def shown_by(error: ssl.SSLError, address: _Address, host: str, limit_s: float) -> PairletError:
    """`error` in words, with what the certificate says where it was refused for that. Blocks."""
    explained = explain(error, host)
    if not isinstance(error, ssl.SSLCertVerificationError):
        return explained
    try:
        shown = _unproven(address, host, limit_s)
    except (OSError, ValueError):
        return explained
    return TlsError(f"{explained}; {shown}", explained.advice)


def _unproven(address: _Address, host: str, limit_s: float) -> Shown:
    """Whatever the server shows. Nothing is sent to it, and nothing it says is believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    family, where = address
    with socket.socket(family, socket.SOCK_STREAM) as opened:
        opened.settimeout(limit_s)
        opened.connect(where)
        with context.wrap_socket(opened, server_hostname=host) as secured:
            encoded = secured.getpeercert(binary_form=True)
    # Python decodes only what it has verified: once more, with this very certificate as the one that counts.
    context.load_verify_locations(cadata=encoded)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_ANY_TIME)
    return show(address, host, context, limit_s)


def _read(certificate: "dict[str, Any]", version: str) -> Shown:
    names = [clean(str(value), 80) for _, value in certificate.get("subjectAltName", ())]
    issuer = _common_name(certificate.get("issuer", ())) or "a CA without a name"
    subject = _common_name(certificate.get("subject", ()))
    starts, ends = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
    return Shown(
        version.replace("TLSv", "TLS "), tuple(names or ([subject] if subject else [])), issuer, starts, ends
    )


def _common_name(parts: "tuple[Any, ...]") -> str:
    """The most telling part of a name: the common name, else the organisation."""
    found = {key: value for part in parts for key, value in part}
    return clean(str(found.get("commonName") or found.get("organizationName") or ""), 80)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
