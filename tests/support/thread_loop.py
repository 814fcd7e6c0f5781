"""An asynchronous context manager kept open in a thread with an event loop of its own.

For tests that aren't coroutines: Playwright's synchronous interface occupies the calling thread's loop, and a
`pairlet` process is driven with subprocess.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

TIMEOUT = 30.0

Opened = TypeVar("Opened")


class ThreadLoop:
    """The event loop of the other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run `function` in that loop and return its result."""

        async def called() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(TIMEOUT)


@contextlib.contextmanager
def kept_open(
    make: Callable[[], AbstractAsyncContextManager[Opened]], name: str
) -> Iterator[tuple[Opened, ThreadLoop]]:
    """Enter make() in a thread called `name` until the block ends; raises what entering raises."""
    start: Future[tuple[Opened, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        try:
            async with make() as opened:
                start.set_result((opened, asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if start.done():
                raise
            start.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name=name)
    thread.start()
    try:
        opened, loop, stop = start.result(TIMEOUT)
        try:
            yield opened, ThreadLoop(loop)
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(TIMEOUT)
