"""The outbox of an agent: made as configured, and brought to the disk in batches."""

import asyncio

from .core.errors import StoreError
from .core.outbox import Bounds, Outbox
from .drive import set_or_due
from .events import tell_error, tell_gaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent import Ports
    from .events import Emit
    from .ports import Logs
    from .settings import Settings

# What may be in memory where there is no disk.
_MEMORY_BYTES = 65536
# Less would be full of notes.
_LEAST_ON_DISK = 8192


def make_outbox(config: "Settings", logs: "Logs | None") -> Outbox:
    """The outbox as it is configured, on the logs that `logs` makes; None: in memory alone.

    It holds what earlier runs left. A log that can't be read is no error: its stream is in memory then, and
    the first flush() says why.
    """
    room = config.integer("telemetry.buffer_bytes")
    flush_ms, records = config.numbers("telemetry.flush")
    memory = min(room, _MEMORY_BYTES if logs is None else logs.memory_bytes)
    age_ms = config.integer("telemetry.buffer_age")
    bounds = Bounds(max(room, _LEAST_ON_DISK), memory, age_ms, flush_ms, records)
    return Outbox(bounds, logs, config.integer("telemetry.replay_rate"))


class Storing:
    """Makes the outbox, and flushes it when that is due."""

    def __init__(self, config: "Settings", ports: "Ports", emit: "Emit"):
        self.outbox = make_outbox(config, ports.logs)
        self._keeps = ports.logs is not None
        self._clock = ports.clock
        self._emit = emit
        self._wanted = asyncio.Event()
        self._until: int | None = None  # when run() looks again, if nobody calls it before
        self._trouble = ""
        # How often the disk has answered, well or not.
        self.flushes = 0

    def look(self) -> None:
        """Something was added or acknowledged: a flush may be due sooner than it was."""
        due = self.outbox.flush_due(self._clock.now())
        if due is not None and (self._until is None or due < self._until):
            self._until = due
            self._wanted.set()

    @property
    def is_safe(self) -> bool:
        """Whether the disk has all that there is."""
        return self.outbox.is_on_disk and not self._trouble

    @property
    def fails(self) -> bool:
        """Whether there is a disk that took nothing when it was last tried, or could not be read at first."""
        return self._keeps and not self.is_safe

    async def run(self, stored: "Callable[[], None]") -> None:
        """Flush until cancelled; `stored()` is called after each time.

        Trouble with the disk is told, and everything goes on in memory.
        """
        clock, outbox = self._clock, self.outbox
        while True:
            due = outbox.flush_due(clock.now())
            if due is None or due > clock.now():
                self._wanted.clear()
                self._until = due
                if due is None:
                    await self._wanted.wait()  # for days, on a device that measures that rarely
                else:
                    await set_or_due(self._wanted, clock, due)
                continue
            await self._flush(False)
            stored()

    async def finish(self) -> None:
        """The last flush: nothing is added any more."""
        await self._flush(True)

    async def _flush(self, final: bool) -> None:
        trouble = ""
        try:
            await self.outbox.flush(not final, final)
        except StoreError as error:
            trouble = str(error)
            # The same trouble each minute is one piece of news.
            if trouble != self._trouble:
                tell_error(self._emit, error)
        self._trouble = trouble
        self.flushes += 1
        tell_gaps(self._emit, self.outbox)
