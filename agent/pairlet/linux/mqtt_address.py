"""Where a broker is, and whether its address may be used."""

from typing import NamedTuple

from ..core.errors import ConfigError
from ..core.url import is_loopback, split


class Address(NamedTuple):
    """Host and port of a broker; `tls`: whether it proves who it is."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(url: str, *, insecure: bool) -> Address:
    """The parts of mqtts://host[:8883] or mqtt://host[:1883]. ConfigError if it may not be used.

    mqtt:// sends the access token in the clear: loopback only, and only with `insecure`.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in ("mqtt", "mqtts"):
        raise ConfigError("mqtt.url must begin with mqtts://, such as mqtts://broker.example.com.")
    # What makes an address doubtful does not depend on its scheme: one strict reader for all of them.
    parts = split("https://" + rest)
    if parts is None or parts.path not in ("", "/") or parts.query is not None:
        raise ConfigError("mqtt.url must be mqtts://HOST or mqtts://HOST:PORT, and nothing more.")
    if scheme == "mqtts":
        return Address(parts.host, parts.port or 8883, True)
    if not is_loopback(parts.host):
        raise ConfigError("mqtt.url must begin with mqtts://; mqtt:// would show the token to the network.")
    if not insecure:
        raise ConfigError("mqtt.url: mqtt:// to this machine is only for tests, with --insecure-http.")
    return Address(parts.host, parts.port or 1883, False)
