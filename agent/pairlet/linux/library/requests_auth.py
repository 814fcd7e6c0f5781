"""The token of a device on requests of the library `requests`."""

from typing import Any

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from .bearer import Answered, Bearer, Fields
from .source import Source


class BearerAuth(AuthBase):
    """For `auth=` of a request or a Session, in any number of threads. `source`: a Device or a TokenAgent.

    Each request carries a fresh token; one that is bound to the device's key (RFC 9449) with a proof for just
    this request. One that is answered 401 with invalid_token (RFC 6750 section 3.1) is sent once more, with
    another token if there is one, and so is one whose proof has to hold a nonce (use_dpop_nonce); either only
    if its body can be sent again.
    Raises, out of the request, what `source.token()` does, and ConfigError for plain http.
    """

    def __init__(self, source: Source):
        self._bearer = Bearer(source)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign `request`."""
        request.headers.update(self._bearer.fields(request.method or "GET", request.url or ""))
        request.register_hook("response", self._answered)  # type: ignore[no-untyped-call]
        return request

    def _answered(self, response: Response, **options: Any) -> Response:
        tried: set[str] = set()
        while True:
            fields = self._bearer.instead(_told(response), tried)
            second = None if fields is None else _sent_again(response, fields, options)
            if second is None:
                return response
            response = second


def _told(response: Response) -> Answered:
    """What Bearer.instead asks for. A body that can't be sent again: as if nothing was refused."""
    sent = response.request
    return Answered(
        sent.method or "GET",
        sent.url or "",
        sent.headers.get("Authorization") if _can_be_sent_again(sent) else None,
        response.status_code,
        response.headers.get("WWW-Authenticate", ""),
        response.headers.get("DPoP-Nonce"),
    )


def _sent_again(response: Response, fields: Fields, options: dict[str, Any]) -> Response | None:
    """The answer to the same request with `fields`; None if its body can't be had again."""
    sent = response.request
    again: Any = sent.copy()
    again.headers.update(fields)
    try:
        if getattr(again, "_body_position", None) is not None:
            rewind_body(again)
    except UnrewindableBodyError:
        return None
    _ = response.content  # all of it, so that the connection can be used again
    response.close()
    extract_cookies_to_jar(again._cookies, sent, response.raw)  # type: ignore[no-untyped-call]
    again.prepare_cookies(again._cookies)
    second: Response = response.connection.send(again, **options)
    second.history = [*response.history, response]
    second.request = again
    return second


def _can_be_sent_again(request: PreparedRequest) -> bool:
    body = request.body
    return (
        body is None or isinstance(body, str | bytes) or getattr(request, "_body_position", None) is not None
    )
