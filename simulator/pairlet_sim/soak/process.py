"""One process on the simulated device: the real agent, on its own loop and with ports of its own."""

import asyncio
from typing import TYPE_CHECKING, Any

from pairlet.agent import Agent, Ports
from pairlet.core.client import Client
from pairlet.core.errors import PairletError
from pairlet.device import identify
from pairlet.drive import Patience
from pairlet.linux.commands_long_run import LongRunAgent

from .edges import Button, Clock, Display, Entropy, Sensors
from .http_port import Http
from .mqtt_port import Mqtt
from .schedule import PowerCut, ProcessLoop
from .system_calls import FOLDER

if TYPE_CHECKING:
    from .world import World

RUN, TOKEN, UNPAIR = "run", "token", "unpair"


class Process:
    """`command`: which of the agent's commands it is. `began`: when (ms of the world).

    `stopping`: when it was asked to stop, or None. `buffer_bytes`: how much it may keep, as it was told.
    """

    def __init__(self, command: str, world: "World"):
        self.command = command
        self.began = world.schedule.now
        self.stopping: int | None = None
        self.buffer_bytes = world.era.buffer_bytes
        self.loop = ProcessLoop(world.schedule, self._unheard)
        self.button = Button(self.loop)
        self.mqtt = Mqtt(self, world) if world.era.sample_ms and command == RUN else None
        self.clock = Clock(self.loop, world.device.clock)
        self._words = "device" if command == RUN else "pairlet " + command
        self._agent: Agent | None = None
        self._world = world
        self._task: asyncio.Task[None] | None = None
        world.schedule.soon(self.loop, self._begin, ())

    def _begin(self) -> None:
        self._task = self.loop.create_task(self._main())
        self._task.add_done_callback(self._done)

    async def _main(self) -> None:
        world, device = self._world, self._world.device
        store = device.new_store(FOLDER)
        config = world.config
        entropy = Entropy(world.entropy, self.loop)
        # A board reads the metadata once; on Linux they are read again when a refresh goes on failing.
        kind = LongRunAgent if self.command == RUN and not world.era.is_board else Agent
        agent = self._agent = kind(
            config,
            Client("tv"),
            identify(config, store, entropy, "kitchen", self._hear),
            Ports(
                clock=self.clock,
                http=Http(self, world),
                display=Display(self._show),
                store=store,
                entropy=entropy,
                sensors=Sensors(self._measured),
                button=self.button,
                mqtt=self.mqtt,
                logs=device.new_logs(self) if self.mqtt is not None else None,
            ),
            self._hear,
        )
        if self.command == RUN:
            await agent.run()
        elif self.command == UNPAIR:
            await agent.unpair(Patience(3))
        else:
            token = await agent.usable_token(Patience(3))
            world.tokens.uses(token.access_token.reveal())

    def _hear(self, event: str, **fields: Any) -> None:
        if not self.loop.ended:
            self._world.heard(self, event, fields)

    def _show(self, screen: Any) -> None:
        if not self.loop.ended:
            self._world.shown(self, screen)

    def _measured(self) -> None:
        # The witnesses know a sample by the number that it gets in a moment.
        storing = self._agent._storing if self._agent is not None else None
        if not self.loop.ended and storing is not None:
            self._world.taken(self, storing.outbox._samples.seq)

    def _unheard(self, message: str, error: "BaseException | None") -> None:
        if not isinstance(error, PowerCut):
            self._world.unheard(message, error)

    def _done(self, task: "asyncio.Task[None]") -> None:
        if self.loop.ended:
            return
        error: BaseException | None = None
        if not task.cancelled():
            error = task.exception()
        self._world.exited(self, error if not isinstance(error, PowerCut) else None)

    def stop(self) -> None:
        """SIGTERM: ask it to come to its end."""
        self.stopping = self._world.schedule.now
        self._world.schedule.soon(self.loop, self._cancel, ())

    def _cancel(self) -> None:
        # Whoever is asked in the moment of its start has begun by now.
        assert self._task is not None
        self._task.cancel()

    def words(self) -> str:
        """What it is called in the timeline."""
        return self._words


def describe_error(error: "BaseException | None") -> str:
    """How a process ended, for the timeline."""
    if error is None:
        return "is done"
    if isinstance(error, PairletError):
        return f"ends with {type(error).__name__}: {error}"
    return f"ends with {type(error).__name__}: {error!r}"
