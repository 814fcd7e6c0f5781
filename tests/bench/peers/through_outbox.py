"""The agent's outbox, its disk and its link over paho-mqtt, in one process, without the rest of the agent.

Arguments: port of the broker, folder of the outbox. Says "connected", and then does what a line asks for:

    fill N     add N samples and store them; answers "0 0"
    live N     measure N samples as fast as the link takes them
    drain 0    send all that waits
Answers CPU and wall milliseconds until everything was acknowledged.
"""

import asyncio
import os
import sys
import time
from types import SimpleNamespace

from pairlet.agent import Ports
from pairlet.config import Config
from pairlet.core.secret import Secret
from pairlet.core.telemetry import Topics
from pairlet.link import Link
from pairlet.linux.clock import SystemClock
from pairlet.linux.entropy import SystemEntropy
from pairlet.linux.mqtt import PahoMqtt
from pairlet.linux.segment_files import SegmentFolder
from pairlet.login import make_login
from pairlet.storing import Storing
from samples import BEGIN_MS, VALUES

# So many may wait before the source holds its breath; well below what would go to the disk.
_AHEAD = 100
_FILLED_AT_ONCE = 2000


class Keeper:
    """A token that never ends."""

    token = SimpleNamespace(access_token=Secret("x" * 700), expires_in=None, remaining_ms=lambda now: None)

    def is_usable(self) -> bool:
        """Always."""
        return True

    def worked(self, token: object) -> None:
        """Nobody needs to know."""


class Source:
    """What measures, and waits for the link. `told` is set whenever the broker has acknowledged something."""

    def __init__(self, port: str, folder: str):
        tables = {"telemetry": {"replay_rate": 0, "buffer_bytes": 1 << 30}}
        clock, self.logs = SystemClock(), SegmentFolder(folder, writes=True)
        mqtt = PahoMqtt(
            url=f"mqtt://127.0.0.1:{port}", client_id=f"outbox-{os.getpid()}", version="5", insecure=True
        )
        nothing = [None] * 5
        ports = Ports(
            clock, nothing[0], nothing[1], nothing[2], SystemEntropy(), *nothing[3:], mqtt, self.logs
        )
        self.clock = clock
        self.told = asyncio.Event()
        self.storing = Storing(Config.from_tables(tables, "bench"), ports, self.hear)
        self.outbox = self.storing.outbox
        login = make_login(Config({}), "bench")
        self.link = Link(
            mqtt, Topics("devices/bench", "bench"), login, self.outbox, Keeper(), clock, ports.entropy,
            self.hear, self.renew,
        )  # fmt: skip
        self.connected = asyncio.Event()

    def hear(self, event: str, **fields: object) -> None:
        """What the agent would tell of."""
        if event == "mqtt_connected":
            self.connected.set()
        elif event == "published":
            self.storing.look()  # as the agent does: what was acknowledged is to be noted
            self.told.set()
        elif event != "waiting":
            raise SystemExit(f"unexpected: {event} {fields}")

    async def renew(self) -> None:
        """Never needed."""

    def add(self, number: int) -> None:
        """One sample, as the agent adds it."""
        self.outbox.add_sample(BEGIN_MS + number, VALUES, self.clock.now())

    async def fill(self, count: int) -> None:
        """Store `count` samples while there is no connection."""
        for number in range(count):
            self.add(number)
            if number % _FILLED_AT_ONCE == 0:
                await self.outbox.flush()
        await self.outbox.flush(final=True)

    async def live(self, count: int) -> None:
        """Measure and publish."""
        for number in range(count):
            while len(self.outbox) >= _AHEAD:
                await self.pause()
            self.add(number)
            self.storing.look()
            self.link.outbox_filled()
        await self.drain()

    async def drain(self, _count: int = 0) -> None:
        """Until the broker has everything."""
        self.link.outbox_filled()
        while len(self.outbox):
            await self.pause()

    async def pause(self) -> None:
        """Until something was acknowledged."""
        self.told.clear()
        await self.told.wait()


def end(running: "asyncio.Future[object]") -> None:
    """The agent's parts never end by themselves: whoever asks must not wait for what can't come."""
    if not running.cancelled():
        print(f"through_outbox.py: {running.exception()!r}", file=sys.stderr, flush=True)
        os._exit(1)


async def main(port: str, folder: str) -> None:
    """Obey lines until stdin ends."""
    source = Source(port, folder)
    running = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, count = line.split()
        if word == "connect":
            running = asyncio.gather(source.link.run(), source.storing.run(source.link.outbox_filled))
            running.add_done_callback(end)
            await source.connected.wait()
            print("connected", flush=True)
            continue
        cpu, wall = time.process_time(), time.monotonic()
        await {"fill": source.fill, "live": source.live, "drain": source.drain}[word](int(count))
        print(1000 * (time.process_time() - cpu), 1000 * (time.monotonic() - wall), flush=True)
    if running is not None:
        running.cancel()


asyncio.run(main(*sys.argv[1:]))
