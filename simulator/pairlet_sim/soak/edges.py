"""The small ports of a simulated process: clock, entropy, sensors, display and button."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from pairlet.core.screen import Screen
from pairlet.core.wall import SYNCED, Wall

from .clock import DeviceClock, is_believable
from .schedule import ProcessLoop

if TYPE_CHECKING:
    from asyncio import Future


class Clock:
    """The Clock port on virtual time."""

    def __init__(self, loop: ProcessLoop, device: DeviceClock):
        self._loop = loop
        self._schedule = loop.schedule
        self._device = device
        # Unix time in ms that had surely come when the device's clock read 0; 0: nothing is known.
        self._floor_ms = 0

    def now(self) -> int:
        """Milliseconds since boot, as the device counts them."""
        return self._device.now(self._schedule.now)

    def sleep_until(self, until: int) -> "Future[None]":
        """Until the device reads `until`, whatever becomes of its clock meanwhile."""
        loop = self._loop
        future = loop.create_future()
        if loop.ended or until <= self.now():
            loop.call_soon(_wake, future)
        else:
            self._schedule.at(self._device.true_time_of(until), loop, self._ring, future, until)
        return future

    def _ring(self, future: "Future[None]", until: int) -> None:
        if future.done():
            return
        if until > self.now():  # it runs more slowly than it did
            self._schedule.at(self._device.true_time_of(until), self._loop, self._ring, future, until)
        else:
            future.set_result(None)

    def alarm(self, ring: Callable[[], object], until: int) -> "Alarm":
        """Call `ring` when the device reads `until`, unless what comes back is cancelled."""
        alarm = Alarm(ring)
        loop = self._loop
        if loop.ended or until <= self.now():
            loop.call_soon(self._go_off, alarm, until)
        else:
            self._schedule.at(self._device.true_time_of(until), loop, self._go_off, alarm, until)
        return alarm

    def _go_off(self, alarm: "Alarm", until: int) -> None:
        if alarm.ring is None:
            return
        if until > self.now():  # it runs more slowly than it did
            self._schedule.at(self._device.true_time_of(until), self._loop, self._go_off, alarm, until)
        else:
            alarm.ring()

    def wall(self) -> Wall:
        """Calendar time with its trust."""
        floor_s = (self._floor_ms + self.now()) // 1000 if self._floor_ms else 0
        return self._device.wall(floor_s, self._schedule.now)

    def learn(self, seconds: int) -> None:
        """It is not before `seconds`."""
        if is_believable(seconds):
            self._floor_ms = max(self._floor_ms, 1000 * seconds - self.now())

    def is_right(self) -> bool:
        """Whether the device trusts its calendar, and rightly so."""
        return not self._device.wall_offset_s and self.wall().state == SYNCED

    def boot_id(self) -> str:
        """Names this boot, or "" on a device that can't."""
        return self._device.boot_id


class Alarm:
    """`ring`: what is going to be called, None for an alarm that was cancelled."""

    __slots__ = ("ring",)

    def __init__(self, ring: Callable[[], object]):
        self.ring: Callable[[], object] | None = ring

    def cancel(self) -> None:
        """Call nothing."""
        self.ring = None


def _wake(future: "Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Entropy:
    """Bytes by chance, the same in every run of a seed."""

    def __init__(self, chance: Random, loop: ProcessLoop):
        self._chance = chance
        self._loop = loop

    def random_bytes(self, count: int) -> bytes:
        """Random bytes."""
        return bytes(count) if self._loop.ended else self._chance.randbytes(count)


class Sensors:
    """One value. `taken()` is told of each sample."""

    def __init__(self, taken: Callable[[], None]):
        self._taken = taken

    async def read(self) -> dict[str, int | float]:
        """One sample."""
        self._taken()
        return {"celsius": 21.5}


class Display:
    """Shows screens to `look`."""

    def __init__(self, look: Callable[[Screen], None]):
        self._look = look

    def show(self, screen: Screen) -> None:
        """Replace what is shown."""
        self._look(screen)

    def close(self) -> None:
        """Nothing to leave behind."""


class Button:
    """A button that a model person presses."""

    advice = "For a code press the button."

    def __init__(self, loop: ProcessLoop):
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []

    def press(self) -> None:
        """Somebody presses it."""
        for future in self._waiting:
            _wake(future)

    async def pressed(self) -> None:
        """Until it is pressed."""
        future = self._loop.create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            self._waiting.remove(future)
