"""The ports to server, broker and disk, each with a line in the log for what goes through it.

A line has sizes, durations and results. Bodies, credentials and values never reach the log: they are not
looked at, but for the kind of a grant and the error codes of the RFCs.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from ...core.errors import PairletError
from ...core.http import Request, Response
from ...core.json_object import parse
from ...core.mqtt import Credentials, Event, Message, is_failure
from .words import span

if TYPE_CHECKING:
    from ...ports import Http, Mqtt, Store

_http_log = logging.getLogger("pairlet.http")
_mqtt_log = logging.getLogger("pairlet.mqtt")
_store_log = logging.getLogger("pairlet.store")

# What a request is for, by what stands in its form.
REFRESH = "refresh"
_PURPOSES = (
    (b"grant_type=refresh_token", REFRESH),
    (b"grant_type=authorization_code", "code for a token"),
    (b"grant_type=client_credentials", "token in its own name"),
    (b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code", "poll"),
    (b"token_type_hint=", "revocation"),
)
# The codes of RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 7009 section 2.2.1 and RFC 8707 section 2.
# Others are not shown: nobody knows what they are.
_ERROR_CODES = (
    *("authorization_pending", "slow_down", "access_denied", "expired_token"),
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
    *("unsupported_grant_type", "invalid_scope", "invalid_target", "unsupported_token_type"),
    *("server_error", "temporarily_unavailable", "invalid_dpop_proof", "use_dpop_nonce"),
)
_LONG_WAIT_MS = 100


class LoggedHttp:
    """The port Http over `http`.

    before(purpose): called ahead of each exchange, to say why it is made.
    answered_at: when the server has last answered (seconds of time.monotonic), None before that.
    trouble: why the last exchange had no answer, "" when it had one.
    """

    def __init__(self, http: "Http"):
        self._http = http
        self.needs_room = http.needs_room
        self.before: Callable[[str], None] = _say_nothing
        self.answered_at: float | None = None
        self.trouble = ""

    async def exchange(self, request: Request) -> Response:
        """As ports.Http."""
        purpose = _purpose(request)
        self.before(purpose)
        what = f"{request.method} {_place(request.url)}" + (f" ({purpose})" if purpose else "")
        began = time.monotonic()
        try:
            response = await self._http.exchange(request)
        except PairletError as error:
            self.trouble = str(error)
            _http_log.debug("%s: no answer after %s: %s", what, _since(began), error)
            raise
        except BaseException:
            _http_log.debug("%s: given up after %s", what, _since(began))
            raise
        self.answered_at, self.trouble = time.monotonic(), ""
        code = _error_code(response)
        fields = {"status": response.status, "bytes": len(response.body), "ms": _ms_since(began)}
        _http_log.debug(
            "%s: %d%s, %d bytes, %s",
            *(what, response.status, code and " " + code, len(response.body), _since(began)),
            extra={"fields": fields},
        )
        return response


class LoggedMqtt:
    """The port Mqtt over `mqtt`."""

    def __init__(self, mqtt: "Mqtt"):
        self._mqtt = mqtt

    async def connect(self, credentials: Credentials, will: Message | None) -> bool:
        """As ports.Mqtt."""
        began = time.monotonic()
        try:
            present = await self._mqtt.connect(credentials, will)
        except PairletError as error:
            _mqtt_log.debug("connecting failed after %s: %s", _since(began), error)
            raise
        session = "the session from before" if present else "a new session"
        _mqtt_log.debug("connected after %s, with %s", _since(began), session)
        return present

    async def publish(self, message: Message) -> int:
        """As ports.Mqtt."""
        began = time.monotonic()
        what = f"a message of {len(message.payload)} bytes to {message.topic_name}"
        try:
            reason_code = await self._mqtt.publish(message)
        except PairletError as error:
            _mqtt_log.debug("%s was not taken: %s", what, error)
            raise
        _tell_outcome(what, reason_code, began)
        return reason_code

    def room(self) -> int:
        """As ports.Mqtt."""
        return self._mqtt.room()

    def send(self, message: Message, settle: "Callable[[int | None], None]") -> None:
        """As ports.Mqtt."""
        if not _mqtt_log.isEnabledFor(logging.DEBUG):
            self._mqtt.send(message, settle)  # thousands a second: nothing on top
            return
        began = time.monotonic()
        what = f"a message of {len(message.payload)} bytes to {message.topic_name}"

        def told(reason_code: int | None) -> None:
            if reason_code is None:
                _mqtt_log.debug("%s was not taken: the connection ended", what)
            else:
                _tell_outcome(what, reason_code, began)
            settle(reason_code)

        self._mqtt.send(message, told)

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """As ports.Mqtt."""
        return await self._mqtt.subscribe(topic_filter, qos)

    async def next_event(self) -> Event:
        """As ports.Mqtt."""
        return await self._mqtt.next_event()

    async def disconnect(self) -> None:
        """As ports.Mqtt."""
        await self._mqtt.disconnect()


class LoggedStore:
    """The port Store over `store`."""

    def __init__(self, store: "Store"):
        self._store = store
        self.is_shared = store.is_shared
        self._is_told = False

    def load(self, name: str) -> bytes | None:
        """As ports.Store."""
        return self._store.load(name)

    def save(self, name: str, value: bytes) -> None:
        """As ports.Store."""
        began = time.monotonic()
        self._store.save(name, value)
        _store_log.debug("%s is on the disk: %d bytes, %s", name, len(value), _since(began))

    def delete(self, name: str) -> None:
        """As ports.Store."""
        self._store.delete(name)
        _store_log.debug("%s is gone from the disk", name)

    def set_aside(self, name: str) -> str:
        """As ports.Store."""
        place = self._store.set_aside(name)
        _store_log.warning("%s could not be read and is kept as %s", name, place)
        return place

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """As ports.Store."""
        began = time.monotonic()
        async with self._store.lock():
            if _ms_since(began) >= _LONG_WAIT_MS:
                _store_log.debug("waited %s for another process that held the state folder", _since(began))
            yield

    def claim(self, name: str) -> bool:
        """As ports.Store."""
        taken = self._store.claim(name)
        if not taken and not self._is_told:
            _store_log.debug("another process is at work on %s", name)
        # It is asked for every second: once is news.
        self._is_told = not taken
        return taken

    def release(self, name: str) -> None:
        """As ports.Store."""
        self._store.release(name)


def _say_nothing(purpose: str) -> None:
    pass


def _tell_outcome(what: str, reason_code: int, began: float) -> None:
    verb = "refused with 0x%02X" % reason_code if is_failure(reason_code) else "taken"
    _mqtt_log.debug("%s was %s after %s", what, verb, _since(began))


def _purpose(request: Request) -> str:
    for pattern, purpose in _PURPOSES:
        if pattern in request.body:
            return purpose
    return ""


def _place(url: str) -> str:
    """Host, port and path: neither user name nor query, where secrets may be."""
    rest = url.partition("://")[2].partition("?")[0].partition("#")[0]
    host, mark, path = rest.partition("/")
    return host.rpartition("@")[2] + mark + path


def _error_code(response: Response) -> str:
    """The error code in an answer of OAuth, "" if there is none."""
    if response.status < 400 and b'"error"' not in response.body:
        return ""
    try:
        code = parse(response.body).get("error")
    except PairletError:
        return ""
    return code if isinstance(code, str) and code in _ERROR_CODES else ""


def _ms_since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))


def _since(began: float) -> str:
    return f"{_ms_since(began)} ms" if _ms_since(began) < 1000 else span(_ms_since(began))
