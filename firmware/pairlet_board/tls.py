"""TLS on a board: a context that demands a good certificate, and errors that a person understands.

What a board lacks is always one of three things: the CA, the time, or the memory. All three come out
of a handshake as errors that look much alike, so they are told apart here. A board that lost power is
years in the past: the clock has to be set before the first connection.
"""

import errno
import gc

from pairlet.core.errors import ConfigError, PairletError, TlsError, TransportError

try:
    import tls as _tls  # type: ignore[import-not-found, unused-ignore]  # MicroPython's own
except ImportError:
    import ssl as _tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

# A handshake takes 23 to 33 KB of a Pico W's heap: it works with 32,600 bytes free, with 28,500 not.
HANDSHAKE_HEAP = 32000

_MARK = b"-----BEGIN CERTIFICATE"
# What sockets say, on its own (104) or through Mbed TLS (-104).
_WORDS = {
    errno.ECONNREFUSED: "refused the connection",
    errno.ECONNRESET: "closed the connection",
    errno.ETIMEDOUT: "did not answer in time",
    errno.EHOSTUNREACH: "can't be reached",
    29312: "closed the connection",
}
_CONN_EOF = -29312  # MBEDTLS_ERR_SSL_CONN_EOF
_FATAL_ALERT = -30592  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: the peer gave up, whatever the memory here
_NO_CA_CHAIN = -30336  # MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED
_INVALID_RECORD = -29184  # MBEDTLS_ERR_SSL_INVALID_RECORD


def context(ca: bytes) -> "ssl.SSLContext":
    """A client's context that trusts `ca` alone: certificates in PEM, or one in DER.

    The certificate and its name are always checked. One context serves all connections of a device.
    Raises ConfigError if `ca` is no certificate.
    """
    start = ca.find(_MARK)
    if start > 0:
        ca = ca[start:]  # words before the first certificate are common, and not understood
    made: ssl.SSLContext = _tls.SSLContext(_tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = _tls.CERT_REQUIRED  # not left to a default that differs between builds
    try:
        if hasattr(made, "minimum_version"):  # CPython; Mbed TLS 3 knows nothing older anyway
            made.minimum_version = _tls.TLSVersion.TLSv1_2
            made.load_verify_locations(cadata=ca.decode() if start >= 0 else ca)
        else:
            made.load_verify_locations(ca)
    except (ValueError, OSError):
        raise ConfigError("the CA file holds no certificate in PEM or DER") from None
    return made


def free_heap() -> "int | None":
    """Bytes of heap that are free for a handshake, garbage collected; None where that is no matter."""
    if not hasattr(gc, "mem_free"):
        return None
    gc.collect()
    free: int = gc.mem_free()
    return free


def error(failure: Exception, host: str, free: "int | None" = None) -> PairletError:
    """What to raise for `failure` (ValueError, OSError, MemoryError), met while talking to `host`.

    `free`: free_heap() as it was before the handshake. The texts of `failure` are looked at, not passed on.
    Returns a TlsError where the peer did not prove who it is, else a TransportError.
    """
    # Not failure.errno, which on MicroPython is there for a ValueError, too.
    code = failure.args[0] if isinstance(failure, OSError) and failure.args else 0
    reason = getattr(failure, "reason", None)  # CPython's name for what Mbed TLS has a number for
    if not isinstance(code, int):
        code = 0
    elif -256 < code < 0 or code == _CONN_EOF:
        code = -code
    text = str(failure)
    if isinstance(failure, MemoryError) or code == errno.ENOMEM:
        return _no_memory(host, free)
    if isinstance(failure, ValueError):
        # Without memory Mbed TLS finds the signature wrong, and nothing else: each fault has a line.
        if "correctly signed" in text and "\n" not in text.strip() and _is_scarce(free):
            return _no_memory(host, free)
        return _certificate(text, host)
    if code == _NO_CA_CHAIN:
        return TlsError("no CA is loaded to check %s with" % host)
    if code == _INVALID_RECORD or reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return TlsError("%s does not speak TLS on this port" % host)
    if code < 0 or reason:
        if code != _FATAL_ALERT and _is_scarce(free):
            return _no_memory(host, free)
        return TlsError("TLS with %s failed (%s)" % (host, reason or code))
    words = _WORDS.get(code)
    return TransportError(host + " " + words if words else "the connection to %s broke (%d)" % (host, code))


def _is_scarce(free: "int | None") -> bool:
    return free is not None and free < HANDSHAKE_HEAP


def _no_memory(host: str, free: "int | None") -> TransportError:
    return TransportError(
        "there is not enough memory for TLS with %s: %s bytes free, %d needed" % (host, free, HANDSHAKE_HEAP),
        "Have less running on the board.",
    )


def _certificate(text: str, host: str) -> TlsError:
    """Words for a refused certificate. The clock comes first: while it is wrong, dates can't be judged."""
    text = text.partition(" for ")[0]  # CPython goes on with the name, which may hold any word
    words = "is not from the CA that this device trusts"
    if "future" in text or "not yet" in text:
        words = "is not valid yet, or this device's clock is behind"
    elif "expired" in text:
        words = "has expired, or this device's clock is ahead"
    elif "match" in text and "signed" not in text:
        words = "is for another name"
    return TlsError("the certificate of " + host + " " + words)
