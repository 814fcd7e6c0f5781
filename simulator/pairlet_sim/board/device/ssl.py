# mypy: ignore-errors
"""`ssl` as on a board: a thin coat over the built-in `tls`.

As there, and unlike CPython, a new context verifies nothing until it is told to.
"""

import tls
from tls import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER  # noqa: F401


class SSLContext:
    """A TLS context with the names of CPython's."""

    def __init__(self, protocol):
        self._context = tls.SSLContext(protocol)
        self._context.verify_mode = CERT_NONE

    @property
    def verify_mode(self):
        """Whether the peer's certificate is checked."""
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.verify_mode = mode

    def load_verify_locations(self, cafile=None, cadata=None):
        """Trust the certificates of a file or of bytes, DER or PEM."""
        if cafile is not None:
            with open(cafile, "rb") as file:
                cadata = file.read()
        self._context.load_verify_locations(cadata)

    def load_cert_chain(self, certfile, keyfile):
        """The own certificate and key: names of files, or bytes."""
        parts = []
        for part in (certfile, keyfile):
            if isinstance(part, str):
                with open(part, "rb") as file:
                    part = file.read()
            parts.append(part)
        self._context.load_cert_chain(*parts)

    def wrap_socket(self, sock, **options):
        """Speak TLS over a socket."""
        return self._context.wrap_socket(sock, **options)


def wrap_socket(sock, server_side=False, cert_reqs=CERT_NONE, cadata=None, server_hostname=None, **options):
    """Speak TLS over a socket with a context made for it."""
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cadata is not None:
        context.load_verify_locations(cadata=cadata)
    return context.wrap_socket(sock, server_side=server_side, server_hostname=server_hostname, **options)
