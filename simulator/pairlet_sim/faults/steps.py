"""What a scenario does with a request: small functions over a Turn, and functions that make them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

from .journal import TROUBLE
from .reply import JSON, Headers, Reply, json_reply, page_reply
from .turn import Step, Turn

HUGE_BYTES = 60_000_000
_PIECE = 64 * 1024
_DRIP_S = 0.5

Members = dict[str, Any]
Change = Callable[[Members], Members]


async def real(turn: Turn) -> None:
    """As the real server answers."""
    await turn.answer(await turn.ask_server())


def says(error: str, status: int = 400, headers: Headers = (), **members: Any) -> Step:
    """The error response of RFC 6749 section 5.2, without asking the real server."""

    async def step(turn: Turn) -> None:
        await turn.answer(json_reply({"error": error, **members}, status, headers))

    return step


pending = says("authorization_pending")
slow_down = says("slow_down")


def once_decided(step: Step) -> Step:
    """The person decides now, then comes `step`; while that takes its time, the answer is pending."""

    async def waiting(turn: Turn) -> None:
        await (step if await turn.decision() else pending)(turn)

    return waiting


decided = once_decided(real)


def changed(change: Change, *, of_poll: bool = False) -> Step:
    """The real answer with other members; of a poll, once the person has decided."""

    async def step(turn: Turn) -> None:
        reply = await turn.ask_server()
        if reply.status == 200 and reply.members is not None:
            reply = reply.with_members(change(reply.members))
        await turn.answer(reply)

    return once_decided(step) if of_poll else step


def with_members(*, of_poll: bool = False, **members: Any) -> Step:
    """The real answer, with these members in place of its own or beside them."""
    return changed(lambda real: {**real, **members}, of_poll=of_poll)


def without(*names: str, of_poll: bool = False) -> Step:
    """The real answer, without these members."""
    return changed(
        lambda real: {name: value for name, value in real.items() if name not in names}, of_poll=of_poll
    )


def repeating(name: str, *, of_poll: bool = False) -> Step:
    """The real answer with the member `name` twice: the first time wrong, the second time right.

    A poll is not passed on to the server, so that the code is still good when the client asks again.
    """

    async def step(turn: Turn) -> None:
        if of_poll:
            reply = json_reply({name: "second", "token_type": "Bearer", "expires_in": 3600})
        else:
            reply = await turn.ask_server()
        twice = json.dumps({name: "first"})[:-1].encode() + b", " + reply.body.lstrip(b"{ ")
        await turn.answer(Reply(reply.status, reply.headers, twice), TROUBLE, f"{name} twice")

    return step


async def forms_unless_asked(turn: Turn) -> None:
    """The real answer as form parameters, unless the Accept header asks for JSON, as GitHub has it."""
    reply = await turn.ask_server()
    if JSON not in turn.header("accept") and reply.members is not None:
        form = urlencode({name: str(value) for name, value in reply.members.items()}).encode()
        reply = Reply(reply.status, [("content-type", "application/x-www-form-urlencoded")], form)
    await turn.answer(reply)


# In between: gateways, portals, rate limits


def page(status: int, title: str) -> Step:
    """A web page in place of the answer."""

    async def step(turn: Turn) -> None:
        await turn.answer(page_reply(status, title))

    return step


def busy(status: int, retry_after: int, *, as_date: bool = False) -> Step:
    """No OAuth answer, but a Retry-After header in seconds, or as a date."""

    async def step(turn: Turn) -> None:
        value = formatdate(time.time() + retry_after, usegmt=True) if as_date else str(retry_after)
        headers = [("content-type", "text/plain"), ("retry-after", value)]
        told = f"HTTP {status} and Retry-After {retry_after} s"
        turn.stage.busy(retry_after)
        await turn.answer(Reply(status, headers, b"Too busy.\n"), TROUBLE, told)

    return step


def nothing_said(body: bytes, told: str) -> Step:
    """HTTP 200 with a body that is neither tokens nor an error."""

    async def step(turn: Turn) -> None:
        await turn.answer(Reply(200, [("content-type", JSON)], body), TROUBLE, told)

    return step


async def redirect(turn: Turn) -> None:
    """307 to another origin: whoever follows it sends everything again, to somebody else."""
    told = "HTTP 307 to another origin"
    await turn.answer(Reply(307, [("location", turn.stage.elsewhere)]), TROUBLE, told)


# The connection


async def reset(turn: Turn) -> None:
    """The connection breaks; the server never saw the request."""
    await turn.reset()


async def answer_lost(turn: Turn) -> None:
    """The server acts, and its answer is lost."""
    await turn.ask_server()
    await turn.reset("an answer that was lost")


async def silence(turn: Turn) -> None:
    """Nothing, for as long as the client waits."""
    await turn.say_nothing()


async def drip(turn: Turn) -> None:
    """An answer that comes at two bytes a second and never ends."""
    head = Reply(200, [("content-type", JSON)])
    await turn.stream(head, 1_000_000, _drops(), "an answer of two bytes a second")


async def _drops() -> AsyncIterator[bytes]:
    yield b"{"
    while True:
        await asyncio.sleep(_DRIP_S)
        yield b" "


async def huge(turn: Turn) -> None:
    """authorization_pending in 60 MB."""
    start, end = b'{"error": "authorization_pending", "padding": "', b'"}'
    middle = HUGE_BYTES - len(start) - len(end)

    async def pieces() -> AsyncIterator[bytes]:
        yield start
        for place in range(0, middle, _PIECE):
            yield b"x" * min(_PIECE, middle - place)
        yield end

    await turn.stream(Reply(400, [("content-type", JSON)]), HUGE_BYTES, pieces(), "an answer of 60 MB")


async def cut_off(turn: Turn) -> None:
    """Half of an answer with tokens, then the end of the connection."""
    body = b'{"access_token": "half-of-a-tok'
    await turn.cut_off(Reply(200, [("content-type", JSON)], body), missing=200)


async def not_http(turn: Turn) -> None:
    """Bytes that no HTTP begins with."""
    await turn.babble(b"\x16\x03\x01\x02\x00 SSH-2.0-nothing you know\r\n\r\n")
