"""An HTTP answer as a value: what the real server said, or what is said in its place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

JSON = "application/json"
HTML = "text/html; charset=utf-8"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    """`status`, `headers` without a length, `body`. Bodies hold tokens, so `repr` leaves them out."""

    status: int
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def members(self) -> dict[str, Any] | None:
        """The JSON object of the body, or None when there is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def with_members(self, members: dict[str, Any]) -> "Reply":
        """The same with other members."""
        return Reply(self.status, self.headers, json.dumps(members).encode())


def json_reply(members: dict[str, Any], status: int = 200, headers: Headers = ()) -> Reply:
    """A JSON answer as an OAuth endpoint gives it (RFC 6749 sections 5.1 and 5.2)."""
    usual = [("content-type", JSON), ("cache-control", "no-store")]
    return Reply(status, [*usual, *headers], json.dumps(members).encode())


def page_reply(status: int, title: str, headers: Headers = ()) -> Reply:
    """A web page, such as a gateway or a captive portal puts in an answer's place."""
    body = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>Please try again later.</p>"
    return Reply(status, [("content-type", HTML), *headers], body.encode())


async def ask(app: ASGIApp, scope: Scope, body: bytes) -> Reply:
    """What the ASGI application `app` answers to the request of `scope` with `body`."""
    status, headers, pieces = 500, [], []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(each[0].decode("latin-1"), each[1].decode("latin-1")) for each in message["headers"]]
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return Reply(status, kept, b"".join(pieces))
