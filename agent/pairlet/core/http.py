"""One HTTP exchange as two values. The core makes requests and reads responses; an edge carries them."""

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Request:
    """What to send: `method`, absolute `url`, `headers` as a list of (name, value), `body` in bytes.

    Body and headers carry secrets, so `repr` shows only the method and the address without its query.
    """

    def __init__(self, method: str, url: str, headers: "list[tuple[str, str]]", body: bytes = b""):
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return "<Request {} {}>".format(self.method, self.url.partition("?")[0])


class Response:
    """What came back: `status`, `headers` as a list of (lower-case name, value), `body` in bytes."""

    def __init__(self, status: int, headers: "list[tuple[str, str]]", body: bytes):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> "str | None":
        """The first value of the header `name` (lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def __repr__(self) -> str:
        return "<Response %d, %d bytes>" % (self.status, len(self.body))
