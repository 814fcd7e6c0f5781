"""The Sensors port over several sensors: whichever fails or hangs costs its own values, and no time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ...core.errors import PairletError
from ...core.quantity import quantity_of
from .system import SystemSensors
from .values import Reading, SensorError

_log = logging.getLogger("pairlet.sensors")

# Of so many names it is told that they have no unit: a sensor may make up names for ever.
_MOST_NAMED = 1000
# So long a reading that is given up may take to end what it has begun.
_TIDY_S = 2.0


class Source(Protocol):
    """One sensor that people have written. `title`: how the configuration calls it."""

    title: str

    async def read(self) -> Reading:
        """One reading. Raises SensorError. It may be cancelled, and ends what it began then."""


class Told(Protocol):
    """Hears how a sensor is: `error` says what is wrong, None that it is well again."""

    def __call__(self, title: str, error: PairletError | None) -> None: ...


class Sampler:
    """Reads `system` and all `sources` at once, and waits for them no longer than `limit_s()` seconds.

    `told` hears once of each trouble, and once of its end.
    """

    def __init__(
        self,
        system: SystemSensors | None,
        sources: Sequence[Source],
        limit_s: Callable[[], float],
        told: Told,
    ):
        self._system = system
        self._slots = [_Slot(source) for source in sources]
        self._limit_s = limit_s
        self._named: set[str] = set()
        self._told = told

    async def read(self) -> dict[str, int | float]:
        """One sample: what is built in, then the others as they were configured."""
        limit_s = self._limit_s()
        tasks = [task for slot in self._slots if (task := slot.begin()) is not None]
        sample = await self._system.read() if self._system else {}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=limit_s)
        except asyncio.CancelledError:
            self._cut()
            # Else whoever ends all that is left would end them in the middle of it. Whoever cancels us once
            # more waits that long for the same.
            loop = asyncio.get_running_loop()
            until = loop.time() + _TIDY_S
            while any(not task.done() for task in tasks) and (left := until - loop.time()) > 0:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(tasks, timeout=left)
            raise
        finally:
            self._cut()
        for slot in self._slots:
            self._take(slot, sample, limit_s)
        return sample

    def _cut(self) -> None:
        for slot in self._slots:
            slot.cut()

    def _take(self, slot: "_Slot", sample: dict[str, int | float], limit_s: float) -> None:
        """Put the values of one sensor into `sample`, and tell if its state has changed."""
        trouble: SensorError | None = None
        try:
            reading = slot.outcome(limit_s)
            left_out = reading.left_out
            for name, value in reading.values.items():
                if name in sample:
                    left_out = left_out or f"another sensor gives {name} already"
                else:
                    sample[name] = value
                    self._look_at(name)
            if left_out:
                trouble = SensorError(f"the sensor {slot.source.title}: {left_out}")
        except SensorError as error:
            trouble = SensorError(f"the sensor {slot.source.title}: {error}", error.advice)
        if (trouble is not None) != slot.is_in_trouble:
            slot.is_in_trouble = trouble is not None
            self._told(slot.source.title, trouble)
        elif trouble is not None:
            _log.debug("%s", trouble)

    def _look_at(self, name: str) -> None:
        if name not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(name)
            if not quantity_of(name).ending:
                _log.info("%s has no unit: end its name in one, as in air_celsius or co2_ppm", name)


class _Slot:
    """A sensor, the reading of it that is under way, and whether its trouble has been told."""

    def __init__(self, source: Source):
        self.source = source
        self.is_in_trouble = False
        self._task: asyncio.Task[Reading] | None = None

    def begin(self) -> "asyncio.Task[Reading] | None":
        """Start a reading, unless one hangs that could not even be cancelled."""
        if self._task is not None and not self._task.done():
            return None
        self._task = asyncio.create_task(self.source.read())
        return self._task

    def cut(self) -> None:
        """Cancel a reading that was too slow."""
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def outcome(self, limit_s: float) -> Reading:
        """What came of the reading. Raises SensorError."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            raise SensorError(
                f"it gives nothing within {limit_s:g} s",
                "Find out what it waits for; if it needs that time, set a longer telemetry.interval.",
            )
        self._task = None
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, SensorError):
            raise error
        # The system gave no thread or no process.
        raise SensorError(f"it can't be read now: {type(error).__name__}")
