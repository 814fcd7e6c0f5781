"""Keep-alive of one MQTT connection with one timer: no thread, no polling (MQTT 5 section 3.1.2.10)."""

import asyncio
from collections.abc import Callable


class KeepAlive:
    """Asks a silent broker for a sign of life, and concludes from its absence.

    `ping()` is called after keep_alive seconds of silence in one direction and tells whether a PINGREQ
    went out; `dead()` when nothing came within half of keep_alive after that. Together 1.5 times
    keep_alive, as much as the broker grants us (paho alone would take twice keep_alive). A connection
    at rest costs two wake-ups in keep_alive seconds: this timer, and the PINGRESP.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ping: Callable[[], bool] | None = None
        self._dead: Callable[[], None] | None = None
        self._seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pinged_at: float | None = None
        self._heard_at = self._sent_at = self._loop.time()

    def start(self, seconds: float, ping: Callable[[], bool], dead: Callable[[], None]) -> None:
        """Begin to watch; 0 seconds: don't, the broker wants none."""
        self._seconds, self._ping, self._dead = seconds, ping, dead
        self._arm()

    def stop(self) -> None:
        """End for good, and forget whom to call."""
        self._seconds, self._ping, self._dead = 0.0, None, None
        self._arm()

    def heard(self) -> None:
        """The broker is alive. To be called after paho has read: paho's own times must not be later."""
        self._heard_at = self._loop.time()
        if self._pinged_at is not None:
            self._pinged_at = None
            self._arm()

    def sent(self) -> None:
        """Something went out. To be called after paho has written."""
        # The timer stays: it looks when it rings. Moving it at each packet would cost more.
        self._sent_at = self._loop.time()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds:
            self._timer = self._loop.call_at(self._due(), self._ring)

    def _due(self) -> float:
        if self._pinged_at is not None:
            return self._pinged_at + self._seconds / 2
        return min(self._heard_at, self._sent_at) + self._seconds

    def _ring(self) -> None:
        now = self._loop.time()
        if now >= self._due():
            if self._ping is None or self._dead is None:
                return
            if self._pinged_at is not None:
                self._seconds = 0.0
                self._dead()
                return
            if self._ping():
                self._pinged_at = now
            else:
                # paho has another opinion of what is due; its turn comes again, but not at once.
                self._heard_at = self._sent_at = now
        self._arm()
