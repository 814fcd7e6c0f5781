"""The loop that drives a machine, and the few task patterns that both asyncios share."""

import asyncio
from collections import namedtuple

from .core.errors import PairletError, TlsError, TransportError
from .core.machine import Send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Protocol, TypeVar

    from .core.authorization_code_grant import AuthorizationCodeGrant
    from .core.client_credentials_grant import ClientCredentialsGrant
    from .core.device_grant import DeviceGrant
    from .core.discovery import Discovery
    from .core.http import Request, Response
    from .core.refresh_grant import RefreshGrant
    from .core.revocation import Revocation
    from .ports import Clock, Http

    AnyMachine = (
        AuthorizationCodeGrant | ClientCredentialsGrant | DeviceGrant | Discovery | RefreshGrant | Revocation
    )

    class Trouble(Protocol):
        """Hears after each exchange how it went; may raise to give up."""

        def __call__(self, error: PairletError | None, pause_ms: int = 0) -> None:
            """`error`: what was wrong, None: nothing. `pause_ms`: how long it is until the next try."""

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
    learn_time(request, response, clock)
    machine.receive(response, clock.now())
    return Step(EXCHANGED, machine.fault)


def learn_time(request: "Request", response: "Response", clock: "Clock") -> None:
    """Tell `clock` the Date of an answer (RFC 9110 section 6.6.1), if it came over verified TLS."""
    date = response.header("date")
    if date is None or not request.url.startswith("https:"):
        return
    from .core.answer import http_date  # whoever reads the answer takes it, too

    seconds = http_date(date)
    if seconds is not None:
        clock.learn(seconds)


async def drive(
    machine: "AnyMachine", http: "Http", clock: "Clock", trouble: "Trouble | None" = None
) -> None:
    """Drive `machine` to its end.

    `trouble` hears after each exchange how it went; it may raise to give up.
    """
    while True:
        step = await advance(machine, http, clock)
        if step.kind == ENDED:
            return
        if step.kind == EXCHANGED and trouble is not None:
            trouble(step.error, machine.due - clock.now())


class Patience:
    """Gives up after `tries` failures in a row, or when told to wait for longer than `longest_ms`: what a
    command that somebody waits for does."""

    def __init__(self, tries: int, longest_ms: int = 30000):
        self._tries = self._left = tries
        self._longest_ms = longest_ms

    def __call__(self, error: "PairletError | None", pause_ms: int = 0) -> None:
        """Count `error`; raise it when it was one too many, or one that trying again won't mend.

        `pause_ms`: how long it is until the next try. Raises TransportError when nobody waits that long.
        """
        if error is None:
            self._left = self._tries
            return
        self._left -= 1
        if self._left <= 0 or isinstance(error, TlsError):
            raise error
        if pause_ms > self._longest_ms:
            minutes = (pause_ms + 59999) // 60000
            raise TransportError(
                f"{error}, and asks to be left alone for {minutes} min", "Try again after that time."
            )


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


async def set_or_due(event: "asyncio.Event", clock: "Clock", until: int) -> None:
    """Until somebody sets `event`, or `clock` reads `until`, when it is set here.

    No task more, where first_of() takes two: this is what an agent does most of its time.
    """
    alarm = clock.alarm(event.set, until)
    try:
        await event.wait()
    finally:
        alarm.cancel()


async def uninterrupted(
    coroutine: "Coroutine[object, object, Result]", clock: "Clock", limit_ms: int
) -> "Result":
    """Await `coroutine`. Whoever is cancelled meanwhile gives it up to `limit_ms` to end by itself first.

    For what must not be cut in the middle, however often it is cancelled. Returns what it returns,
    raises what it raises; a cancellation is raised in any case.
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
        until = clock.now() + limit_ms
        # Done, and not ended: who ends all tasks has cancelled it before its first step.
        while not ended.is_set() and not task.done() and clock.now() < until:
            try:
                await first_of(wait_for(ended), clock.sleep_until(until))
            except asyncio.CancelledError:
                pass  # somebody asks once more; the answer is the same
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
