"""A function that people have written (a sensor, a handler): what it does costs its caller only."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

from .log.faults import frames
from .worker import in_thread


class StillBusy(Exception):
    """The call before this one has not come back."""


class Failed(Exception):
    """The function raised `error`; the text says of what kind, and where."""

    def __init__(self, error: BaseException):
        # Its own text may be anything, a password as well.
        super().__init__(f"{type(error).__name__} at {frames(error)[0]}")
        self.error = error


class OwnFunction:
    """`function`, called by any number of tasks, one at a time.

    A plain function is called in a thread of its own, so that it may take its time. A coroutine function,
    or an object with such a __call__, is awaited, so it must not block.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(type(function), "__call__", None)  # noqa: B004  # its kind is what is looked at
        )
        self._in_use = threading.Lock()

    async def call(self, *arguments: object) -> object:
        """What it returns. Raises Failed, StillBusy, and OSError when the system has no thread for it."""
        if self._is_async:
            try:
                return await self._function(*arguments)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                # A function that gives up must not take the agent along.
                raise Failed(error) from None
        # A thread can't be ended: one that hangs is left alone, and never joined by a second one.
        if not self._in_use.acquire(blocking=False):
            raise StillBusy
        try:
            result, raised = await in_thread(self._work, arguments)
        except OSError:
            self._in_use.release()  # there was no thread to do it
            raise
        if raised is not None:
            raise Failed(raised)
        return result

    def _work(self, arguments: tuple[object, ...]) -> tuple[object, BaseException | None]:
        try:
            return self._function(*arguments), None
        except BaseException as error:
            return None, error
        finally:
            self._in_use.release()
