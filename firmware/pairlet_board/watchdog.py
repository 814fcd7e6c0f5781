"""The watchdog: the chip restarts the board unless every task that matters gets on."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pairlet.ports import Clock

# A Pico W's watchdog can wait 8388 ms at most; two looks must fit, and a TLS handshake that blocks.
TIMEOUT_MS = 8300
_LOOK_MS = 2000


class Watchdog:
    """Feeds `wdt` (a machine.WDT, or None to only tell) while all marks are fresh.

    `starving(name)` hears once when the mark `name` has gone stale; the restart comes within the
    timeout of `wdt` unless the mark is made after all.
    """

    def __init__(self, wdt: "Any", clock: "Clock", starving: "Callable[[str], None]"):
        self._wdt = wdt
        self._clock = clock
        self._starving = starving
        # Name to [limit in ms, when the mark was last made, whether it was reported].
        self._marks: dict[str, list[int]] = {}

    def watch(self, name: str, limit_ms: int) -> None:
        """From now on, `name` must make its mark every `limit_ms`."""
        self._marks[name] = [limit_ms, self._clock.now(), 0]

    def progress(self, name: str) -> None:
        """`name` has got on. A name that is not watched is ignored."""
        mark = self._marks.get(name)
        if mark is not None:
            mark[1] = self._clock.now()
            mark[2] = 0

    def forget(self, name: str) -> None:
        """`name` has ended, and rightly."""
        self._marks.pop(name, None)

    def stale(self) -> "str | None":
        """A name whose mark is older than it may be, or None."""
        now = self._clock.now()
        for name in self._marks:
            limit_ms, made, _ = self._marks[name]
            if now - made > limit_ms:
                return name
        return None

    async def run(self) -> None:
        """Feed until cancelled; after that the chip restarts the board."""
        while True:
            name = self.stale()
            if name is None:
                if self._wdt is not None:
                    self._wdt.feed()
            elif not self._marks[name][2]:
                self._marks[name][2] = 1
                self._starving(name)
            await self._clock.sleep_until(self._clock.now() + _LOOK_MS)
