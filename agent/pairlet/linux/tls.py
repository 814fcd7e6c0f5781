"""TLS for every edge of this machine: one context with the trusted CAs, and errors a person understands.

Which CAs are trusted, first match wins, as users of requests expect it:

1. `ca_file` of the configuration (a PEM file, or a folder made with `openssl rehash`)
2. the environment: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE
3. the environment: SSL_CERT_FILE, SSL_CERT_DIR (requests itself ignores them; OpenSSL's tools don't)
4. certifi's bundle (Debian's own certifi package answers with the system store)
"""

import os
import re
import ssl
import threading
import time
from collections.abc import Iterable

from ..core.errors import PairletError, TlsError, TransportError
from .ca_file import no_certificate

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_YEAR_2020 = 1_577_836_800

_contexts: dict[str, ssl.SSLContext] = {}
_contexts_lock = threading.Lock()


class _SharedContext(ssl.SSLContext):
    """A context that several protocols use: none of them may bend it to itself."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Do nothing: urllib3 would make every later MQTT connection offer HTTP to its broker."""


def shared_context(ca_file: str | None = None) -> ssl.SSLContext:
    """The one context of this process for `ca_file`: TLS 1.2 or later, certificate and host name checked.

    Reading a CA bundle takes as long as a whole exchange, so it is read at the first call only; a bundle
    that changes on disk counts from the next start on. ConfigError if there is no certificate to read.
    ALPN stays unset whatever callers do: take new_context() where a server wants it.
    """
    path, said_by = _trusted(ca_file)
    with _contexts_lock:
        context = _contexts.get(path)
        if context is None:
            context = _contexts[path] = _load(_SharedContext(ssl.PROTOCOL_TLS_CLIENT), path, said_by)
        return context


def new_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Like shared_context(), but a context of the caller's own, to be changed freely."""
    return _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *_trusted(ca_file))


def _trusted(ca_file: str | None) -> tuple[str, str]:
    """The path of the CAs to trust and who asked for it."""
    if ca_file is not None:
        return os.path.expanduser(ca_file), "the CA file"
    for variable in _VARIABLES:
        if os.environ.get(variable):
            return os.environ[variable], "the environment variable " + variable
    import certifi  # late: not needed where a CA file is given

    return certifi.where(), "the package certifi"


def _load(context: ssl.SSLContext, path: str, said_by: str) -> ssl.SSLContext:
    """`context`, trusting what is in `path`. PROTOCOL_TLS_CLIENT has verification on already."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An intermediate certificate that the user names is trusted like a root, as in Python 3.13.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    reason = ""
    try:
        if os.path.isdir(path):
            # A folder is read certificate by certificate when needed: look now whether it holds any.
            if not any(_HASHED_NAME.fullmatch(name) for name in os.listdir(path)):
                reason = "is a folder without certificates; run: openssl rehash FOLDER"
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
            if not context.cert_store_stats()["x509"]:
                reason = "holds no certificate"
    except ssl.SSLError:
        reason = "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        reason = "can't be read: " + (getattr(error, "strerror", None) or "it is no path")
    if reason:
        raise no_certificate(said_by, path, reason)
    return context


# verify_code of OpenSSL (X509_V_ERR_...) to what a person can do something about.
_UNKNOWN_CA = (2, 19, 20, 21)
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _REVOKED = 9, 10, 18, 23
_WRONG_NAME = (62, 64)

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG",
            "RECORD_LAYER_FAILURE", "BAD_RECORD_TYPE")  # fmt: skip
_OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")


def explain(error: ssl.SSLError, host: str, now: float | None = None) -> PairletError:
    """What to raise for `error`, met while talking to `host` (a name or an address, no secret in it).

    TlsError, or TransportError where the connection just ended. `now`: Unix time, the clock's by default.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, host, time.time() if now is None else now)
    reason = error.reason or ""
    if (
        isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        or reason == "UNEXPECTED_EOF_WHILE_READING"
    ):
        return TransportError(f"{host} ended the TLS connection early")
    if reason in _NOT_TLS:
        return TlsError(
            f"{host} does not speak TLS on this port",
            "Check the port: it may be the server's plain one (80 or 1883 where 443 or 8883 is meant).",
        )
    if reason in _OLD_TLS:
        return TlsError(
            f"{host} and this machine have no version of TLS in common",
            "The server must offer TLS 1.2 or later.",
        )
    if "CERTIFICATE_REQUIRED" in reason:
        return TlsError(
            f"{host} asks for a client certificate",
            "Set oauth.client_auth to tls_client_auth, and name oauth.client_certificate_file and "
            "oauth.client_key_file.",
        )
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        words = reason.partition("ALERT_")[2].replace("_", " ").lower()
        return TlsError(
            f"{host} does not take the client certificate: {words}",
            "Check that it has not expired, and that the server knows who issued it.",
        )
    words = reason.replace("_", " ").lower() or "no reason given"
    return TlsError(f"TLS with {host} failed: {words}")


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str, now: float) -> TlsError:
    code = error.verify_code
    if code in (_NOT_YET_VALID, _EXPIRED):
        return _explain_dates(code, host, now)
    if code in _UNKNOWN_CA:
        return TlsError(
            f"the certificate of {host} was issued by a CA that this machine does not know",
            "If the CA is your own, name its certificate as ca_file; otherwise somebody stands in between.",
        )
    if code == _SELF_SIGNED:
        return TlsError(
            f"the certificate of {host} is self-signed: nobody vouches for it",
            "If the server is your own, name its certificate as ca_file; captive portals also do this.",
        )
    if code in _WRONG_NAME:
        return TlsError(
            f"the certificate is not for {host} but for another name",
            "Use the name that is in the server's certificate.",
        )
    if code == _REVOKED:
        return TlsError(f"the certificate of {host} was revoked")
    return TlsError(f"the certificate of {host} was refused: {error.verify_message}")


def _explain_dates(code: int, host: str, now: float) -> TlsError:
    """Dates are judged by this machine's clock, which is the one at fault on boards that lost power."""
    today = time.strftime("%Y-%m-%d", time.gmtime(now))
    verdict = "is not valid yet" if code == _NOT_YET_VALID else "has expired"
    message = f"the certificate of {host} {verdict}; this machine's clock says {today}"
    if now < _YEAR_2020:
        return TlsError(message + ", which is wrong", "Set the clock first: timedatectl set-ntp true.")
    if code == _NOT_YET_VALID:
        return TlsError(message, "Set this machine's clock if that date is not today's.")
    return TlsError(
        message, "If that date is today's, the server's administrator must renew the certificate."
    )
