"""How a thousand devices come back after what met all of them at once: spread out, or all in one second.

What is measured is the fullest second of the recovery, wherever it begins, beside the mean of the recovery:
from the moment the server (or the power) is back until the last device has what it wants.
"""

import asyncio
import bisect
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.figures import Figure, Setting, Spread
from bench.fleet import Machine, Weather
from support.virtual_time import VirtualLoop

DEVICES = 1000
_QUICK_DEVICES = 200
TOKEN_S = 3600
# All are set up within this time, as in a hotel that opens.
_PAIRED_WITHIN_S = 60.0
_HOUR_S = 3600.0
# Before the first token is refreshed, and after all are paired.
_TROUBLE_AT_S = 1800.0
_AIM = 3.0
_ROUNDS = 5


@dataclass(frozen=True)
class Recovery:
    """When each device was served, in seconds after `0`: the moment when it could be; in order."""

    times: tuple[float, ...]

    @property
    def window_s(self) -> float:
        """From that moment to the last device; a second at least."""
        return max(1.0, self.times[-1])

    @property
    def mean(self) -> float:
        """Devices a second."""
        return len(self.times) / self.window_s

    @property
    def peak(self) -> int:
        """Devices in the fullest second, wherever it begins."""
        return max(bisect.bisect_left(self.times, at + 1) - number for number, at in enumerate(self.times))

    @property
    def ratio(self) -> float:
        """How much fuller that is than the mean."""
        return self.peak / self.mean


class Fleet:
    """The devices and their weather, on one loop. Times in seconds of the loop."""

    def __init__(self, loop: VirtualLoop, seed: int, machines: Sequence[Machine]):
        self._loop = loop
        self._chance = random.Random(seed)
        self.machines = machines
        self.weather = Weather(loop)
        self._lives: list[asyncio.Task[None]] = []

    def start(self, within_s: float, began_s: float = 0) -> None:
        """Switch all on, each at a moment of its own `within_s`."""
        for machine in self.machines:
            life = self._live(machine, self._chance.uniform(0, within_s), began_s)
            self._lives.append(self._loop.create_task(life))

    async def _live(self, machine: Machine, after_s: float, began_s: float) -> None:
        await asyncio.sleep(after_s)
        await machine.boot(self.weather, began_s).run()

    def go_on_until(self, time_s: float) -> None:
        """Let time pass. Raises what an agent ended with."""
        self._loop.run_until_complete(asyncio.sleep(max(0.0, time_s - self._loop.time())))
        for life in self._lives:
            if life.done():
                life.result()
                raise RuntimeError("an agent ended by itself")

    def recover(self, notes: Sequence[tuple[float, int]], since_s: float) -> Recovery:
        """Let time pass until each device is in `notes` after `since_s`. RuntimeError if one never is."""
        for _ in range(240):
            first: dict[int, float] = {}
            for at, number in notes:
                if at >= since_s:
                    first.setdefault(number, at - since_s)
            if len(first) == len(self.machines):
                return Recovery(tuple(sorted(first.values())))
            self.go_on_until(self._loop.time() + 60)
        raise RuntimeError(f"{len(self.machines) - len(first)} devices never came back")


def after_an_outage(
    seed: int, count: int, *, away_s: float = 3 * _HOUR_S, announced: bool = False
) -> Recovery:
    """The server was away for `away_s`; `announced`: it said to each when it would be back."""
    with VirtualLoop() as loop:
        fleet = Fleet(loop, seed, _machines(seed, count))
        fleet.start(_PAIRED_WITHIN_S)
        fleet.go_on_until(_TROUBLE_AT_S)
        back_s = _TROUBLE_AT_S + away_s
        fleet.weather.server_is_there = False
        fleet.weather.back_at = back_s if announced else None
        fleet.go_on_until(back_s)
        fleet.weather.server_is_there = True
        return fleet.recover(fleet.weather.refreshed, back_s)


def after_a_power_cut(seed: int, count: int) -> Recovery:
    """The power was away for longer than the tokens live; all boot in the same second."""
    machines = _machines(seed, count)
    with VirtualLoop() as loop:
        fleet = Fleet(loop, seed, machines)
        fleet.start(_PAIRED_WITHIN_S)
        fleet.go_on_until(_TROUBLE_AT_S)
    with VirtualLoop() as loop:
        fleet = Fleet(loop, seed, machines)
        fleet.start(1.0, _TROUBLE_AT_S + 10 * _HOUR_S)
        return fleet.recover(fleet.weather.refreshed, 0)


def after_a_broker_outage(seed: int, count: int, away_s: float) -> Recovery:
    """The broker hung up on all and was away for `away_s`."""
    with VirtualLoop() as loop:
        fleet = Fleet(loop, seed, _machines(seed, count, with_broker=True))
        fleet.start(_PAIRED_WITHIN_S)
        fleet.go_on_until(_TROUBLE_AT_S)
        fleet.weather.broker_is_there = False
        for machine in fleet.machines:
            assert machine.broker is not None
            machine.broker.kick()
        fleet.go_on_until(_TROUBLE_AT_S + away_s)
        fleet.weather.broker_is_there = True
        return fleet.recover(fleet.weather.connected, _TROUBLE_AT_S + away_s)


def first_refresh(seed: int, count: int) -> Recovery:
    """No trouble at all: the first refreshes of devices that were paired in the same minute."""
    with VirtualLoop() as loop:
        fleet = Fleet(loop, seed, _machines(seed, count))
        fleet.start(_PAIRED_WITHIN_S)
        recovered = fleet.recover(fleet.weather.refreshed, 0)
        return Recovery(tuple(at - recovered.times[0] for at in recovered.times))


def _machines(seed: int, count: int, with_broker: bool = False) -> list[Machine]:
    return [Machine(number, seed, TOKEN_S, with_broker) for number in range(count)]


class Scene(NamedTuple):
    """`play(seed, devices)`, and the most that the ratio may be; None where chance alone makes it larger."""

    play: Callable[[int, int], Recovery]
    aim: float | None = _AIM


SCENES = {
    "refreshes after the server was away for 3 h": Scene(after_an_outage),
    "refreshes after it was away and had said until when": Scene(
        lambda seed, count: after_an_outage(seed, count, announced=True)
    ),
    "refreshes after a power cut that outlasted all tokens": Scene(after_a_power_cut),
    "connects after the broker was away for 10 min": Scene(
        lambda seed, count: after_a_broker_outage(seed, count, 600)
    ),
    "connects after the broker was restarted in 1 s": Scene(
        lambda seed, count: after_a_broker_outage(seed, count, 1)
    ),
    # Two or three a second: that ten come in one of four hundred seconds is what chance does.
    "first refreshes of devices paired in the same minute": Scene(first_refresh, None),
}


def measure(setting: Setting) -> Iterator[Figure]:
    """`./run bench fleet-refresh`."""
    seeds = range(1 if setting.quick else _ROUNDS)
    count = _QUICK_DEVICES if setting.quick else DEVICES
    for what, scene in SCENES.items():
        setting.say(what)
        recoveries = sorted([scene.play(seed, count) for seed in seeds], key=lambda each: each.ratio)
        middle = recoveries[len(recoveries) // 2]
        yield Figure(
            f"{what}: peak / mean",
            Spread.of(each.ratio for each in recoveries),
            aim=scene.aim,
            note=f"{middle.peak} of {count} devices in the fullest second, {middle.mean:.1f} a second "
            f"in the mean, the last one after {middle.window_s:.0f} s",
        )
