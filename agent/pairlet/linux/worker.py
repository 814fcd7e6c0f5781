"""Blocking calls away from the event loop, in threads that never hold up the end of the process."""

import asyncio
import contextlib
import contextvars
import errno
import threading
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")


async def in_thread(function: Callable[[*_Arguments], _Result], *args: *_Arguments) -> _Result:
    """Run `function(*args)` in a daemon thread of its own; return what it returns, raise what it raises.

    When the waiting task is cancelled it goes on at once; the thread ends by itself and what it brings
    is dropped. OSError (EAGAIN) if the system gives no thread.
    """
    # Not asyncio.to_thread: threads of the default executor are joined at exit, so that a connect
    # which takes 10 s to fail would make Ctrl-C take 10 s.
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_Result] = loop.create_future()
    context = contextvars.copy_context()

    def settle(put: Callable[[], None]) -> None:
        if not outcome.done():  # done already: whoever waited was cancelled
            put()

    def work() -> None:
        put: Callable[[], None]
        try:
            result = context.run(function, *args)
        except StopIteration as error:  # a Future refuses this one; the waiter would wait for ever
            reason = RuntimeError("the function raised StopIteration")
            reason.__cause__ = error
            put = _bound(outcome.set_exception, reason)
        except BaseException as error:
            put = _bound(outcome.set_exception, error)
        else:
            put = _bound(outcome.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop was closed: the process is ending
            loop.call_soon_threadsafe(settle, put)

    name = "pairlet-" + getattr(function, "__name__", "call").strip("_")
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "the system gave no thread") from error
    return await outcome


def _bound(function: Callable[..., None], argument: object) -> Callable[[], None]:
    """`function(argument)` for later. (A lambda would lose `error`, which an except clause deletes.)"""
    return lambda: function(argument)
