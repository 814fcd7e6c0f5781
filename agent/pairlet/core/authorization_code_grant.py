"""The authorization code grant with PKCE (RFC 6749, 7636), for a program beside its browser (RFC 8252).

Not for boards: they have no browser.
"""

from . import form
from .answer import ERROR, FAULT, Answer, read_token_answer
from .authorization_response import AuthorizationResponse
from .backoff import Backoff
from .client import Client
from .errors import ConfigError, OAuthError, PairletError, ProtocolError
from .http import Response
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata
from .pkce import CHANCE_BYTES, METHOD, base64url, code_challenge, code_verifier, sign_in_nonce
from .secret import Secret
from .token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .form import Pairs

AUTHORIZING = "authorizing"  # a person is in front of the browser
READY = "ready"  # there is a code, to be exchanged
REDEEMING = "redeeming"  # the token request is under way
APPROVED = "approved"
DENIED = "denied"
EXPIRED = "expired"
FAILED = "failed"

ENDED = (APPROVED, DENIED, EXPIRED, FAILED)

# Random bytes that one run takes: a code_verifier and a state (RFC 8252 section 8.9).
RANDOM_BYTES = 2 * CHANCE_BYTES

_LONGEST_BACKOFF_MS = 10000
# A code lives for ten minutes at most, mostly for one (RFC 6749 section 4.1.2).
_CODE_MS = 60000


class AuthorizationCodeGrant(Machine):
    """From the address that a person opens to a token. Asked and told like every machine, and told as well
    what the browser brings: redirected().

    `metadata`: must offer the grant. `redirect_uri`: where the browser brings the answer. `chance`:
    RANDOM_BYTES random bytes, of this run alone. `scope`: space-separated, "" for none. `extra`: further
    parameters of the authorization request, `parameters` of the token request. `expires_at`: when the person
    must have decided (ms of the clock).

    `token` is set when approved, `error` when it ended otherwise; `fault` is the last trouble, or None.
    """

    TRANSITIONS = {
        (AUTHORIZING, "code"): READY,
        (AUTHORIZING, "access_denied"): DENIED,
        (AUTHORIZING, "error"): FAILED,
        (AUTHORIZING, "out of time"): EXPIRED,
        (READY, "send"): REDEEMING,
        (READY, "out of time"): EXPIRED,
        (REDEEMING, "token"): APPROVED,
        (REDEEMING, "fault"): READY,
        (REDEEMING, "error"): FAILED,
    }

    def __init__(
        self,
        metadata: ServerMetadata,
        client: Client,
        redirect_uri: str,
        chance: bytes,
        *,
        scope: str = "",
        extra: "Pairs" = (),
        parameters: "Pairs" = (),
        expires_at: int,
    ):
        super().__init__(AUTHORIZING)
        self._authorization_endpoint = metadata.require("authorization_endpoint")
        self._token_endpoint = metadata.require("token_endpoint")
        methods = metadata.code_challenge_methods_supported
        if methods is not None and METHOD not in methods:
            raise ConfigError(
                "the server does not offer PKCE with S256, without which a stolen code would be good",
                "Use another server, or oauth.grant = device_code with this one.",
            )
        self._verifier = code_verifier(chance[:CHANCE_BYTES])
        self._state = code_verifier(chance[CHANCE_BYTES:])
        self._issuer = metadata.issuer
        self._iss_required = metadata.names_issuer
        self._client = client
        self._redirect_uri = redirect_uri
        self._scope = scope
        self._extra = extra
        self._parameters = parameters
        self._code: Secret | None = None
        self._backoff = Backoff(1000, _LONGEST_BACKOFF_MS, base64url(chance[:2]).encode())
        self._sent_at = 0
        self.expires_at = expires_at
        self.token: Token | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    @property
    def authorization_uri(self) -> Secret:
        """What the person's browser opens (RFC 6749 section 4.1.1). A Secret, for the state is in it."""
        pairs: list[tuple[str, str | None]] = [
            ("response_type", "code"),
            ("client_id", self._client.client_id),
            ("redirect_uri", self._redirect_uri),
            ("scope", self._scope),
            ("state", self._state.reveal()),
            ("code_challenge", code_challenge(self._verifier)),
            ("code_challenge_method", METHOD),
        ]
        if "openid" in self._scope.split():
            pairs.append(("nonce", sign_in_nonce(self._verifier)))
        pairs.extend(self._extra)
        endpoint = self._authorization_endpoint
        # A query that the endpoint has of its own stays (section 3.1).
        mark = "&" if "?" in endpoint else "?"
        return Secret(endpoint + mark + form.encode(pairs).decode())

    def redirected(self, query: str, now: int) -> bool:
        """Take what the browser brought to the redirect URI. False when it is not the answer: somebody
        else's, or a second one; then nothing has changed."""
        if self.state != AUTHORIZING:
            return False
        response = AuthorizationResponse.from_query(query, self._state, self._issuer, self._iss_required)
        if response is None:
            return False
        if response.error is not None:
            error = response.error
            denied = isinstance(error, OAuthError) and error.error == "access_denied"
            self._end("access_denied" if denied else "error", error)
            return True
        self._code = response.code
        self.due = now
        self.expires_at = max(self.expires_at, now + _CODE_MS)
        self.step("code")
        return True

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until) for the browser or after trouble, or None when it has ended."""
        if self.state in ENDED:
            return None
        if self.state in (AUTHORIZING, READY) and now >= self.expires_at:
            self._end("out of time", self._late())
            return None
        if self.state == AUTHORIZING:
            return Wait(self.expires_at)
        if self.state == READY and now < self.due:
            return Wait(min(self.due, self.expires_at))
        self.step("send")
        # The token's life counts from here: an answer may wait for hours in a device that is asleep.
        self._sent_at = now
        assert self._code is not None
        pairs: list[tuple[str, str | None]] = [
            ("grant_type", "authorization_code"),
            ("code", self._code.reveal()),
            ("redirect_uri", self._redirect_uri),
            ("code_verifier", self._verifier.reveal()),
        ]
        pairs.extend(self._parameters)
        return Send(self._client.request(self._token_endpoint, pairs))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the token request."""
        self.check("fault")  # only while a request is under way
        assert self._code is not None
        answer = read_token_answer(response, self._code, self._verifier, self._state, *self._client.secrets)
        if answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
        elif answer.kind == ERROR:
            self._end("error", answer.error)
        else:
            self._receive_token(answer)

    def _receive_token(self, answer: Answer) -> None:
        try:
            self.token = Token.from_answer(
                answer.members,
                self._sent_at,
                scope=self._scope,
                token_type=self._client.token_type,
            )
        except ProtocolError as error:
            self._end("error", error)
            return
        self.fault = None
        self.step("token")

    def transport_failed(self, now: int) -> None:
        """There was no answer. The same code is tried again: if it was spent, the server says so."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        self.due = now + self._backoff.delay_ms(retry_after_ms)
        self.step("fault")

    def _late(self) -> OAuthError:
        if self._code is None:
            return OAuthError(
                "expired_token",
                advice="Nobody signed in before the time was over; run the command again.",
                message="the sign-in in the browser was not finished in time",
            )
        return OAuthError(
            "expired_token",
            advice="Check the network between this device and the server, and run the command again.",
            message="the server could not be reached while the code from the browser was good",
        )

    def _end(self, event: str, error: PairletError) -> None:
        self.error = error
        self.step(event)
