"""The token of a device on requests of the library `requests`."""

from typing import Any

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from .bearer import Bearer
from .source import Source


class BearerAuth(AuthBase):
    """For `auth=` of a request or a Session, in any number of threads. `source`: a Device or a TokenAgent.

    Each request carries a fresh token. One that is answered 401 with invalid_token (RFC 6750 section 3.1) is
    sent once more, with another token if there is one, and only if its body can be sent again.
    Raises, out of the request, what `source.token()` does, and ConfigError for plain http.
    """

    def __init__(self, source: Source):
        self._bearer = Bearer(source)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign `request`."""
        request.headers["Authorization"] = self._bearer.authorization(request.url or "")
        request.register_hook("response", self._answered)  # type: ignore[no-untyped-call]
        return request

    def _answered(self, response: Response, **options: Any) -> Response:
        sent = response.request
        if response.status_code != 401 or not _can_be_sent_again(sent):
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        authorization = self._bearer.instead(401, challenge, sent.headers.get("Authorization"))
        if authorization is None:
            return response
        again: Any = sent.copy()
        again.headers["Authorization"] = authorization
        try:
            if getattr(again, "_body_position", None) is not None:
                rewind_body(again)
        except UnrewindableBodyError:
            return response
        _ = response.content  # all of it, so that the connection can be used again
        response.close()
        extract_cookies_to_jar(again._cookies, sent, response.raw)  # type: ignore[no-untyped-call]
        again.prepare_cookies(again._cookies)
        second: Response = response.connection.send(again, **options)
        second.history.append(response)
        second.request = again
        return second


def _can_be_sent_again(request: PreparedRequest) -> bool:
    body = request.body
    return (
        body is None or isinstance(body, str | bytes) or getattr(request, "_body_position", None) is not None
    )
