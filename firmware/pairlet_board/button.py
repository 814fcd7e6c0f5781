"""The Button port on a board: a short press pairs, a long one un-pairs."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pairlet.ports import Clock

_LOOK_MS = 20
# A contact bounces for some milliseconds; what reads the same this often in a row is meant.
_ALIKE = 2
LONG_MS = 5000


class BoardButton:
    """One key, looked at every 20 ms by run(), which somebody has to keep as a task.

    `is_down()` tells whether the key is down: `lambda: not pin.value()` for one that closes to ground;
    None for a board without a key, which need not wake up for it.
    Looking costs less than an interrupt that has to be debounced anyway. A key that is down when run()
    begins counts once it has been up: a shorted pin must not un-pair a device. Presses while nobody
    waits are forgotten. `advice` is what the display says of it, to be changed where there is no key.
    """

    def __init__(self, is_down: "Callable[[], bool] | None", clock: "Clock", long_ms: int = LONG_MS):
        self.advice = "Press the button for a code."
        self._is_down = is_down
        self._clock = clock
        self._long_ms = long_ms
        self._short = asyncio.Event()
        self._long = asyncio.Event()

    async def pressed(self) -> None:
        """Return when it was pressed and let go again in less than `long_ms`."""
        self._short.clear()
        await self._short.wait()

    async def long_pressed(self) -> None:
        """Return when it has been held down for `long_ms`, not only when it is let go."""
        self._long.clear()
        await self._long.wait()

    async def run(self) -> None:
        """Watch the key until cancelled."""
        if self._is_down is None:
            await asyncio.Event().wait()
            return
        down = True  # as debounced; until it was seen up, nothing counts
        since = None  # when a press that counts began
        alike = 0
        while True:
            now = self._clock.now()
            alike = alike + 1 if bool(self._is_down()) != down else 0
            if alike >= _ALIKE:
                down, alike = not down, 0
                if down:
                    since = now
                elif since is not None:
                    self._short.set()
                    since = None
            if since is not None and now - since >= self._long_ms:
                self._long.set()
                since = None
            await self._clock.sleep_until(now + _LOOK_MS)
