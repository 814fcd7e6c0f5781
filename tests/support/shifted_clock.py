"""The agent's clocks, set ahead or made fast: what would take hours in a real process takes none.

words = [sys.executable, *FAST_AGENT, "16", "", "run", ...]    # a real `pairlet run`, sixteen times as fast

What stands before the command itself is Python that changes the agent, as a test needs it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

_TESTS = str(Path(__file__).resolve().parents[1])
FAST_AGENT = (
    "-c",
    f"import sys; sys.path.insert(0, {_TESTS!r}); from support.shifted_clock import shift; "
    "shift(pace=int(sys.argv[1])); exec(sys.argv[2], {}); "
    "from pairlet.linux.cli import main; sys.exit(main(sys.argv[3:]))",
)


def shift(*, ahead_ms: int = 0, pace: int = 1) -> None:
    """From now on and in this process SystemClock is `ahead_ms` ahead, and now() `pace` times as fast."""
    from pairlet.linux.clock import SystemClock

    now, wall = SystemClock.now, SystemClock.wall

    def shifted_now(self: SystemClock) -> int:
        return pace * now(self) + ahead_ms

    async def shifted_sleep(self: SystemClock, until: int) -> None:
        while (remaining := until - shifted_now(self)) > 0:
            await asyncio.sleep(remaining / pace / 1000)

    def shifted_alarm(self: SystemClock, ring: Callable[[], object], until: int) -> "asyncio.Task[None]":
        async def wait() -> None:
            await shifted_sleep(self, until)
            ring()

        return asyncio.create_task(wait())

    def shifted_wall(self: SystemClock):  # type: ignore[no-untyped-def]
        found = wall(self)
        return found if found.seconds is None else found._replace(seconds=found.seconds + ahead_ms // 1000)

    SystemClock.now = shifted_now  # type: ignore[method-assign]
    SystemClock.sleep_until = shifted_sleep  # type: ignore[method-assign]
    SystemClock.alarm = shifted_alarm  # type: ignore[method-assign, assignment]
    SystemClock.wall = shifted_wall  # type: ignore[method-assign]
