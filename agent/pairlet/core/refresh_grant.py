"""Refreshing an access token (RFC 6749 section 6) as a machine."""

from .answer import ERROR, FAULT, read_token_answer
from .backoff import Backoff
from .client import Client
from .errors import ConfigError, PairletError, ProtocolError
from .http import Response
from .json_object import secret_member
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata
from .token import BEARER, Kept, Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import OAuthError
    from .form import Pairs

READY = "ready"
REFRESHING = "refreshing"
REFRESHED = "refreshed"
REJECTED = "rejected"  # invalid_grant: the refresh token is dead
REFUSED = "refused"  # any other error: the pairing stands, somebody must look at the server or the client

ENDED = (REFRESHED, REJECTED, REFUSED)

# What a fleet needs to come back after an outage; nobody wants to wait for longer.
_LONGEST_BACKOFF_MS = 120000


class RefreshGrant(Machine):
    """Replaces the token of `kept` by a newer one. Trouble is met with a back-off and the same refresh
    token, for as long as the driver goes on: only the server's own invalid_grant says that the token is
    dead, and if the one before it was not given up yet, that one is tried once before it counts.

    `kept` says at each moment what has to be on disk before anything else is done: that a refresh is
    under way before its request leaves, and the new token before it is used. `parameters`: further ones of
    each request. `since`: now, in Unix
    seconds, 0 if unknown.

    `error` is an OAuthError or ProtocolError when it ended without a new token. `lost`: a request had
    no answer, so that the server may have acted on it. `fault` is the last trouble, or None; `due` when
    the next try may leave (ms).
    """

    TRANSITIONS = {
        (READY, "send"): REFRESHING,
        (REFRESHING, "token"): REFRESHED,
        (REFRESHING, "fault"): READY,
        (REFRESHING, "invalid_grant, one is left"): READY,
        (REFRESHING, "invalid_grant"): REJECTED,
        (REFRESHING, "error"): REFUSED,
    }

    def __init__(
        self,
        metadata: ServerMetadata,
        client: Client,
        kept: Kept,
        *,
        parameters: "Pairs" = (),
        since: int = 0,
        seed: bytes = b"",
    ):
        super().__init__(READY)
        if kept.token.refresh_token is None:
            raise ProtocolError("the server gave no refresh token", "Pair the device again: pairlet pair.")
        if kept.token.token_type != BEARER and client.key is None:
            # Without a proof the server would take it for stolen, and might end the pairing for that.
            raise ConfigError(
                "the stored token is bound to a key (DPoP), and oauth.dpop is not set",
                "Set oauth.dpop = true as it was, or un-pair first: pairlet unpair.",
            )
        self._token_endpoint = metadata.require("token_endpoint")
        self._client = client
        self._parameters = parameters
        self._token: Token = kept.token
        self._previous = kept.previous
        self._backoff = Backoff(2000, _LONGEST_BACKOFF_MS, seed)
        self._sent_at = 0
        self.lost = kept.refreshing_since is not None
        self.kept = kept if self.lost else Kept(kept.token, kept.previous, since)
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in ENDED:
            return None
        if self.state == READY and now < self.due:
            return Wait(self.due)
        self.step("send")
        # The new token's life counts from here: an answer may wait for hours in a device that is asleep.
        self._sent_at = now
        assert self._token.refresh_token is not None
        # No scope: what was granted stays granted, and asking for more is forbidden.
        pairs: list[tuple[str, str | None]] = [("grant_type", "refresh_token")]
        pairs.append(("refresh_token", self._token.refresh_token.reveal()))
        pairs.extend(self._parameters)
        return Send(self._client.request(self._token_endpoint, pairs))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        assert self._token.refresh_token is not None
        answer = read_token_answer(response, self._token.refresh_token, *self._client.secrets)
        if answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
        elif answer.kind == ERROR:
            self._receive_error(answer.error)
        else:
            self._receive_token(answer.members)

    def _receive_error(self, error: "OAuthError") -> None:
        self.fault = None
        if error.error != "invalid_grant":
            self._refuse(error, self._still_kept())
        elif self._previous is not None:
            # The server may have lost what it gave us last; what it took for that may still be good.
            self._token = self._token.with_refresh_token(self._previous)
            self._previous = None
            self.step("invalid_grant, one is left")
        else:
            self.error = error
            self.step("invalid_grant")

    def _receive_token(self, members: "dict[str, object]") -> None:
        sent = self._token.refresh_token
        try:
            token = Token.from_answer(
                members, self._sent_at, previous=self._token, token_type=self._client.token_type
            )
        except ProtocolError as error:
            self._receive_unusable(members, error)
            return
        self.fault = None
        self.kept = Kept(token, None if token.refresh_token == sent else sent, None)
        self.step("token")

    def _receive_unusable(self, members: "dict[str, object]", error: ProtocolError) -> None:
        # The access token can't be used, but the server may have rotated: the old refresh token is
        # dead then, and the new one is all there is.
        try:
            rotated = secret_member(members, "refresh_token")
        except ProtocolError:
            rotated = None
        if rotated is None or rotated == self._token.refresh_token:
            self._refuse(error, self._still_kept())
        else:
            token = self._token.with_refresh_token(rotated)
            self._refuse(error, Kept(token, self._token.refresh_token, None))

    def _still_kept(self) -> Kept:
        """What we had. An answer that was lost is still lost: this one says nothing about it."""
        return self.kept if self.lost else Kept(self.kept.token, self.kept.previous, None)

    def _refuse(self, error: PairletError, kept: Kept) -> None:
        self.error = error
        self.kept = kept
        self.step("error")

    def transport_failed(self, now: int) -> None:
        """There was no answer; the server may have acted all the same. The same token is tried again."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        self.lost = True
        self.due = now + self._backoff.delay_ms(retry_after_ms)
        self.step("fault")
