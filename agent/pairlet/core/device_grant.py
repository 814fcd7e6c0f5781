"""The OAuth 2.0 Device Authorization Grant (RFC 8628) as a machine."""

from . import url
from .answer import ERROR, FAULT, Answer, read_answer, read_token_answer
from .backoff import Backoff
from .client import Client
from .errors import OAuthError, PairletError, ProtocolError
from .http import Response
from .json_object import seconds_member, secret_member, text_member
from .machine import Machine, Send, Wait
from .metadata import DEVICE_CODE, ServerMetadata
from .secret import Secret
from .token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .form import Pairs

READY = "ready"  # about to ask for a code
ASKING = "asking"  # the device authorization request is under way
WAITING = "waiting"  # a code is on the screen
POLLING = "polling"  # a device access token request is under way
APPROVED = "approved"
DENIED = "denied"
EXPIRED = "expired"
FAILED = "failed"

ENDED = (APPROVED, DENIED, EXPIRED, FAILED)

_INTERVAL_MS = 5000  # section 3.2: when the server names none
_SLOW_DOWN_MS = 5000  # section 3.5: added for good at each slow_down
_LONGEST_INTERVAL_S = 3600
_LATEST_LAST_POLL_MS = 60000
_LONGEST_CODE_S = 86400
_LONGEST_BACKOFF_MS = 60000


class DeviceCode:
    """A device authorization response (section 3.2): what to show, what to keep secret, until when.

    expires_at: ms of the machine clock. interval_ms: what the server asks for between polls.
    """

    def __init__(
        self,
        device_code: Secret,
        user_code: str,
        verification_uri: str,
        verification_uri_complete: "str | None",
        expires_at: int,
        interval_ms: int,
    ):
        self.device_code = device_code
        self.user_code = user_code
        self.verification_uri = verification_uri
        self.verification_uri_complete = verification_uri_complete
        self.expires_at = expires_at
        self.interval_ms = interval_ms

    @staticmethod
    def from_answer(members: "dict[str, object]", since: int, insecure_http: bool) -> "DeviceCode":
        """Read the response. `since`: when the request left, which is when the code can be oldest.

        An interval that makes no sense is the default; an address that is not https, or a code
        that can't be shown as it is, raises ProtocolError: a person would be led astray.
        """
        device_code = secret_member(members, "device_code")
        user_code = text_member(members, "user_code", 64)
        if device_code is None or user_code is None or not user_code.strip():
            raise ProtocolError("the answer has no device_code and user_code (RFC 8628 section 3.2)")
        # Early servers wrote verification_url; the draft's name lives on in the field.
        verification_uri = _address(members, ("verification_uri", "verification_url"), insecure_http)
        if verification_uri is None:
            raise ProtocolError("the answer has no verification_uri (RFC 8628 section 3.2)")
        complete = _address(
            members, ("verification_uri_complete", "verification_url_complete"), insecure_http
        )
        expires_in = seconds_member(members, "expires_in", _LONGEST_CODE_S)
        if expires_in is None:
            raise ProtocolError("the answer has no usable expires_in (RFC 8628 section 3.2)")
        interval = seconds_member(members, "interval", _LONGEST_INTERVAL_S)
        return DeviceCode(
            device_code,
            user_code,
            verification_uri,
            complete,
            since + 1000 * expires_in,
            _INTERVAL_MS if interval is None else 1000 * interval,
        )

    def __repr__(self) -> str:
        return f"<DeviceCode {self.user_code} at {self.verification_uri}>"


def _address(members: "dict[str, object]", names: "tuple[str, str]", insecure_http: bool) -> "str | None":
    for name in names:
        address = text_member(members, name)
        if address is not None:
            if not url.is_secure(address, insecure_http):
                raise ProtocolError(
                    f"the server's {name} is not an https address",
                    "The server must be corrected; plain http works on loopback only, with --insecure-http.",
                )
            return address
    return None


