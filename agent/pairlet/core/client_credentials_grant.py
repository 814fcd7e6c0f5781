"""A token in the device's own name (RFC 6749 section 4.4) as a machine: no person, no refresh token."""

from .answer import ERROR, FAULT, Answer, read_token_answer
from .backoff import Backoff
from .client import NONE, Client
from .errors import ConfigError, PairletError, ProtocolError
from .http import Response
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata
from .token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .form import Pairs

READY = "ready"
ASKING = "asking"
GRANTED = "granted"
REFUSED = "refused"  # somebody must look at the server or the client

ENDED = (GRANTED, REFUSED)

# As for a refresh: what a fleet needs to come back after an outage.
_LONGEST_BACKOFF_MS = 120000


class ClientCredentialsGrant(Machine):
    """Asks for a token with nothing but the client's own credentials. Trouble is met with a back-off, for as
    long as the driver goes on; nothing is lost with an answer that was lost, as the next try gets another.

    `scope`: space-separated, "" for none. `parameters`: further ones of the request. `seed`: random bytes
    for the back-off. Raises ConfigError for a client without credentials (section 4.4: confidential clients
    only).

    `token` is set when there is one; it never has a refresh token, also where the server sends one (section
    4.4.3 says it should not). `error` is an OAuthError or ProtocolError when it was refused; `fault` is the
    last trouble, or None; `due` when the next try may leave (ms).
    """

    TRANSITIONS = {
        (READY, "send"): ASKING,
        (ASKING, "token"): GRANTED,
        (ASKING, "fault"): READY,
        (ASKING, "error"): REFUSED,
    }

    def __init__(
        self,
        metadata: ServerMetadata,
        client: Client,
        *,
        scope: str = "",
        parameters: "Pairs" = (),
        seed: bytes = b"",
    ):
        super().__init__(READY)
        if client.client_auth == NONE:
            raise ConfigError(
                "the client_credentials grant needs a client that can prove who it is",
                "Name its secret with oauth.client_secret_file, client_secret_credential or "
                "client_secret_env; a device without one uses oauth.grant = device_code.",
            )
        self._token_endpoint = metadata.require("token_endpoint")
        self._client = client
        self._scope = scope
        self._parameters = parameters
        self._backoff = Backoff(2000, _LONGEST_BACKOFF_MS, seed)
        self._sent_at = 0
        self.token: Token | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in ENDED:
            return None
        if self.state == READY and now < self.due:
            return Wait(self.due)
        self.step("send")
        # The token's life counts from here: an answer may wait for hours in a device that is asleep.
        self._sent_at = now
        pairs: list[tuple[str, str | None]] = [
            ("grant_type", "client_credentials"),
            ("scope", self._scope),
        ]
        pairs.extend(self._parameters)
        return Send(self._client.request(self._token_endpoint, pairs))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        answer = read_token_answer(response, *self._client.secrets)
        if answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
        else:
            self._end(answer)

    def _end(self, answer: Answer) -> None:
        self.fault = None
        error: PairletError = answer.error
        if answer.kind != ERROR:
            # A refresh token would be one more secret to lose, and no better than the client's own.
            members = answer.members.copy()
            members.pop("refresh_token", None)
            try:
                self.token = Token.from_answer(
                    members,
                    self._sent_at,
                    scope=self._scope,
                    token_type=self._client.token_type,
                )
                self.step("token")
                return
            except ProtocolError as failure:
                error = failure
        self.error = error
        self.step("error")

    def transport_failed(self, now: int) -> None:
        """There was no answer: ask again later."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        self.due = now + self._backoff.delay_ms(retry_after_ms)
        self.step("fault")
