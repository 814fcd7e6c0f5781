"""The Http port of a simulated process: an exchange with the model server over the model network."""

import asyncio
from typing import TYPE_CHECKING

from pairlet.core.errors import TlsError, TransportError
from pairlet.core.http import Request, Response

from .clock import http_date
from .model.authorization_server import Answer, form_of
from .network import TLS, Fate

if TYPE_CHECKING:
    from .process import Process
    from .world import World

METADATA, CODE, POLL, REFRESH, REVOKE = "metadata", "code", "poll", "refresh", "revoke"


class Exchange:
    """One exchange. `began`: by the device's clock (ms), `left`: by the world's.

    `kind`: one of the above. `answer`: what reached the device, None if nothing did.
    """

    def __init__(self, process: "Process", request: Request, began: int, left: int):
        self.process = process
        self.url = request.url
        self.body = request.body
        self.method = request.method
        self.kind = kind_of(request)
        self.began = began
        self.left = left
        self.answer: Answer | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The parameters of the request."""
        return form_of(self.body)


def kind_of(request: Request) -> str:
    """What a request is for."""
    if b"grant_type=refresh_token" in request.body:
        return REFRESH
    if b"device_code=" in request.body:
        return POLL
    if request.method == "GET":
        return METADATA
    return REVOKE if request.url.endswith("/revoke") else CODE


class Http:
    """Carries requests to the model server."""

    needs_room = False

    def __init__(self, process: "Process", world: "World"):
        self._process = process
        self._loop = process.loop
        self._world = world

    async def exchange(self, request: Request) -> Response:
        """Carry `request` out. Raises TransportError and TlsError."""
        if self._loop.ended:
            raise TransportError("the process is gone")
        world, schedule = self._world, self._world.schedule
        exchange = Exchange(self._process, request, world.device.now(), schedule.now)
        world.sent(exchange)
        fate = world.network.fate(schedule.now, exchange.kind)
        if fate.trouble:
            world.trouble(fate.trouble, max(world.network.until, schedule.now + fate.up_ms + fate.down_ms))
        world.strike(exchange, fate)
        future: asyncio.Future[Answer | None] = self._loop.create_future()
        schedule.at(schedule.now + fate.up_ms, None, self._arrive, exchange, fate, future)
        try:
            answer = await future
        except asyncio.CancelledError:
            if not self._loop.ended:
                world.abandoned(exchange)
            raise
        exchange.answer = answer
        if answer is None:
            world.answered(exchange)
            raise (
                TlsError("the peer can't prove who it is")
                if fate.failure == TLS
                else TransportError(fate.failure)
            )
        if answer.rotation is not None:
            answer.rotation.arrived = True
        world.answered(exchange)
        return Response(answer.status, answer.headers, answer.body)

    def _arrive(self, exchange: Exchange, fate: Fate, future: "asyncio.Future[Answer | None]") -> None:
        """The request is where it was going. From here on it no longer matters what becomes of the device."""
        world = self._world
        answer = None
        if fate.reaches:
            answer = world.server.answer(exchange.method, exchange.url, exchange.body, world.schedule.now)
            answer.headers.append(("date", http_date(world.schedule.now)))
            if exchange.kind == REFRESH:
                world.tokens.reached(exchange)
            if answer.rotation is not None:
                world.rotated(answer.rotation)
        if fate.failure:
            answer = None
        elif fate.change is not None:
            answer = fate.change(answer)
        world.schedule.at(world.schedule.now + fate.down_ms, self._loop, _deliver, future, answer)


def _deliver(future: "asyncio.Future[Answer | None]", answer: "Answer | None") -> None:
    if not future.done():
        future.set_result(answer)
