"""What a broker is told when it starts, and the errors that it answers with."""

import ipaddress
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Signatures with a public key only: with HS256 among them, the public key itself would be a password
# that anybody can read (RFC 8725 sections 2.1 and 3.1).
ALLOWED_ALGORITHMS = frozenset(
    {"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "Ed25519", "EdDSA"}
)


class BrokerError(Exception):
    """The broker can not start, or was asked for something that it can not do; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Everything that a `Broker` needs to know. Times are in seconds, sizes in bytes.

    issuer, audience   what the `iss` and `aud` claims must say (RFC 7519 section 4.1)
    jwks_url | jwks    where the verification keys are: an URL, or a JWK Set (RFC 7517) as a dict; one of them
    host, port         the address to listen on; only loopback; port 0 picks a free one
    algorithms         the `alg` values that are accepted (RFC 8725 section 3.1)
    token_type         what the `typ` header must say, such as "at+jwt" (RFC 9068 section 4); None: anything
    device_claim       the claim that names the device which the token belongs to
    topic_root         first level of every topic name: a device lives below `topic_root/device_id/`
    read_scope         whoever has this scope may subscribe to all of `topic_root/#`
    leeway             how far `nbf` may lie in the future; `exp` is always exact
    connect_timeout    how long a client may take from the TCP connection to a whole CONNECT
    max_packet         the largest packet that is read; a bigger one closes the connection
    max_connections    further clients are closed at once
    jwks_interval      the shortest time between two fetches of `jwks_url`
    jwks_timeout       the longest that one fetch may take
    now                the wall clock, in seconds since 1970; a simulator may bring its own
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    jwks: Mapping[str, Any] | None = None
    host: str = "127.0.0.1"
    port: int = 0
    algorithms: tuple[str, ...] = ("ES256", "RS256")
    token_type: str | None = None
    device_claim: str = "device_id"
    topic_root: str = "devices"
    read_scope: str = "telemetry:read"
    leeway: float = 0.0
    connect_timeout: float = 10.0
    max_packet: int = 256 * 1024
    max_connections: int = 1000
    jwks_interval: float = 10.0
    jwks_timeout: float = 5.0
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Refuse with BrokerError what can not work or would not be safe."""
        if not self.issuer or not self.audience:
            raise BrokerError("the broker needs an issuer and an audience: without them any token would do")
        if (self.jwks_url is None) == (self.jwks is None):
            raise BrokerError("the broker needs its keys from one place: give either jwks_url or jwks")
        if self.jwks_url is not None and not self.jwks_url.startswith(("http://", "https://")):
            raise BrokerError("jwks_url must begin with http:// or https://")
        unsafe = [each for each in self.algorithms if each not in ALLOWED_ALGORITHMS]
        if unsafe or not self.algorithms:
            raise BrokerError(
                "algorithms must name signatures with a public key, not %s" % ", ".join(unsafe or ["nothing"])
            )
        if not self.topic_root or any(sign in self.topic_root for sign in "+#/$\0"):
            raise BrokerError("topic_root must be one level of a topic name, such as devices")
        if not 0 <= self.port <= 65535:
            raise BrokerError("the port must be between 0 and 65535, not %d" % self.port)
        self._check_limits()
        self.bind_address()

    def _check_limits(self) -> None:
        positive = ("connect_timeout", "max_packet", "max_connections", "jwks_timeout")
        for name in positive + ("leeway", "jwks_interval"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value == 0 and name in positive):
                raise BrokerError(
                    "%s must be a %s number" % (name, "positive" if name in positive else "finite")
                )

    def bind_address(self) -> str:
        """The IP address to listen on; BrokerError if it is not one of this machine's loopback addresses."""
        if self.host == "localhost":
            # Not left to the resolver: a hosts file can send this name anywhere.
            return "127.0.0.1"
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise BrokerError(
                "this broker is a demonstration and listens on loopback only: use 127.0.0.1 or ::1, not %s"
                % (self.host or "every address")
            )
        return self.host
