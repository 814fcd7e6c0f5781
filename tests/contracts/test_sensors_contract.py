"""What every Sensors keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

import asyncio
import json
import math
import re
from collections.abc import Callable

import pytest
from pairlet.linux.sensors.function import FunctionSensor
from pairlet.linux.sensors.sampler import Sampler
from pairlet.linux.sensors.system import SystemSensors
from pairlet.ports import Sensors
from pairlet_board.clock import BoardClock
from pairlet_board.sensors import BoardSensors

Factory = Callable[[], Sensors]


class Machine:
    """As much of the module `machine` as sensors need; one channel is broken."""

    Pin = staticmethod(lambda number: number)

    class ADC:
        CORE_TEMP = 4

        def __init__(self, channel: int):
            self.channel = channel

        def read_u16(self) -> int:
            if self.channel == 28:
                raise OSError(5, "broken")
            return 14000


async def one() -> int:
    return 1


async def hang() -> None:
    await asyncio.Event().wait()


def limit() -> float:
    return 0.2


def told(title: str, error: object) -> None:
    assert title == "hangs" and error is not None


HANGS = FunctionSensor("hangs", hang, "hangs")
IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": SystemSensors,
    "linux, one sensor": lambda: SystemSensors(["uptime_seconds"]),
    "linux, own sensors": lambda: Sampler(None, [FunctionSensor("f", one, "f"), HANGS], limit, told),
    "board": lambda: BoardSensors(Machine, BoardClock(), rssi=lambda: -61, inputs={"battery": 28}),
    "board that has nothing": lambda: BoardSensors(object(), BoardClock()),
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def sensors(request: pytest.FixtureRequest) -> Sensors:
    factory: Factory = request.param
    return factory()


def read(sensors: Sensors) -> dict[str, int | float]:
    return asyncio.run(sensors.read())


def test_a_sample_has_names_and_finite_numbers(sensors: Sensors) -> None:
    for _ in range(3):
        sample = read(sensors)
        assert sample  # each of these has at least one thing that it can measure
        for name, value in sample.items():
            assert re.fullmatch("[a-z0-9_]+", name)
            assert type(value) in (int, float) and math.isfinite(value)


def test_a_sample_survives_json(sensors: Sensors) -> None:
    sample = read(sensors)
    assert json.loads(json.dumps(sample)) == sample


def test_a_sample_belongs_to_whoever_asked(sensors: Sensors) -> None:
    read(sensors).clear()
    assert read(sensors)
