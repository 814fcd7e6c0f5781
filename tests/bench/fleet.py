"""A fleet in one process and in virtual time: real agents, each with a model of its server and its broker.

All share the weather: whether server and broker are there, and what is noted of who came when.
"""

import asyncio
import random
from collections.abc import Callable

from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.core.errors import TransportError
from pairlet.core.http import Request, Response
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.wall import SYNCED, Wall
from pairlet.device import Device
from pairlet.linux.display import NoDisplay
from portable.fakes import FixedSensors, ManualButton, MemoryBroker, MemoryStore
from portable.model_server import ISSUER, ModelServer
from support.virtual_time import VirtualLoop

_BEGIN = 1_750_000_000
_LATENCY_S = (0.02, 0.2)


class Weather:
    """What all devices have in common. Times are seconds of the loop.

    server_is_there, broker_is_there: whether they answer. back_at: if not None, the server says in the
    meantime (HTTP 503) when it will be there again. refreshed, connected: when that happened, and to which
    device, in order.
    """

    def __init__(self, loop: VirtualLoop):
        self.loop = loop
        self.server_is_there = self.broker_is_there = True
        self.back_at: float | None = None
        self.refreshed: list[tuple[float, int]] = []
        self.connected: list[tuple[float, int]] = []


class LoopClock:
    """The port Clock by a loop's time; `boot` names this start of the device."""

    def __init__(self, loop: VirtualLoop, boot: str, began_s: float):
        self._loop = loop
        self._boot = boot
        self._began_s = began_s

    def now(self) -> int:
        """Milliseconds."""
        return int(self._loop.time() * 1000 + 0.5)

    async def sleep_until(self, until: int) -> None:
        """At or after `until`."""
        while (left := until - self.now()) > 0:
            await asyncio.sleep(left / 1000)

    def alarm(self, ring: Callable[[], object], until: int) -> asyncio.TimerHandle:
        """Call `ring` at or after `until`."""
        return self._loop.call_later(max(0, until - self.now()) / 1000, ring)

    def wall(self) -> Wall:
        """What the clock on the wall shows."""
        return Wall(SYNCED, int(_BEGIN + self._began_s + self._loop.time()))

    def learn(self, seconds: int) -> None:
        """It is right already."""

    def boot_id(self) -> str:
        """The name of the start."""
        return self._boot


class Line:
    """The port Http of one device: its own accounts at a server that all of them reach or none."""

    needs_room = False

    def __init__(self, number: int, weather: Weather, server: ModelServer, chance: random.Random):
        self._number = number
        self._weather = weather
        self._server = server
        self._chance = chance

    async def exchange(self, request: Request) -> Response:
        """As the weather is."""
        await asyncio.sleep(self._chance.uniform(*_LATENCY_S))
        weather = self._weather
        now = weather.loop.time()
        if not weather.server_is_there:
            if weather.back_at is None:
                raise TransportError("auth.test refused the connection")
            retry_after = str(max(1, round(weather.back_at - now)))
            return Response(503, [("retry-after", retry_after)], b"")
        response: Response = self._server(request)
        if b"grant_type=refresh_token" in request.body and response.status == 200:
            weather.refreshed.append((now, self._number))
        return response


class Broker(MemoryBroker):  # type: ignore[misc]
    """The port Mqtt of one device."""

    def __init__(self, number: int, weather: Weather, chance: random.Random):
        super().__init__()
        self._number = number
        self._weather = weather
        self._chance = chance

    async def connect(self, credentials: Credentials, will: Message | None) -> bool:
        """As the weather is."""
        await asyncio.sleep(self._chance.uniform(*_LATENCY_S))
        if not self._weather.broker_is_there:
            raise TransportError("nothing listens")
        self._weather.connected.append((self._weather.loop.time(), self._number))
        self.journal.clear()
        return bool(await super().connect(credentials, will))


class Chance:
    """The port Entropy, the same in each run with the same seed."""

    def __init__(self, chance: random.Random):
        self._chance = chance

    def random_bytes(self, count: int) -> bytes:
        """As many."""
        return self._chance.randbytes(count)


class Machine:
    """One device: its store and its accounts at the server outlast a power cut, the agent on it does not."""

    def __init__(self, number: int, seed: int, token_s: int, with_broker: bool):
        self.chance = random.Random(seed * 1_000_003 + number)
        self.store = MemoryStore()
        self.server: ModelServer | None = None
        self._number = number
        self._token_s = token_s
        self._with_broker = with_broker
        self.broker: Broker | None = None
        self.agent: Agent | None = None

    def boot(self, weather: Weather, began_s: float = 0) -> Agent:
        """A fresh agent on what was kept, `began_s` after the first start of all."""
        clock = LoopClock(weather.loop, f"boot at {began_s}", began_s)
        if self.server is None:
            self.server = ModelServer(clock, token_s=self._token_s)
        self.server.clock = clock
        self.broker = Broker(self._number, weather, self.chance) if self._with_broker else None
        tables = {"oauth": {"issuer": ISSUER, "client_id": "tv"}, "telemetry": {"interval": "1h"}}
        ports = Ports(
            *(
                clock,
                Line(self._number, weather, self.server, self.chance),
                NoDisplay(),
                self.store,
                Chance(self.chance),
            ),
            *(FixedSensors({"x": 1}), ManualButton(), self.broker, None),
        )
        device = Device(f"d{self._number}", "device")
        self.agent = Agent(Config.from_tables(tables, "bench"), Client("tv"), device, ports, _heard)
        return self.agent


def _heard(event: str, **fields: object) -> None:
    """Nobody listens."""
