"""Taking samples: how often, and what becomes of them."""

import asyncio

from .core.wall import SYNCED, UNSET
from .drive import first_of, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent import Ports
    from .core.outbox import Outbox
    from .events import Emit
    from .settings import Settings


class Measuring:
    """Takes a sample each interval: as configured, or as a command has set it."""

    def __init__(self, config: "Settings", ports: "Ports", emit: "Emit"):
        self._configured_ms = config.integer("telemetry.interval")
        self._ports = ports
        self._emit = emit
        self._interval_ms: int | None = None
        self._changed = asyncio.Event()
        self._measured_at: int | None = None
        self._outbox: Outbox | None = None
        self._taken: Callable[[dict[str, int | float]], None] | None = None

    @property
    def configured_ms(self) -> int:
        """How often the configuration says."""
        return self._configured_ms

    def interval_ms(self) -> int:
        """How often it is."""
        if self._interval_ms is None:
            from .remote_settings import interval_ms

            self._interval_ms = interval_ms(self._ports.store, self._configured_ms, self._emit)
        return self._interval_ms

    def set_interval(self, milliseconds: int) -> None:
        """Measure so often from now on."""
        self._interval_ms = milliseconds
        self._changed.set()

    async def run(self, outbox: "Outbox", taken: "Callable[[dict[str, int | float]], None]") -> None:
        """Put samples into `outbox` until cancelled; `taken(values)` hears of each."""
        self._outbox, self._taken = outbox, taken
        while True:
            self._changed.clear()
            await first_of(self._regularly(), wait_for(self._changed))

    async def _regularly(self) -> None:
        """Take a sample each interval, counted from the first so that it does not drift."""
        clock = self._ports.clock
        while True:
            due = clock.now()
            if self._measured_at is not None:
                due = max(due, self._measured_at + self.interval_ms())
                await clock.sleep_until(due)
            await self.take()
            self._measured_at = due

    async def take(self) -> int:
        """Take a sample now; its number."""
        clock, outbox = self._ports.clock, self._outbox
        assert outbox is not None and self._taken is not None
        wall = clock.wall()
        t = None if wall.state == UNSET else 1000 * wall.seconds
        values = await self._ports.sensors.read()
        if t is not None and wall.state == SYNCED:
            outbox.clock_is(t, clock.now())
        seq = outbox.add_sample(t, values, clock.now())
        self._taken(values)
        return seq
