"""Refreshing an access token (RFC 6749 section 6) as a machine."""

from .answer import ERROR, FAULT, SUCCESS, read_answer
from .backoff import Backoff
from .client import Client
from .errors import PairletError, ProtocolError
from .http import Response
from .json_object import secret_member
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata
from .secret import Secret
from .token import Token

READY = "ready"
REFRESHING = "refreshing"
REFRESHED = "refreshed"
REJECTED = "rejected"  # invalid_grant: the refresh token is dead
REFUSED = "refused"  # any other error: the pairing stands, somebody must look at the server or the client

ENDED = (REFRESHED, REJECTED, REFUSED)

_LONGEST_BACKOFF_MS = 300000


class RefreshGrant(Machine):
    """Replaces `token` by a newer one. Trouble is met with a back-off and the same refresh token, for
    as long as the driver goes on: only the server's own invalid_grant says that the token is dead.

    `renewed` is the new Token when refreshed. `error` is an OAuthError or ProtocolError when it ended
    otherwise; `rotated` is then the new refresh token that came along, or None. `fault` is the last
    trouble, or None; `due` when the next try may leave (ms).
    """

    TRANSITIONS = {
        (READY, "send"): REFRESHING,
        (REFRESHING, "token"): REFRESHED,
        (REFRESHING, "fault"): READY,
        (REFRESHING, "invalid_grant"): REJECTED,
        (REFRESHING, "error"): REFUSED,
    }

    def __init__(self, metadata: ServerMetadata, client: Client, token: Token, *, seed: bytes = b""):
        super().__init__(READY)
        if token.refresh_token is None:
            raise ProtocolError("the server gave no refresh token", "Pair the device again: pairlet pair.")
        self._token_endpoint = metadata.require("token_endpoint")
        self._client = client
        self._token = token
        self._refresh_token = token.refresh_token
        self._backoff = Backoff(2000, _LONGEST_BACKOFF_MS, seed)
        self.due = 0
        self.renewed: Token | None = None
        self.rotated: Secret | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in ENDED:
            return None
        if self.state == READY and now < self.due:
            return Wait(self.due)
        self.step("send")
        # No scope: what was granted stays granted, and asking for more is forbidden.
        pairs = [("grant_type", "refresh_token"), ("refresh_token", self._refresh_token.reveal())]
        return Send(self._client.request(self._token_endpoint, pairs))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        answer = read_answer(response, self._refresh_token, *self._client.secrets)
        if answer.kind == SUCCESS and "access_token" not in answer.members:
            fault = ProtocolError("the server answered neither a token nor an error")
            self._meet_fault(fault, answer.retry_after_ms, now)
        elif answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
        elif answer.kind == ERROR:
            self.error = answer.error
            self.step("invalid_grant" if answer.error.error == "invalid_grant" else "error")
        else:
            self._receive_token(answer.members, now)

    def _receive_token(self, members: "dict[str, object]", now: int) -> None:
        try:
            self.renewed = Token.from_answer(members, now, previous=self._token)
        except ProtocolError as error:
            self.error = error
            # The access token can't be used, but the server may have rotated: the old refresh token is
            # dead then, and the new one is all there is.
            try:
                self.rotated = secret_member(members, "refresh_token")
            except ProtocolError:
                pass
            self.step("error")
            return
        self.fault = None
        self.step("token")

    def transport_failed(self, now: int) -> None:
        """There was no answer; the server may have acted all the same. The same token is tried again."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        self.due = now + max(retry_after_ms, self._backoff.delay_ms())
        self.step("fault")
