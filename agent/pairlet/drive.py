"""The loop that drives a machine, and the few task patterns that both asyncios share."""

import asyncio
from collections import namedtuple

from .core.errors import PairletError, TlsError, TransportError
from .core.machine import Send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar

    from .core.device_grant import DeviceGrant
    from .core.discovery import Discovery
    from .core.http import Request
    from .core.refresh_grant import RefreshGrant
    from .ports import Clock, Http

    AnyMachine = DeviceGrant | Discovery | RefreshGrant
    Trouble = Callable[[PairletError | None], None]
    Result = TypeVar("Result")


# What one step was, and for an exchange what was wrong with it (a PairletError or None).
Step = namedtuple("Step", ("kind", "error"))
ENDED = "ended"
WAITED = "waited"
EXCHANGED = "exchanged"


async def advance(machine: "AnyMachine", http: "Http", clock: "Clock") -> Step:
    """Do the one thing that `machine` asks for now: wait, or one exchange.

    A server that can't prove who it is counts as no answer: a captive portal in the middle of a
    pairing must not end it.
    """
    action = machine.next_action(clock.now())
    if action is None:
        return Step(ENDED, None)
    if not isinstance(action, Send):
        await clock.sleep_until(action.until)
        return Step(WAITED, None)
    return await carry_out(action.request, machine, http, clock)


async def carry_out(request: "Request", machine: "AnyMachine", http: "Http", clock: "Clock") -> Step:
    """The exchange of a Send: `machine` hears how it went."""
    try:
        response = await http.exchange(request)
    except (TransportError, TlsError) as error:
        machine.transport_failed(clock.now())
        return Step(EXCHANGED, error)
    machine.receive(response, clock.now())
    return Step(EXCHANGED, machine.fault)


async def drive(
    machine: "AnyMachine", http: "Http", clock: "Clock", trouble: "Trouble | None" = None
) -> None:
    """Drive `machine` to its end.

    `trouble` hears after each exchange what was wrong with it, None when nothing was; it may raise
    to give up.
    """
    while True:
        step = await advance(machine, http, clock)
        if step.kind == ENDED:
            return
        if step.kind == EXCHANGED and trouble is not None:
            trouble(step.error)


class Patience:
    """Gives up after `tries` failures in a row: what a command that somebody waits for does."""

    def __init__(self, tries: int):
        self._tries = self._left = tries

    def __call__(self, error: "PairletError | None") -> None:
        """Count `error`; raise it when it was one too many, or one that trying again won't mend."""
        if error is None:
            self._left = self._tries
            return
        self._left -= 1
        if self._left <= 0 or isinstance(error, TlsError):
            raise error


async def first_of(*coroutines: "Coroutine[object, object, None]") -> None:
    """Run all until the first ends, cancel the others and wait for them; raise what the first raised.

    A cancellation always gets through, also one that arrives while the others are waited for.
    """
    ended = asyncio.Event()
    running: list[object] = []
    failures: list[BaseException] = []

    async def watched(coroutine: "Coroutine[object, object, None]") -> None:
        running.append(coroutine)
        try:
            await coroutine
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failures.append(error)
        finally:
            running.remove(coroutine)
            ended.set()

    tasks = [asyncio.create_task(watched(coroutine)) for coroutine in coroutines]
    cancelled = False
    try:
        await ended.wait()
    finally:
        for task in tasks:
            task.cancel()
        while running:
            ended.clear()
            try:
                # Not on a task: its cancellation could not be told from ours, which would be lost.
                await ended.wait()
            except asyncio.CancelledError:
                cancelled = True
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                pass
    if cancelled:
        raise asyncio.CancelledError()
    if failures:
        raise failures[0]


async def uninterrupted(
    coroutine: "Coroutine[object, object, Result]", clock: "Clock", limit_ms: int
) -> "Result":
    """Await `coroutine`. Whoever is cancelled meanwhile gives it up to `limit_ms` to end by itself first.

    For what must not be cut in the middle. Returns what it returns, raises what it raises; a
    cancellation is raised in any case.
    """
    ended = asyncio.Event()
    results: list[Result] = []
    failures: list[BaseException] = []

    async def work() -> None:
        try:
            results.append(await coroutine)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failures.append(error)
        finally:
            ended.set()

    # A task of its own: cancelling us does not reach it.
    task = asyncio.create_task(work())
    try:
        await ended.wait()
    except asyncio.CancelledError:
        try:
            await first_of(wait_for(ended), clock.sleep_until(clock.now() + limit_ms))
        finally:
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
        raise
    if failures:
        raise failures[0]
    return results[0]


async def wait_for(event: asyncio.Event) -> None:
    """Until `event` is set, as a coroutine for first_of."""
    await event.wait()
