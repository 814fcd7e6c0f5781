"""What a server says of itself (RFC 8414, OpenID Connect Discovery) and how to find it."""

from . import url
from .answer import SUCCESS, read_answer
from .backoff import Backoff
from .errors import ConfigError, IssuerError, PairletError, ProtocolError
from .http import JSON, Request, Response
from .machine import Machine, Send, Wait

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

# The endpoints of RFC 8414 and RFC 8628 that the agent may speak to, by their own names.
ENDPOINTS = (
    "device_authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
)


class ServerMetadata:
    """The endpoints of one authorization server: `issuer` (or None) and one attribute for each name
    in ENDPOINTS (an address or None); `grant_types_supported` as a list, or None when it doesn't say.
    """

    def __init__(
        self,
        issuer: "str | None",
        endpoints: "dict[str, str | None]",
        grant_types_supported: "list[object] | None" = None,
    ):
        self.issuer = issuer
        self.device_authorization_endpoint = endpoints.get("device_authorization_endpoint")
        self.token_endpoint = endpoints.get("token_endpoint")
        self.revocation_endpoint = endpoints.get("revocation_endpoint")
        self.introspection_endpoint = endpoints.get("introspection_endpoint")
        self.grant_types_supported = grant_types_supported

    @staticmethod
    def from_answer(
        members: "dict[str, object]", issuer: str, insecure_http: bool = False
    ) -> "ServerMetadata":
        """Read a metadata document.

        Raises IssuerError unless its issuer equals `issuer` code point by code point (RFC 8414
        section 3.3), ProtocolError for an endpoint that is no https address.
        """
        found = members.get("issuer")
        if found != issuer:
            said = f"'{found}'" if isinstance(found, str) and url.split(found) else "none that can be read"
            raise IssuerError(f"the metadata of {issuer} names another issuer: {said}")
        endpoints: dict[str, str | None] = {}
        for name in ENDPOINTS:
            address = members.get(name)
            if address is None:
                continue
            if not isinstance(address, str) or not url.is_secure(address, insecure_http):
                raise ProtocolError(
                    f"the server's {name} is not an https address",
                    "The server's metadata must be corrected; plain http works on loopback only, "
                    "with --insecure-http.",
                )
            endpoints[name] = address
        grant_types = members.get("grant_types_supported")
        return ServerMetadata(issuer, endpoints, grant_types if isinstance(grant_types, list) else None)

    def offers_device_grant(self) -> bool:
        """RFC 8628 section 4: the endpoint is there, and the grant is listed if anything is.

        A list that leaves the grant out while the endpoint is there is common and harmless: the
        endpoint counts.
        """
        return self.device_authorization_endpoint is not None and self.token_endpoint is not None

    def require(self, name: str) -> str:
        """The address of an endpoint; ConfigError that says how to name it by hand if there is none."""
        address = getattr(self, name)
        if address is None:
            raise ConfigError(
                f"the server names no {name}",
                f"Use a server that offers it, or set oauth.{name} in pairlet.toml.",
            )
        return str(address)


READY = "ready"
ASKING = "asking"
FOUND = "found"
FAILED = "failed"

# Where to look, in this order: RFC 8414's own place, then OpenID Connect's.
_PLACES = (("oauth-authorization-server", True), ("openid-configuration", False))


class Discovery(Machine):
    """Finds the metadata of `issuer`. Ends in "found" with `metadata`, or in "failed" with `error`.

    A place that answers with anything but this issuer's metadata is passed over for the next one;
    a server in trouble (429, 5xx) or out of reach is asked again after a back-off.
    `fault` holds the last trouble, or None.
    """

    TRANSITIONS = {
        (READY, "send"): ASKING,
        (ASKING, "metadata"): FOUND,
        (ASKING, "not here"): READY,
        (ASKING, "nowhere"): FAILED,
        (ASKING, "fault"): READY,
    }

    def __init__(self, issuer: str, seed: bytes, insecure_http: bool = False):
        super().__init__(READY)
        if not url.is_secure(issuer, insecure_http) or "?" in issuer:
            raise ConfigError(
                "oauth.issuer is not an https address without a query",
                "Give the issuer as the server writes it, such as https://auth.example.com; plain http "
                "works on loopback only, with --insecure-http.",
            )
        self.issuer = issuer
        self.metadata: ServerMetadata | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None
        self._insecure_http = insecure_http
        self._backoff = Backoff(1000, 60000, seed)
        self._due = 0
        self._place = 0

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in (FOUND, FAILED):
            return None
        if self.state == READY and now < self._due:
            return Wait(self._due)
        self.step("send")
        name, inserted = _PLACES[self._place]
        address = url.well_known(self.issuer, name, inserted=inserted)
        return Send(Request("GET", address, [("Accept", JSON)]))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        if response.status == 429 or response.status >= 500:
            answer = read_answer(response)
            self._wait(answer.error, now + max(answer.retry_after_ms, self._backoff.delay_ms()))
            return
        answer = read_answer(response)
        if answer.kind != SUCCESS:
            self._pass_over(answer.error)
            return
        try:
            self.metadata = ServerMetadata.from_answer(answer.members, self.issuer, self._insecure_http)
        except ProtocolError as error:
            self._pass_over(error)
            return
        self.fault = None
        self.step("metadata")

    def transport_failed(self, now: int) -> None:
        """There was no answer: ask again later."""
        self.check("fault")
        self._wait(None, now + self._backoff.delay_ms())

    def _wait(self, fault: "PairletError | None", due: int) -> None:
        self.fault = fault
        self._due = due
        self.step("fault")

    def _pass_over(self, error: PairletError) -> None:
        # Metadata of another issuer tells more than "not found", so it is what gets reported.
        if self.error is None or isinstance(error, IssuerError):
            self.error = error
        self._place += 1
        if self._place < len(_PLACES):
            self.step("not here")
        else:
            self.step("nowhere")
