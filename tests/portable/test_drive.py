"""pairlet.drive: waiting for an event or a time, whichever comes first."""

import asyncio

from fakes import VirtualClock
from pairlet.drive import set_or_due


def waited(set_at=None, cancelled_at=None, until=5000):
    """When set_or_due(), told at 1000 to wait until `until`, is over, and whether its event is set then.

    `set_at`, `cancelled_at`: when somebody else sets the event, or cancels it.
    """
    clock, event, over = VirtualClock(), asyncio.Event(), []

    async def wait():
        try:
            await set_or_due(event, clock, until)
        finally:
            over.append(clock.now())

    async def story():
        task = asyncio.create_task(wait())
        if set_at is not None:
            await clock.sleep_until(set_at)
            event.set()
        if cancelled_at is not None:
            await clock.sleep_until(cancelled_at)
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            over.append("cancelled")
        is_set = event.is_set()
        event.clear()
        await clock.sleep_until(9000)
        # Nobody who waits for the event next is woken by an alarm of before.
        assert not event.is_set()
        return over + [is_set]

    return asyncio.run(clock.drive(story()))


def test_it_ends_when_the_time_has_come():
    assert waited() == [5000, True] and waited(until=0) == [1000, True]


def test_it_ends_when_somebody_sets_the_event():
    assert waited(set_at=2000) == [2000, True]


def test_a_cancellation_gets_through():
    assert waited(cancelled_at=3000) == [3000, "cancelled", False]
