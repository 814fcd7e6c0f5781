"""An agent whose server puts its endpoints elsewhere while it works, in virtual time."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pairlet.core.errors import PairletError
from pairlet.core.http import Request, Response
from pairlet.drive import Patience
from pairlet.linux.commands_long_run import LongRunAgent
from portable.fakes import ScriptedHttp, VirtualClock
from portable.model_server import ISSUER, ModelServer
from support.virtual_agent import virtual_agent

MINUTE = 60_000
HOUR = 60 * MINUTE
WELL_KNOWN = "/.well-known/oauth-authorization-server"


class MovedServer(ModelServer):
    """Answers at /v2/token alone once it `has_moved`, and says so where it `tells` anything."""

    has_moved = False
    tells = True

    def __call__(self, request: Request) -> Response:
        """The answer to `request`."""
        if self.has_moved and request.url == ISSUER + "/v2/token":
            return super().__call__(Request("POST", ISSUER + "/token", [], request.body))
        if self.has_moved and request.url == ISSUER + "/token":
            self.requests.append("/token")
            return Response(404, [("content-type", "text/html")], b"<h1>Not found</h1>")
        if not self.tells and "/.well-known/" in request.url:
            self.requests.append(request.url[len(ISSUER) :])
            return Response(404, [("content-type", "text/html")], b"<h1>Not found</h1>")
        return super().__call__(request)

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = super()._metadata()
        if self.has_moved:
            metadata["token_endpoint"] = ISSUER + "/v2/token"
        return metadata


class Years:
    """An agent for the long run that has been paired for half an hour, and its server."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.clock = VirtualClock()
        self.server = MovedServer(self.clock)
        self.events: list[str] = []
        http = ScriptedHttp(self.clock, self.server, latency_ms=50)
        self.agent = virtual_agent(LongRunAgent, self.clock, http, self.events.append)
        self.pass_by(HOUR // 2)
        assert self.events == ["code", "paired"]

    def pass_by(self, time_ms: int) -> None:
        """Have it run for `time_ms`."""
        self.runner.run(self.clock.drive(self.agent.run(), self.clock.now() + time_ms))

    def asked(self, path: str) -> int:
        """How often the server was asked for `path`."""
        return int(self.server.requests.count(path))


@pytest.fixture
def years() -> Iterator[Years]:
    """In one event loop from beginning to end."""
    with asyncio.Runner() as runner:
        yield Years(runner)


def test_a_token_endpoint_that_has_moved_is_found_again(years: Years) -> None:
    years.server.has_moved = True
    years.pass_by(HOUR)
    assert years.events[-1] == "refreshed" and years.asked(WELL_KNOWN) == 2


def test_whoever_asks_for_a_token_now_and_then_finds_it_as_well(years: Years) -> None:
    """As a program does with the library, and with a command's patience."""
    years.server.has_moved = True
    years.clock.time += HOUR
    refused = 0
    while "refreshed" not in years.events and refused < 40:
        try:
            years.runner.run(years.clock.drive(years.agent.usable_token(Patience(3))))
        except PairletError:
            refused += 1
            years.clock.time += MINUTE
    assert 0 < refused < 20 and years.asked(WELL_KNOWN) == 2


def test_what_a_search_does_not_find_stays_as_it_was(years: Years) -> None:
    years.server.has_moved, years.server.tells = True, False
    years.pass_by(2 * HOUR)
    assert "refreshed" not in years.events
    # Once an hour at the most, and at the token endpoint as seldom as before.
    assert 2 <= years.asked(WELL_KNOWN) <= 3 and years.asked("/token") < 80
    years.server.has_moved = False
    years.pass_by(5 * MINUTE)
    assert years.events[-1] == "refreshed"


def test_a_server_that_stays_is_asked_once(years: Years) -> None:
    years.pass_by(71 * HOUR)
    assert years.asked(WELL_KNOWN) == 1
