"""A resource server (RFC 6750): it says what it was asked, and takes the tokens that it is told to."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

INVALID_TOKEN = 'Bearer realm="test", error="invalid_token", error_description="no more"'


class Asked(NamedTuple):
    """One request: its token is None where there was none, and so is its DPoP proof."""

    path: str
    token: str | None
    body: bytes
    proof: str | None


class Resource:
    """`asked`: what came. Tokens in `refused`, or all with `refuses_all`, get 401 with `challenge`.

    /elsewhere redirects to the same server under its other name, which is another host to any client; /moved
    to /me. `nonces`: the DPoP-Nonce that a path sends.
    """

    def __init__(self, port: int):
        self.address = f"http://127.0.0.1:{port}"
        self.other = f"http://localhost:{port}"
        self.asked: list[Asked] = []
        self.refused: set[str] = set()
        self.refuses_all = False
        self.challenge = INVALID_TOKEN
        self.nonces: dict[str, str] = {}

    def answer(self, asked: Asked) -> tuple[int, dict[str, str]]:
        """Status and header fields."""
        self.asked.append(asked)
        if asked.path == "/elsewhere":
            return 302, {"Location": self.other + "/there"}
        if asked.path == "/moved":
            return 302, {"Location": self.address + "/me"}
        nonce = {"DPoP-Nonce": self.nonces[asked.path]} if asked.path in self.nonces else {}
        if asked.token is None or self.refuses_all or asked.token in self.refused:
            return 401, {"WWW-Authenticate": self.challenge, "Set-Cookie": "seen=401", **nonce}
        return 200, nonce

    @property
    def tokens(self) -> list[str | None]:
        """The token of each request."""
        return [asked.token for asked in self.asked]


@contextlib.contextmanager
def resource_server() -> Iterator[Resource]:
    """One on a free port of 127.0.0.1, as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
            token_sent = token if scheme == "Bearer" else None
            status, fields = resource.answer(Asked(self.path, token_sent, body, self.headers.get("DPoP")))
            self.send_response(status)
            for name, value in {**fields, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        resource = Resource(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield resource
        finally:
            server.shutdown()
            thread.join(30)
