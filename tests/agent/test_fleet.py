"""A thousand agents after what met all of them at once: no stampede. See `./run bench fleet-refresh`, too."""

import gc
from collections.abc import Iterator

import pytest
from bench.fleet_refresh import (
    DEVICES,
    Recovery,
    after_a_broker_outage,
    after_a_power_cut,
    after_an_outage,
)


@pytest.fixture(scope="module", autouse=True)
def forgotten_afterwards() -> Iterator[None]:
    """Every asyncio.run() looks at all tasks of its process, and thousands that have ended would be there."""
    yield
    gc.collect()


def test_after_an_outage_no_second_sees_more_than_three_times_the_mean() -> None:
    recovery = after_an_outage(7, DEVICES, away_s=3600)
    assert recovery.ratio <= 3 and recovery.window_s <= 125


def test_nor_when_the_server_named_one_moment_to_all() -> None:
    recovery = after_an_outage(7, DEVICES, away_s=3600, announced=True)
    assert recovery.ratio <= 3 and recovery.window_s <= 125


def test_nor_after_a_power_cut() -> None:
    recovery = after_a_power_cut(7, DEVICES)
    # Had they all come in one second, the mean would be as high: they take half a minute.
    assert recovery.ratio <= 3 and 25 <= recovery.window_s <= 35


def test_nor_when_a_broker_comes_back() -> None:
    recovery = after_a_broker_outage(7, DEVICES, 600)
    assert recovery.ratio <= 3 and recovery.window_s <= 125
    recovery = after_a_broker_outage(7, DEVICES, 1)
    assert recovery.ratio <= 3 and 3 <= recovery.window_s <= 6


def test_a_stampede_would_be_seen() -> None:
    crowd = Recovery(tuple([10.0] * 900 + [10.5 + number for number in range(100)]))
    assert crowd.peak == 901 and crowd.ratio > 90
    assert Recovery((0.0, 0.2)).window_s == 1 and Recovery((0.0, 0.2)).mean == 2
