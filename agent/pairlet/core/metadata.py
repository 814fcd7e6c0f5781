"""What a server says of itself (RFC 8414, OpenID Connect Discovery)."""

from . import url
from .errors import ConfigError, IssuerError, ProtocolError

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

# The endpoints of RFC 8414 and RFC 8628 that the agent may speak to, by their own names.
ENDPOINTS = (
    "device_authorization_endpoint",
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
)


class ServerMetadata:
    """The endpoints of one authorization server: `issuer` (or None) and one attribute for each name
    in ENDPOINTS (an address or None); `grant_types_supported` and `code_challenge_methods_supported` as
    lists, or None when it doesn't say; `names_issuer`: whether its answers in a browser do (RFC 9207).
    """

    def __init__(
        self,
        issuer: "str | None",
        endpoints: "dict[str, str | None]",
        grant_types_supported: "list[object] | None" = None,
        code_challenge_methods_supported: "list[object] | None" = None,
        names_issuer: bool = False
    ):
        self.issuer = issuer
        self.device_authorization_endpoint = endpoints.get("device_authorization_endpoint")
        self.authorization_endpoint = endpoints.get("authorization_endpoint")
        self.token_endpoint = endpoints.get("token_endpoint")
        self.revocation_endpoint = endpoints.get("revocation_endpoint")
        self.introspection_endpoint = endpoints.get("introspection_endpoint")
        self.grant_types_supported = grant_types_supported
        self.code_challenge_methods_supported = code_challenge_methods_supported
        self.names_issuer = names_issuer

    @staticmethod
    def from_answer(
        members: "dict[str, object]", issuer: str, insecure_http: bool = False, mutual_tls: bool = False
    ) -> "ServerMetadata":
        """Read a metadata document. `mutual_tls`: take the endpoints for clients that have a certificate,
        where the server has any (RFC 8705 section 5).

        Raises IssuerError unless its issuer equals `issuer` code point by code point (RFC 8414
        section 3.3), ProtocolError for an endpoint that is no https address.
        """
        found = members.get("issuer")
        if found != issuer:
            said = f"'{found}'" if isinstance(found, str) and url.split(found) else "none that can be read"
            raise IssuerError(f"the metadata of {issuer} names another issuer: {said}")
        endpoints: dict[str, str | None] = {}
        aliases = members.get("mtls_endpoint_aliases")
        for name in ENDPOINTS:
            address = members.get(name)
            if mutual_tls and isinstance(aliases, dict):
                address = aliases.get(name, address)
            if address is None:
                continue
            if not isinstance(address, str) or not url.is_secure(address, insecure_http):
                raise ProtocolError(
                    f"the server's {name} is not an https address",
                    "The server's metadata must be corrected; plain http works on loopback only, "
                    "with --insecure-http.",
                )
            endpoints[name] = address
        lists = []
        for name in ("grant_types_supported", "code_challenge_methods_supported"):
            value = members.get(name)
            lists.append(value if isinstance(value, list) else None)
        names_issuer = members.get("authorization_response_iss_parameter_supported") is True
        return ServerMetadata(issuer, endpoints, lists[0], lists[1], names_issuer)

    def require(self, name: str) -> str:
        """The address of an endpoint; ConfigError that says how to name it by hand if there is none."""
        address = getattr(self, name)
        if address is None:
            raise ConfigError(
                f"the server names no {name}",
                f"Use a server that offers it, or set oauth.{name} in pairlet.toml.",
            )
        return str(address)
