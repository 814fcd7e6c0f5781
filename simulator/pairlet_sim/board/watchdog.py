"""The watchdog of a board, seen from the chip: it counts the board's own time, skipped time as well."""

import asyncio
from collections.abc import Callable

# A watchdog that fires while this machine is busy elsewhere would be no fault of the program.
_GRACE_S = 0.25


class Watchdog:
    """`skipped_ms`: how much time was skipped so far. `starved` is called when it was not fed in time.

    `listen`: takes what the board has sent, which may be food.
    """

    def __init__(
        self, skipped_ms: Callable[[], int], *, listen: Callable[[], None], starved: Callable[[], None]
    ):
        self._skipped_ms = skipped_ms
        self._listen = listen
        self._starved = starved
        self._timeout_ms = 0  # 0: it was not started
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started."""
        return self._timeout_ms > 0

    def start(self, milliseconds: int) -> None:
        """From now on it wants food so often."""
        self._timeout_ms = milliseconds
        self.feed()

    def feed(self) -> None:
        """Begin the time anew; nothing happens if it was not started."""
        if self._timeout_ms:
            self._due = self._now() + self._timeout_ms / 1000
            self._look_in(self._timeout_ms / 1000)

    def stop(self) -> None:
        """Only a reset does that."""
        self._timeout_ms = 0
        if self._timer is not None:
            self._timer.cancel()

    def part_of(self, milliseconds: int) -> int:
        """So much of this time may be skipped at the most: no further than to where it fires."""
        if not self._timeout_ms:
            return milliseconds
        left_s = self._due - self._now()
        if left_s <= 0:
            return 0  # it will fire in a moment
        part = min(milliseconds, round(left_s * 1000))
        self._look_in(left_s - part / 1000)
        return part

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self._skipped_ms() / 1000

    def _look_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds) + _GRACE_S, self._look)

    def _look(self) -> None:
        self._listen()
        if not self._timeout_ms:
            return
        left_s = self._due - self._now()
        if left_s > 0:
            self._look_in(left_s)
        else:
            self._starved()
