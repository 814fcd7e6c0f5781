"""Revoking a token (RFC 7009) as a machine."""

from .answer import ERROR, read_answer
from .backoff import Backoff
from .client import Client
from .errors import PairletError, ProtocolError
from .http import Response
from .machine import Machine, Send, Wait
from .metadata import ServerMetadata
from .secret import Secret

READY = "ready"
ASKING = "asking"
REVOKED = "revoked"
REFUSED = "refused"  # this server will not do it, however often it is asked

_LONGEST_BACKOFF_MS = 3600000


class Revocation(Machine):
    """Has the server revoke `token`. `token_type_hint`: "refresh_token" or "access_token" (section 2.1).

    A server that can't be reached or is in trouble is asked again: after a 503 the token still exists
    (section 2.2.1). `error` says why it was refused; `fault` is the last trouble, or None; `due` when
    the next try may leave (ms).
    """

    TRANSITIONS = {
        (READY, "send"): ASKING,
        (ASKING, "revoked"): REVOKED,
        (ASKING, "fault"): READY,
        (ASKING, "error"): REFUSED,
    }

    def __init__(
        self,
        metadata: ServerMetadata,
        client: Client,
        token: Secret,
        token_type_hint: str,
        *,
        seed: bytes = b""
    ):
        super().__init__(READY)
        self._endpoint = metadata.require("revocation_endpoint")
        self._client = client
        self._token = token
        self._token_type_hint = token_type_hint
        self._backoff = Backoff(2000, _LONGEST_BACKOFF_MS, seed)
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in (REVOKED, REFUSED):
            return None
        if self.state == READY and now < self.due:
            return Wait(self.due)
        self.step("send")
        pairs = [("token", self._token.reveal()), ("token_type_hint", self._token_type_hint)]
        return Send(self._client.request(self._endpoint, pairs))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        if response.status == 200:
            # Also for a token that the server does not know; the body means nothing (section 2.2).
            self.fault = None
            self.step("revoked")
            return
        answer = read_answer(response, self._token, *self._client.secrets)
        if answer.kind == ERROR:
            self.error = answer.error
            self.step("error")
            return
        fault = answer.error or ProtocolError(f"the server answered HTTP {response.status}")
        self._meet_fault(fault, answer.retry_after_ms, now)

    def transport_failed(self, now: int) -> None:
        """There was no answer: ask again later."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        self.due = now + max(retry_after_ms, self._backoff.delay_ms())
        self.step("fault")
