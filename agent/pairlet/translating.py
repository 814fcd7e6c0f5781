"""An Http that speaks a provider's dialect, for providers that speak no plain OAuth."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.dialect import Dialect
    from .core.http import Request, Response
    from .ports import Http
    from .settings import Settings


class TranslatedHttp:
    """The port Http over another one: requests go out, and answers come back, through the dialect that is
    configured (see pairlet.core.dialect). Raises ConfigError.
    """

    def __init__(self, http: "Http", config: "Settings"):
        self._http = http
        self._config = config
        self._dialect()
        self.needs_room = http.needs_room

    async def exchange(self, request: "Request") -> "Response":
        """See pairlet.ports.Http. Only what is sent to be answered by OAuth's rules is translated."""
        if request.method != "POST":
            return await self._http.exchange(request)
        dialect = self._dialect()
        request, kind = dialect.request(request)
        return dialect.response(await self._http.exchange(request), kind)

    def _dialect(self) -> "Dialect":
        from .core.dialect import Dialect  # a board forgets it in between

        table = self._config.get("oauth.dialect")
        return Dialect(table, self._config.text("oauth.scope"))
