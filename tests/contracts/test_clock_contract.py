"""What every Clock keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

import asyncio
import time
from collections.abc import Callable

import pytest
from pairlet.core.wall import FLOOR, SYNCED, UNSET
from pairlet.linux.clock import SystemClock
from pairlet.ports import Clock
from pairlet_board.clock import BoardClock

Factory = Callable[[], Clock]


class Asleep:
    """The calendar of a chip that has just got its power."""

    gmtime = staticmethod(time.gmtime)

    @staticmethod
    def time() -> int:
        return 0


IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": SystemClock,
    "board": BoardClock,
    # Its chip's clock wakes up in 1970; the floor is what the firmware was built with.
    "board, before NTP": lambda: BoardClock(1_750_000_000, calendar=Asleep),
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def clock(request: pytest.FixtureRequest) -> Clock:
    factory: Factory = request.param
    return factory()


def test_now_is_in_whole_milliseconds_and_never_falls(clock: Clock) -> None:
    readings = [clock.now() for _ in range(1000)]
    assert all(type(reading) is int for reading in readings)
    assert readings == sorted(readings)


@pytest.mark.parametrize("wait_ms", [1, 7, 60])
def test_sleep_ends_at_or_after_the_time(clock: Clock, wait_ms: int) -> None:
    async def scenario() -> tuple[int, int]:
        until = clock.now() + wait_ms
        await clock.sleep_until(until)
        return until, clock.now()

    until, woken = asyncio.run(scenario())
    assert woken >= until


@pytest.mark.parametrize("ago_ms", [0, 1, 10**12])
def test_sleep_until_the_past_does_not_sleep(clock: Clock, ago_ms: int) -> None:
    async def scenario() -> None:
        # A sleep of its own would meet this time-out; a virtual clock would stand still for ever.
        await asyncio.wait_for(clock.sleep_until(clock.now() - ago_ms), 30)

    asyncio.run(scenario())


def test_sleepers_wake_in_the_order_of_their_times(clock: Clock) -> None:
    woken: list[int] = []

    async def sleeper(until: int) -> None:
        await clock.sleep_until(until)
        woken.append(until)

    async def scenario() -> list[int]:
        start = clock.now()
        times = [start + 200, start + 20, start + 100]
        await asyncio.gather(*[sleeper(until) for until in times])
        return sorted(times)

    assert asyncio.run(scenario()) == woken


def test_a_sleep_can_be_cancelled(clock: Clock) -> None:
    async def scenario() -> None:
        sleeping = asyncio.ensure_future(clock.sleep_until(clock.now() + 10**9))
        await asyncio.sleep(0)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping

    asyncio.run(scenario())


@pytest.mark.parametrize("wait_ms", [-(10**12), 0, 1, 30])
def test_an_alarm_goes_off_at_or_after_the_time(clock: Clock, wait_ms: int) -> None:
    async def scenario() -> tuple[int, int]:
        until, event = clock.now() + wait_ms, asyncio.Event()
        alarm = clock.alarm(event.set, until)
        assert not event.is_set(), "others have their turn first"
        await asyncio.wait_for(event.wait(), 30)
        alarm.cancel()
        return until, clock.now()

    until, woken = asyncio.run(scenario())
    assert woken >= until


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_cancelled_alarm_does_not_go_off(clock: Clock, turns: int) -> None:
    async def scenario() -> None:
        early, late = asyncio.Event(), asyncio.Event()
        start = clock.now()
        cancelled, kept = clock.alarm(early.set, start + 20), clock.alarm(late.set, start + 40)
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled.cancel()
        cancelled.cancel()
        await asyncio.wait_for(late.wait(), 30)
        assert not early.is_set()
        kept.cancel()

    asyncio.run(scenario())


def test_boot_id_is_the_same_as_long_as_now_counts_on(clock: Clock) -> None:
    assert clock.boot_id() == clock.boot_id()
    assert type(clock.boot_id()) is str


def test_wall_tells_whole_seconds_unless_it_has_no_idea(clock: Clock) -> None:
    wall = clock.wall()
    assert wall.state in (UNSET, FLOOR, SYNCED)
    if wall.state == UNSET:
        assert wall.seconds is None
    else:
        assert type(wall.seconds) is int
        assert wall.seconds >= 1_704_067_200  # 2024-01-01: nothing older was ever set


YEAR_S = 365 * 86400


def test_learning_lifts_a_floor_and_nothing_else(clock: Clock) -> None:
    before = clock.wall()
    known = before.seconds or 1_750_000_000
    clock.learn(known + YEAR_S)
    after = clock.wall()
    if before.state == SYNCED and after.state == SYNCED:
        assert after.seconds < known + YEAR_S
    else:
        assert after.state == FLOOR and 0 <= after.seconds - known - YEAR_S <= 60
    for seconds in (known, known - YEAR_S, 0, -1, 10**15):
        clock.learn(seconds)
        assert clock.wall().state == after.state and 0 <= clock.wall().seconds - after.seconds <= 60
