"""The token of a device on requests of the library `httpx`, which comes with no extra: pip install httpx."""

from collections.abc import AsyncGenerator, Generator

try:
    import anyio.to_thread
    import httpx
except ImportError:
    raise ImportError("pairlet.HttpxBearerAuth needs httpx: pip install httpx", name="httpx") from None

from .bearer import Answered, Bearer, Fields
from .source import Source


class HttpxBearerAuth(httpx.Auth):
    """For `auth=` of a Client or an AsyncClient. `source`: a Device or TokenAgent; see BearerAuth."""

    def __init__(self, source: Source):
        self._bearer = Bearer(source)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign `request`, and sign it again if its token is refused."""
        tried: set[str] = set()
        fields: Fields | None = self._bearer.fields(request.method, str(request.url))
        while fields is not None:
            request.headers.update(fields)
            response = yield request
            request = response.request
            fields = self._bearer.instead(_answered(response), tried)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """As sync_auth_flow; whatever has to be waited for is waited for in a thread."""
        in_thread = anyio.to_thread.run_sync
        tried: set[str] = set()
        fields: Fields | None = await in_thread(self._bearer.fields, request.method, str(request.url))
        while fields is not None:
            request.headers.update(fields)
            response = yield request
            request = response.request
            fields = await in_thread(self._bearer.instead, _answered(response), tried)


def _answered(response: httpx.Response) -> Answered:
    """What Bearer.instead asks for: of the last request, where redirects were followed.

    A body that comes from a stream is gone: as if nothing was refused.
    """
    sent = response.request
    return Answered(
        sent.method,
        str(sent.url),
        sent.headers.get("authorization") if isinstance(sent.stream, httpx.ByteStream) else None,
        response.status_code,
        ", ".join(response.headers.get_list("www-authenticate")),
        response.headers.get("dpop-nonce"),
    )
