"""The redirect URI as it is configured: http on a loopback IP literal (RFC 8252 section 7.3)."""

from typing import NamedTuple

from ...core import url
from ...core.errors import ConfigError

_HOSTS = ("127.0.0.1", "::1")
_ADVICE = "Write http://127.0.0.1/callback or http://[::1]/callback, as it is registered with the server."


class LoopbackAddress(NamedTuple):
    """`hosts`: where to try to listen, in this order. `port`: 0 for any. `path` begins with "/"."""

    hosts: tuple[str, ...]
    port: int
    path: str

    def uri(self, host: str, port: int) -> str:
        """The redirect URI when it listens at `host` and `port`."""
        return f"http://{authority(host, port)}{self.path}"


def authority(host: str, port: int) -> str:
    """As in an address and in the header Host; a browser leaves out the port of http."""
    name = f"[{host}]" if ":" in host else host
    return name if port == 80 else f"{name}:{port}"


def read_address(redirect_uri: str) -> LoopbackAddress:
    """Read oauth.redirect_uri. With "" it is the usual one, and IPv6 will do where there is no IPv4.

    Raises ConfigError for anything but http on a loopback IP literal: the name localhost may lead elsewhere
    (section 8.3).
    """
    if not redirect_uri:
        return LoopbackAddress(_HOSTS, 0, "/callback")
    parts = url.split(redirect_uri)
    if parts is None or parts.scheme != "http" or parts.query is not None:
        raise ConfigError(f"oauth.redirect_uri is no http address without a query: {redirect_uri}", _ADVICE)
    host = parts.host.strip("[]")
    if host not in _HOSTS:
        raise ConfigError(
            f"oauth.redirect_uri leads to {host}; only 127.0.0.1 and [::1] are sure to be this device",
            _ADVICE,
        )
    return LoopbackAddress((host,), parts.port or 0, parts.path or "/")
