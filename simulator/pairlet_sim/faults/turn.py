"""One request of a client, and every way to answer it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from . import connection
from .journal import (
    DEVICE_AUTHORIZATION,
    ISSUED,
    METADATA,
    POLL,
    REFRESH,
    TROUBLE,
    Exchange,
    shown,
)
from .reply import Headers, Reply, ask

_STILL_POLLING = ("authorization_pending", "slow_down")
_ERROR = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


class Stage(Protocol):
    """What a turn needs of the site it is played on. `elsewhere` is an address of another origin."""

    elsewhere: str
    exchanges: list[Exchange]

    async def decide(self, device_code: str) -> bool:
        """Let the person decide about the code; False while that takes longer than a poll should."""

    def issued(self, reply: Reply) -> None:
        """The real server has issued codes."""

    def delivered(self, reply: Reply) -> None:
        """The client was told `reply` in full, and it holds tokens."""

    def busy(self, seconds: float) -> None:
        """The client was told not to come back for so long."""


class Turn:
    """A request that waits for its answer. `exchange` is its line in the journal."""

    def __init__(
        self, exchange: Exchange, stage: Stage, app: ASGIApp, scope: Scope, body: bytes, receive: Receive,
        send: Send,
    ):  # fmt: skip
        self.exchange = exchange
        self.stage = stage
        self._app = app
        self._scope = scope
        self._body = body
        self._receive = receive
        self._send = send

    def header(self, name: str) -> str:
        """A header of the request, or an empty string. `name` is in lower case."""
        for key, value in self._scope["headers"]:
            if key == name.encode():
                return str(value.decode("latin-1"))
        return ""

    async def ask_server(self) -> Reply:
        """Let the real server act on the request; what it says is for the caller to pass on, or not."""
        reply = await ask(self._app, self._scope, self._body)
        if self.exchange.kind == DEVICE_AUTHORIZATION and reply.status == 200:
            self.stage.issued(reply)
        return reply

    async def decision(self) -> bool:
        """Let the person decide about the code that this poll is about; False if that is not done yet."""
        return await self.stage.decide(self.exchange.value("device_code"))

    async def answer(self, reply: Reply, outcome: str | None = None, told: str | None = None) -> None:
        """Send `reply`. `outcome` and `told` are for the journal, where the reply doesn't say it itself."""
        self.exchange.outcome = outcome or outcome_of(reply)
        self.exchange.told = told or in_words(reply, self.exchange)
        await self._start(reply.status, [*reply.headers, ("content-length", str(len(reply.body)))])
        await self._send({"type": "http.response.body", "body": reply.body})
        self.exchange.sent = len(reply.body)
        self.exchange.complete = True
        if self.exchange.outcome == ISSUED:
            self.stage.delivered(reply)

    async def stream(self, head: Reply, length: int, pieces: AsyncIterator[bytes], told: str) -> None:
        """Send a body of `length` bytes piece by piece, until it ends or the client has gone."""
        self._trouble(told)
        gone = asyncio.create_task(self.until_gone())
        try:
            await self._start(head.status, [*head.headers, ("content-length", str(length))])
            async for piece in pieces:
                await asyncio.sleep(0)
                if gone.done():
                    return
                self.exchange.sent += len(piece)
                more = self.exchange.sent < length
                await self._send({"type": "http.response.body", "body": piece, "more_body": more})
            self.exchange.complete = True
        finally:
            gone.cancel()

    async def say_nothing(self) -> None:
        """Leave the client waiting until it gives up."""
        self._trouble("no answer at all")
        await self.until_gone()

    async def reset(self, told: str = "a reset connection") -> None:
        """Break the connection without an answer."""
        self._trouble(told)
        connection.reset(self._scope)
        await self.until_gone()

    async def cut_off(self, reply: Reply, missing: int) -> None:
        """Send `reply`, announced with `missing` bytes more than come, and end the connection."""
        self._trouble("an answer that was cut off")
        await self._start(reply.status, [*reply.headers, ("content-length", str(len(reply.body) + missing))])
        await self._send({"type": "http.response.body", "body": reply.body, "more_body": True})
        connection.close(self._scope)
        await self.until_gone()

    async def babble(self, data: bytes) -> None:
        """Send bytes that are not HTTP."""
        self._trouble("bytes that are not HTTP")
        connection.close(self._scope, data)
        await self.until_gone()

    async def until_gone(self) -> None:
        """Return when the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _trouble(self, told: str) -> None:
        self.exchange.outcome, self.exchange.told = TROUBLE, told

    async def _start(self, status: int, headers: Headers) -> None:
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})


Step = Callable[[Turn], Awaitable[None]]


def outcome_of(reply: Reply) -> str:
    """The error code that `reply` ends or continues the grant with, ISSUED, or TROUBLE.

    429 and 5xx speak of load or of something in between, unless they come with the two codes of
    RFC 8628 section 3.5 that keep a client polling: our reading of "encountering a connection timeout".
    What has other characters than an error code may have (RFC 6749 section 5.2) is none.
    """
    members = reply.members
    error = members.get("error") if members is not None else None
    if isinstance(error, str):
        if not _ERROR.fullmatch(error):
            return TROUBLE
        loaded = reply.status == 429 or reply.status >= 500
        return TROUBLE if loaded and error not in _STILL_POLLING else error
    return ISSUED if members is not None and 200 <= reply.status < 300 else TROUBLE


_ISSUED = {METADATA: "metadata", DEVICE_AUTHORIZATION: "codes", POLL: "tokens", REFRESH: "tokens"}


def in_words(reply: Reply, exchange: Exchange) -> str:
    """What `reply` says, for people, who want the status where it is not the usual one."""
    outcome = exchange.outcome
    if outcome == ISSUED:
        return _ISSUED.get(exchange.kind, "success")
    if outcome != TROUBLE:
        return shown(outcome) if reply.status == 400 else f"{shown(outcome)} (HTTP {reply.status})"
    sort = dict(reply.headers).get("content-type", "")
    return f"HTTP {reply.status}" + (" and a web page" if sort.startswith("text/html") else "")


def now() -> float:
    """Seconds of the clock that journals are kept by."""
    return time.monotonic()
