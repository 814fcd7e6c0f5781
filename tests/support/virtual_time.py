"""An asyncio event loop whose time jumps to the next timer as soon as nobody has anything to do.

    with VirtualLoop() as loop:
        loop.run_until_complete(a_week())          # takes as long as the work in it

Thousands of devices live on one: a jump costs what the loop's own heap of timers costs, whoever sleeps.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _Jump(selectors.BaseSelector):
    """A selector for a loop without files: instead of waiting, it moves the time on."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(
            fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data
        )
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing ever comes from outside; None would be a wait for ever."""
        if timeout is None:
            raise RuntimeError("nobody will ever wake: a deadlock")
        self.now += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module. Closed when its block ends."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jump.now

    def __enter__(self) -> "VirtualLoop":
        return self

    def __exit__(self, *_: object) -> None:
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.wait(tasks))
        self.close()
