"""pairlet_board.button: short and long presses, debounced."""

import asyncio

from fakes import VirtualClock
from pairlet_board.button import BoardButton


def heard(key, waits=1, until=24000):
    """What a button hears of `key`, [(from, to) in ms of the key being down]: ("short" or "long", when)."""
    clock = VirtualClock(0)
    button = BoardButton(lambda: any(begin <= clock.time < end for begin, end in key), clock)
    found = []

    async def listen(name, wait):
        for _ in range(waits):
            await wait()
            found.append((name, clock.time))

    async def scenario():
        tasks = [
            asyncio.create_task(button.run()),
            asyncio.create_task(listen("short", button.pressed)),
            asyncio.create_task(listen("long", button.long_pressed)),
        ]
        try:
            await clock.sleep_until(until)
        finally:
            for task in tasks:
                task.cancel()

    asyncio.run(clock.drive(scenario()))
    return found


def test_a_short_press_counts_when_it_ends():
    (found,) = heard([(1000, 1200)])
    assert found[0] == "short" and 1200 <= found[1] <= 1300


def test_a_quick_tap_counts():
    assert [name for name, _ in heard([(1000, 1100)])] == ["short"]


def test_a_long_press_counts_while_it_lasts_and_is_no_short_one():
    (found,) = heard([(1000, 20000)])
    assert found[0] == "long" and 6000 <= found[1] <= 6100


def test_just_too_short_for_a_long_press():
    assert [name for name, _ in heard([(1000, 5900)])] == ["short"]


def test_bouncing_contacts_make_one_press():
    bounces = [(start, start + 7) for start in range(1000, 1035, 13)]
    ends = [(start, start + 7) for start in range(1300, 1335, 13)]
    assert [name for name, _ in heard(bounces + [(1035, 1300)] + ends, waits=3)] == ["short"]


def test_a_glitch_is_no_press():
    assert heard([(1000, 1015), (2000, 2010), (3000, 3019)], waits=3) == []


def test_a_key_that_is_down_from_the_start_counts_for_nothing():
    assert heard([(0, 60000)]) == []
    assert [name for name, _ in heard([(0, 20000), (21000, 21200)], waits=2)] == ["short"]


def test_press_after_press():
    key = [(1000, 1200), (2000, 2200), (3000, 9000), (10000, 10200)]
    assert [name for name, _ in heard(key, waits=4)] == ["short", "short", "long", "short"]


def test_presses_while_nobody_waits_are_forgotten():
    clock = VirtualClock(0)
    button = BoardButton(lambda: 1000 <= clock.time < 1200, clock)
    waited = []

    async def scenario():
        task = asyncio.create_task(button.run())
        await clock.sleep_until(5000)

        async def wait():
            await button.pressed()
            waited.append(clock.time)

        waiting = asyncio.create_task(wait())
        await clock.sleep_until(20000)
        waiting.cancel()
        task.cancel()

    asyncio.run(clock.drive(scenario()))
    assert waited == []


def test_a_board_without_a_key_does_not_wake_up_for_it():
    clock = VirtualClock(0)
    waits = []
    sleep_until = clock.sleep_until

    async def counted(until):
        waits.append(until)
        await sleep_until(until)

    clock.sleep_until = counted

    async def scenario():
        task = asyncio.create_task(BoardButton(None, clock).run())
        await sleep_until(20000)
        assert not task.done()
        task.cancel()

    asyncio.run(clock.drive(scenario()))
    assert waits == []
