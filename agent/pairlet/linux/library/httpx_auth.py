"""The token of a device on requests of the library `httpx`, which comes with no extra: pip install httpx."""

from collections.abc import AsyncGenerator, Generator

try:
    import anyio.to_thread
    import httpx
except ImportError:
    raise ImportError("pairlet.HttpxBearerAuth needs httpx: pip install httpx", name="httpx") from None

from .bearer import Bearer
from .source import Source


class HttpxBearerAuth(httpx.Auth):
    """For `auth=` of a Client or an AsyncClient. `source`: a Device or TokenAgent; see BearerAuth."""

    def __init__(self, source: Source):
        self._bearer = Bearer(source)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign `request`, and sign it again if its token is refused."""
        request.headers["Authorization"] = self._bearer.authorization(str(request.url))
        response = yield request
        authorization = self._bearer.instead(*_told(request, response))
        if authorization is not None:
            request.headers["Authorization"] = authorization
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """As sync_auth_flow; whatever has to be waited for is waited for in a thread."""
        in_thread = anyio.to_thread.run_sync
        request.headers["Authorization"] = await in_thread(self._bearer.authorization, str(request.url))
        response = yield request
        authorization = await in_thread(self._bearer.instead, *_told(request, response))
        if authorization is not None:
            request.headers["Authorization"] = authorization
            yield request


def _told(request: httpx.Request, response: httpx.Response) -> tuple[int, str, str | None]:
    """What Bearer.instead asks for. A body that comes from a stream is gone: as if nothing was refused."""
    challenge = ", ".join(response.headers.get_list("www-authenticate"))
    used = response.request.headers.get("authorization")
    return response.status_code, challenge, used if isinstance(request.stream, httpx.ByteStream) else None
