"""pairlet_board.watchdog: fed by progress, and by nothing else."""

import asyncio

from fakes import VirtualClock
from pairlet_board.watchdog import TIMEOUT_MS, Watchdog


class Wdt:
    """A machine.WDT that notes when it was fed."""

    def __init__(self, clock):
        self.clock = clock
        self.fed = []

    def feed(self):
        self.fed.append(self.clock.time)


def make():
    clock = VirtualClock(0)
    wdt = Wdt(clock)
    starving = []
    return clock, wdt, starving, Watchdog(wdt, clock, starving.append)


def run(clock, dog, until, work=None):
    """Let the watchdog run up to `until`, beside `work()`."""

    async def both():
        tasks = [asyncio.create_task(dog.run())]
        if work is not None:
            tasks.append(asyncio.create_task(work()))
        await clock.sleep_until(until)
        for task in tasks:
            task.cancel()

    asyncio.run(clock.drive(both()))


def test_it_is_fed_well_within_its_time_while_nobody_is_late():
    clock, wdt, starving, dog = make()
    run(clock, dog, 60000)
    assert max([wdt.fed[index + 1] - wdt.fed[index] for index in range(len(wdt.fed) - 1)]) * 2 < TIMEOUT_MS
    assert len(wdt.fed) >= 20 and starving == []
    # The longest that the watchdog of a Pico W knows.
    assert TIMEOUT_MS <= 8388


def test_a_task_that_hangs_is_not_fed_for():
    clock, wdt, starving, dog = make()
    dog.watch("network", 10000)
    run(clock, dog, 60000)
    assert max(wdt.fed) <= 10000
    assert starving == ["network"]


def test_progress_keeps_it_fed():
    clock, wdt, starving, dog = make()
    dog.watch("network", 10000)

    async def work():
        while True:
            dog.progress("network")
            await clock.sleep_until(clock.time + 9000)

    run(clock, dog, 60000, work)
    assert max(wdt.fed) >= 58000 and starving == []


def test_one_late_task_is_enough():
    clock, wdt, starving, dog = make()
    dog.watch("one", 10000)
    dog.watch("other", 30000)

    async def work():
        while True:
            dog.progress("one")
            await clock.sleep_until(clock.time + 5000)

    run(clock, dog, 60000, work)
    assert max(wdt.fed) <= 30000
    assert starving == ["other"]
    assert dog.stale() == "other"


def test_who_comes_back_in_time_is_fed_again_and_reported_anew():
    clock, wdt, starving, dog = make()
    dog.watch("network", 10000)

    async def work():
        await clock.sleep_until(15000)
        dog.progress("network")

    run(clock, dog, 60000, work)
    assert [moment for moment in wdt.fed if 15000 <= moment <= 20000]
    assert not [moment for moment in wdt.fed if 12000 < moment < 15000 or moment > 26000]
    assert starving == ["network", "network"]


def test_who_has_ended_is_not_waited_for():
    clock, wdt, starving, dog = make()
    dog.watch("network", 10000)
    dog.forget("network")
    dog.forget("network")
    dog.progress("network")
    run(clock, dog, 60000)
    assert max(wdt.fed) >= 58000 and starving == []


def test_a_board_without_a_watchdog_is_told_all_the_same():
    clock, _, starving, _ = make()
    dog = Watchdog(None, clock, starving.append)
    dog.watch("network", 10000)
    run(clock, dog, 60000)
    assert starving == ["network"]
