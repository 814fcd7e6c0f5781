"""What every Sensors keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

import json
import math
import re
from collections.abc import Callable

import pytest
from pairlet.linux.sensors import SystemSensors
from pairlet.ports import Sensors

Factory = Callable[[], Sensors]

IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": SystemSensors,
    "linux, one sensor": lambda: SystemSensors(["uptime_seconds"]),
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def sensors(request: pytest.FixtureRequest) -> Sensors:
    factory: Factory = request.param
    return factory()


def test_a_sample_has_names_and_finite_numbers(sensors: Sensors) -> None:
    for _ in range(3):
        sample = sensors.read()
        assert sample  # each of these has at least one thing that it can measure
        for name, value in sample.items():
            assert re.fullmatch("[a-z0-9_]+", name)
            assert type(value) in (int, float) and math.isfinite(value)


def test_a_sample_survives_json(sensors: Sensors) -> None:
    sample = sensors.read()
    assert json.loads(json.dumps(sample)) == sample


def test_a_sample_belongs_to_whoever_asked(sensors: Sensors) -> None:
    sensors.read().clear()
    assert sensors.read()
