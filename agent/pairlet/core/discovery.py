"""Finding a server's metadata (RFC 8414 section 3, OpenID Connect Discovery section 4) as a machine."""

from . import url
from .answer import SUCCESS, read_answer
from .backoff import Backoff
from .errors import ConfigError, IssuerError, PairletError, ProtocolError
from .http import JSON, Request, Response
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata

READY = "ready"
ASKING = "asking"
FOUND = "found"
FAILED = "failed"

# Where to look, in this order: RFC 8414's own place, then OpenID Connect's.
_PLACES = (("oauth-authorization-server", True), ("openid-configuration", False))


def check_issuer(issuer: str, insecure_http: bool) -> None:
    """ConfigError unless metadata may be asked for at `issuer` (RFC 8414 section 2)."""
    if not url.is_secure(issuer, insecure_http) or "?" in issuer:
        raise ConfigError(
            "oauth.issuer is not an https address without a query",
            "Give the issuer as the server writes it, such as https://auth.example.com; plain http "
            "works on loopback only, with --insecure-http.",
        )


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

    def __init__(self, issuer: str, seed: bytes, insecure_http: bool = False, mutual_tls: bool = False):
        super().__init__(READY)
        check_issuer(issuer, insecure_http)
        self.issuer = issuer
        self.metadata: ServerMetadata | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None
        self._insecure_http = insecure_http
        self._mutual_tls = mutual_tls
        self._backoff = Backoff(1000, 60000, seed)
        self._place = 0

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in (FOUND, FAILED):
            return None
        if self.state == READY and now < self.due:
            return Wait(self.due)
        self.step("send")
        name, inserted = _PLACES[self._place]
        address = url.well_known(self.issuer, name, inserted=inserted)
        return Send(Request("GET", address, [("Accept", JSON)]))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        answer = read_answer(response)
        if response.status == 429 or response.status >= 500:
            self._wait(answer.error, now + self._backoff.delay_ms(answer.retry_after_ms))
            return
        if answer.kind != SUCCESS:
            self._pass_over(answer.error)
            return
        try:
            self.metadata = ServerMetadata.from_answer(
                answer.members, self.issuer, self._insecure_http, self._mutual_tls
            )
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
        self.due = due
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