class DeviceGrant(Machine):
    """From "who are you" to a token: asks for a code, then polls until somebody decides.

    `metadata`: must offer the grant. `scope`: space-separated, "" for none. `extra`: further
    parameters of the first request, `parameters` of each poll. `seed`: random bytes for the back-off.

    `code` is the DeviceCode once there is one; `token` is set when approved; `error` when it ended
    otherwise; `fault` is the last trouble, None again after the next proper answer. `interval_ms` and
    `not_before` (ms of the clock; what a Retry-After asked for) are what the polls keep to.
    """

    TRANSITIONS = {
        (READY, "send"): ASKING,
        (ASKING, "code"): WAITING,
        (ASKING, "error"): FAILED,
        (ASKING, "fault"): READY,
        (WAITING, "send"): POLLING,
        (WAITING, "out of time"): EXPIRED,
        (POLLING, "authorization_pending"): WAITING,
        (POLLING, "slow_down"): WAITING,
        (POLLING, "fault"): WAITING,
        (POLLING, "token"): APPROVED,
        (POLLING, "access_denied"): DENIED,
        (POLLING, "expired_token"): EXPIRED,
        (POLLING, "out of time"): EXPIRED,
        (POLLING, "error"): FAILED,
    }

    def __init__(
        self,
        metadata: ServerMetadata,
        client: Client,
        *,
        scope: str = "",
        extra: "list[tuple[str, str | None]] | None" = None,
        parameters: "Pairs" = (),
        seed: bytes = b"",
        insecure_http: bool = False,
    ):
        super().__init__(READY)
        self._device_authorization_endpoint = metadata.require("device_authorization_endpoint")
        self._token_endpoint = metadata.require("token_endpoint")
        self._client = client
        self._scope = scope
        self._extra = extra or []
        self._parameters = parameters
        self._seed = seed
        self._insecure_http = insecure_http
        self._backoff = Backoff(1000, _LONGEST_BACKOFF_MS, seed)
        self._sent_at = 0
        self._just_slowed = self._clock_is_fast = False
        self.interval_ms = _INTERVAL_MS
        self.not_before = 0
        self.code: DeviceCode | None = None
        self.token: Token | None = None
        self.error: PairletError | None = None
        self.fault: PairletError | None = None

    def next_action(self, now: int) -> "Send | Wait | None":
        """Send(request), Wait(until), or None when it has ended."""
        if self.state in ENDED:
            return None
        if self.state == WAITING and self.due > self._last_poll_by() and now >= self._code().expires_at:
            # Retry-After forbids even the last poll: there is nothing left to wait for.
            self._end("out of time", OAuthError("expired_token"))
            return None
        if self.state in (READY, WAITING) and now < self.due:
            if self.state == WAITING and self.due > self._last_poll_by():
                return Wait(self._code().expires_at)
            return Wait(self.due)
        asking = self.state == READY
        self.step("send")
        # Lifetimes count from here: an answer may wait for hours in a device that is asleep.
        self._sent_at = now
        if asking:
            pairs: list[tuple[str, str | None]] = [("scope", self._scope)]
            pairs.extend(self._extra)
            return Send(self._client.request(self._device_authorization_endpoint, pairs))
        poll: list[tuple[str, str | None]] = [("grant_type", DEVICE_CODE)]
        poll.append(("device_code", self._code().device_code.reveal()))
        poll.extend(self._parameters)
        return Send(self._client.request(self._token_endpoint, poll))

    def receive(self, response: Response, now: int) -> None:
        """Take the answer to the last request."""
        self.check("fault")  # only while a request is under way
        secrets = self._client.secrets
        if self.code is not None:
            secrets = [self.code.device_code] + secrets
        if self.state == ASKING:
            self._receive_code(read_answer(response, *secrets), now)
        else:
            self._receive_poll(read_token_answer(response, *secrets), now)

    def transport_failed(self, now: int) -> None:
        """There was no answer. Less often from now on (section 3.5), but never given up before the end."""
        self.check("fault")
        self._meet_fault(None, 0, now)

    def _receive_code(self, answer: Answer, now: int) -> None:
        if answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
            return
        try:
            if answer.kind == ERROR:
                raise answer.error
            self.code = DeviceCode.from_answer(answer.members, self._sent_at, self._insecure_http)
        except PairletError as error:
            self._end("error", error)
            return
        self.fault = None
        self._start_waiting(self.code.interval_ms, now)
        self.step("code")

    def _start_waiting(self, interval_ms: int, now: int) -> None:
        self.interval_ms = interval_ms
        # Trouble while polling doubles from the interval, so that it can only ever slow down.
        self._backoff = Backoff(2 * interval_ms, max(4 * interval_ms, _LONGEST_BACKOFF_MS), self._seed)
        self.due = now + interval_ms

    def _receive_poll(self, answer: Answer, now: int) -> None:
        if answer.kind == FAULT:
            self._meet_fault(answer.error, answer.retry_after_ms, now)
        elif answer.kind == ERROR:
            self._receive_error(answer, now)
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

    def _receive_error(self, answer: Answer, now: int) -> None:
        code = answer.error.error
        left_ms = self._code().expires_at - now
        if code in ("authorization_pending", "slow_down"):
            if left_ms <= 0:
                self._end("out of time", OAuthError("expired_token"))
                return
            if code == "slow_down":
                self._slow_down(answer)
            else:
                self._just_slowed = False
            self.fault = None
            self._backoff.reset()
            self._wait(self.interval_ms, answer.retry_after_ms, now)
            self.step(code)
        elif code == "expired_token" or (code == "invalid_grant" and left_ms <= self.interval_ms):
            # A server that has swept the code away, some a second early, no longer knows that it ran out.
            self._end("expired_token", OAuthError("expired_token", answer.error.error_description))
        elif code == "access_denied":
            self._end("access_denied", answer.error)
        else:
            self._end("error", answer.error)

    def _slow_down(self, answer: Answer) -> None:
        """Five seconds more from now on (section 3.5), or what the server names if that is more."""
        named = seconds_member(answer.members, "interval", _LONGEST_INTERVAL_S)
        self.interval_ms = max(self.interval_ms + _SLOW_DOWN_MS, 1000 * (named or 0))
        # Told again although we had slowed down: our clock runs too fast. Those of virtual machines do so by
        # up to 30 %, and five seconds more each time would never catch up.
        self._clock_is_fast = self._clock_is_fast or self._just_slowed
        self._just_slowed = True
        self._backoff = Backoff(
            2 * self.interval_ms, max(4 * self.interval_ms, _LONGEST_BACKOFF_MS), self._seed
        )

    def _meet_fault(self, fault: "PairletError | None", retry_after_ms: int, now: int) -> None:
        self.fault = fault
        if self.state == ASKING:
            self.due = now + max(retry_after_ms, self._backoff.delay_ms())
        elif self.state == POLLING:
            if now >= self._code().expires_at:
                self._end("out of time", OAuthError("expired_token"))
                return
            self._wait(self._backoff.delay_ms(), retry_after_ms, now)
        self.step("fault")

    def _wait(self, delay_ms: int, retry_after_ms: int, now: int) -> None:
        """Set when to poll next, counted from the end of this exchange.

        The server's interval and its Retry-After are never undercut. Our own back-off is cut short at
        the code's end, for one last poll: an approval in the last moments still counts.
        """
        pace_ms = self.interval_ms + (self.interval_ms // 3 if self._clock_is_fast else 0)
        earliest = now + max(pace_ms, retry_after_ms)
        if retry_after_ms > self.interval_ms:
            self.not_before = earliest
        self.due = max(earliest, min(now + delay_ms, self._code().expires_at))

    def _last_poll_by(self) -> int:
        """Polling later than this makes no sense: nobody looks at an ended code for that long."""
        return self._code().expires_at + min(self.interval_ms, _LATEST_LAST_POLL_MS)

    def _code(self) -> DeviceCode:
        code = self.code
        assert code is not None
        return code

    def _end(self, event: str, error: PairletError) -> None:
        self.error = error
        self.step(event)

    def snapshot(self, now: int) -> "dict[str, object]":
        """What to keep so that a reboot goes on with the same code: plain values, the device_code included.

        Raises ProtocolError unless a code is being shown.
        """
        if self.state not in (WAITING, POLLING):
            raise ProtocolError("there is no code to keep while the grant is " + self.state)
        code = self._code()
        return {
            "device_code": code.device_code.reveal(),
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
            "expires_in": max(0, code.expires_at - now) // 1000,
            "interval": self.interval_ms // 1000,
            "retry_after": (max(0, self.not_before - now) + 999) // 1000,
        }

    def restore(self, snapshot: "dict[str, object]", now: int, age_ms: int = 0) -> None:
        """Go on with a code from `snapshot` instead of asking for one.

        `age_ms`: how long ago it was taken, 0 when nobody knows. The first poll keeps the interval, as
        nobody knows when the last one was. Raises OAuthError (expired_token) when its time is over,
        ProtocolError when it is not a snapshot; the machine is then as it was.
        """
        if self.state != READY:
            raise ProtocolError("a code can be restored at the start only, not while " + self.state)
        if snapshot.get("expires_in") == 0:
            raise OAuthError("expired_token")
        code = DeviceCode.from_answer(snapshot, now - age_ms, self._insecure_http)
        if code.expires_at <= now:
            raise OAuthError("expired_token")
        # What slow_down has added stays, even beyond the most that a server may ask for at first.
        interval = seconds_member(snapshot, "interval", _LONGEST_CODE_S)
        code.interval_ms = _INTERVAL_MS if interval is None else 1000 * interval
        retry_after = seconds_member(snapshot, "retry_after", _LONGEST_INTERVAL_S) or 0
        self.step("send")
        self.code = code
        self._start_waiting(code.interval_ms, now)
        self.not_before = now - age_ms + 1000 * retry_after
        self.due = max(self.due, self.not_before)
        self.step("code")
