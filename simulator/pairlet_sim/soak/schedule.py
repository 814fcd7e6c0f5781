"""Virtual time: one list of what happens next, and the event loops of simulated processes on it.

Nothing here waits. Time stands still while anybody works and jumps to the next moment at which
somebody wants to. All times are whole milliseconds since the simulation began.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop, heappush
from typing import Any

# So many turns without time moving are somebody going round in circles.
_MOST_TURNS = 20_000

# So many tasks of a process are kept in mind, and those that are done forgotten when there are more.
_FEW_TASKS = 50

Callback = Callable[..., object]


class PowerCut(BaseException):
    """The power is gone: what was running does not go on. Not an Exception, so that nobody catches it."""


class Spinning(Exception):
    """Somebody keeps working without ever waiting."""


class Schedule:
    """What happens next, in order of time and then of asking. `now`: ms since the beginning."""

    def __init__(self) -> None:
        self.now = 0
        self.halted = False
        self.ready: deque[tuple[ProcessLoop | None, Callback, tuple[Any, ...]]] = deque()
        self._later: list[tuple[int, int, ProcessLoop | None, Callback, tuple[Any, ...]]] = []
        self._count = 0

    def soon(self, loop: "ProcessLoop | None", callback: Callback, arguments: tuple[Any, ...]) -> None:
        """Call `callback` in this very moment, after what is already waiting. `loop`: whose it is."""
        self.ready.append((loop, callback, arguments))

    def at(self, when: int, loop: "ProcessLoop | None", callback: Callback, *arguments: Any) -> None:
        """Call `callback` at `when` (ms); at once if that has passed."""
        self._count = count = self._count + 1
        heappush(self._later, (when, count, loop, callback, arguments))

    def take(self, loop: "ProcessLoop") -> list[tuple[Callback, tuple[Any, ...]]]:
        """Take out all that `loop` wanted to do, now or later."""
        taken = [entry[1:] for entry in self.ready if entry[0] is loop]
        taken += [entry[3:] for entry in self._later if entry[2] is loop]
        ready = [entry for entry in self.ready if entry[0] is not loop]
        self.ready.clear()
        self.ready.extend(ready)
        self._later[:] = [entry for entry in self._later if entry[2] is not loop]
        heapify(self._later)
        return taken

    def run_until(self, until: int) -> None:
        """Let everything happen up to and including `until` (ms), or until `halted` is set.

        Raises Spinning when somebody never waits.
        """
        ready, later = self.ready, self._later
        turns = 0
        while not self.halted:
            if ready:
                loop, callback, arguments = ready.popleft()
                turns += 1
                if turns > _MOST_TURNS:
                    raise Spinning(f"{_MOST_TURNS} turns of the loop, and no time has passed")
            elif later and later[0][0] <= until:
                when, _, loop, callback, arguments = heappop(later)
                if when > self.now:
                    self.now, turns = when, 0
            else:
                self.now = until
                return
            if loop is not None:
                if loop.ended:
                    continue  # a timer set on its way out
                if loop.frozen_until > self.now:
                    self.at(loop.frozen_until, loop, callback, *arguments)
                    continue
                if loop is not self.running:
                    self._enter(loop)
            try:
                callback(*arguments)
            except PowerCut:
                pass  # in the midst of what the loop itself had called

    # Whose turn it is.
    running: "ProcessLoop | None" = None

    def _enter(self, loop: "ProcessLoop | None") -> None:
        self.running = loop
        events._set_running_loop(None if loop is None else loop.for_asyncio)

    def run_apart(self, loop: "ProcessLoop", turns: "deque[tuple[Callback, tuple[Any, ...]]]") -> None:
        """Let `loop`, which has ended, go through `turns` and what they lead to, apart from the world."""
        before = self.running
        self._enter(loop)
        left = _MOST_TURNS
        while turns and left:
            callback, arguments = turns.popleft()
            try:
                callback(*arguments)
            except PowerCut:
                pass
            left -= 1
        self._enter(before)
        if not left:
            raise Spinning("a process that was killed does not come to an end")

    def leave(self) -> None:
        """Give the thread its own event loop back (none)."""
        self._enter(None)


class ProcessLoop:
    """The event loop of one simulated process: just what tasks, futures, events and locks need of one.

    `unheard(message, exception)`: hears of what asyncio itself complains about.
    """

    def __init__(self, schedule: Schedule, unheard: Callable[[str, BaseException | None], None]):
        self.schedule = schedule
        self.ended = False
        self.frozen_until = 0
        self._ready = schedule.ready
        self._tasks: list[asyncio.Task[Any]] = []
        self._prune_at = _FEW_TASKS
        self._unheard = unheard
        # For asyncio, which asks for no more than the methods below.
        self.for_asyncio: Any = self
        self._void: deque[tuple[Callback, tuple[Any, ...]]] = deque()

    def call_soon(self, callback: Callback, *args: Any, context: object = None) -> Any:
        """Call it in this very moment. `context` is left alone: nothing here has context variables."""
        if self.ended:
            self._void.append((callback, args))
        else:
            self._ready.append((self, callback, args))

    def call_later(self, delay: float, callback: Callback, *args: Any, context: object = None) -> Any:
        """Call it in `delay` seconds."""
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when: float, callback: Callback, *args: Any, context: object = None) -> Any:
        """Call it at `when` (seconds of `time()`). What comes back can be cancelled."""
        alarm = _Alarm(callback, args)
        if self.ended:
            self._void.append((alarm.ring, ()))
        else:
            self.schedule.at(-int(-1000 * when // 1), self, alarm.ring)
        return alarm

    def time(self) -> float:
        """Seconds since the beginning."""
        return self.schedule.now / 1000

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self.for_asyncio)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> "asyncio.Task[Any]":
        """A task of this loop."""
        # A name of its own would be made up from a counter for each.
        task = asyncio.Task(coro, loop=self.for_asyncio, name="task")
        tasks = self._tasks
        tasks.append(task)
        if len(tasks) > self._prune_at:
            tasks[:] = [each for each in tasks if not each.done()]
            self._prune_at = _FEW_TASKS + 2 * len(tasks)
        return task

    # Never: bool() is False. Each future asks, and asks no function of Python's this way.
    get_debug = bool

    def is_running(self) -> bool:
        """Always, as far as its tasks can tell."""
        return True

    def is_closed(self) -> bool:
        """Never."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What asyncio complains about; a process that was killed has nobody to complain to."""
        if not self.ended:
            self._unheard(str(context.get("message")), context.get("exception"))

    def die(self) -> None:
        """Kill: from this moment on nothing of this loop happens any more, and its ports do nothing."""
        if not self.ended:
            self.ended = True
            self._void.extend(self.schedule.take(self))

    def bury(self) -> None:
        """Let the tasks of a dead loop come to their ends, apart from the world.

        Otherwise Python would have to break off coroutines that still have something to wait for. Not
        to be called from within one of them.
        """
        for task in self._tasks:
            task.cancel()
        self.schedule.run_apart(self, self._void)


class _Alarm:
    """What call_at gives back."""

    __slots__ = ("_callback", "_arguments")

    def __init__(self, callback: Callback, arguments: tuple[Any, ...]):
        self._callback: Callback | None = callback
        self._arguments = arguments

    def ring(self) -> None:
        if self._callback is not None:
            self._callback(*self._arguments)

    def cancel(self) -> None:
        self._callback = None
