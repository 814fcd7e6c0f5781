"""`pairlet token` at a server that takes long to say nothing, in virtual time."""

import asyncio

from pairlet.agent import Agent
from pairlet.core.errors import TransportError
from pairlet.core.http import Request, Response
from pairlet.drive import Patience
from pairlet.linux.commands_token import WhileGood
from portable.fakes import ScriptedHttp, VirtualClock
from portable.model_server import ModelServer
from support.virtual_agent import virtual_agent


def tries(latency_ms: int, left_ms: int) -> tuple[str, int]:
    """What a command gets with a token that has `left_ms` left, and how often it tries to renew it."""
    clock = VirtualClock()
    server = ModelServer(clock, token_s=600)
    asked: list[str] = []

    def answer(request: Request) -> Response | TransportError:
        if b"refresh_token" not in request.body:
            return server(request)
        asked.append(request.url)
        return TransportError("no answer")

    http = ScriptedHttp(clock, answer)
    agent = virtual_agent(Agent, clock, http, lambda event: None)

    async def play() -> str:
        token = await agent.pair(Patience(3))
        assert token.expires_at is not None
        clock.time = token.expires_at - left_ms
        http.latency_ms = latency_ms
        found = await agent.usable_token(WhileGood(agent))
        assert found.remaining_ms(clock.now()) > 10_000
        return str(found.access_token.reveal())

    return asyncio.run(clock.drive(play())), len(asked)


def test_a_good_token_is_handed_out_before_the_wait_outlasts_it() -> None:
    assert tries(30_000, left_ms=70_000) == ("access-2", 1)
    assert tries(30_000, left_ms=100_000) == ("access-2", 2)


def test_what_fails_at_once_is_tried_again_all_the_same() -> None:
    """An answer may have been lost, and servers that take a refresh token once more do so for seconds."""
    assert tries(50, left_ms=70_000) == ("access-2", 3)
