"""Faults of the program itself, told so that they can be found and mended without showing what was in memory.

The text of an exception nobody expected may be anything: a KeyError says the key, a ValueError the value. So
what is told of one is its kind and where it was raised.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from ...core.errors import PairletError

_log = logging.getLogger("pairlet.faults")
_PACKAGES = ("pairlet", "pairlet_sim")
_MOST_FRAMES = 20


def said_by(error: BaseException) -> str:
    """The kind of `error`, and its text where that is one of ours, which never holds a secret."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, PairletError) else name


def frames(error: BaseException) -> list[str]:
    """Where `error` was raised and who called that, the innermost first: "keeper.py:120 in _settle"."""
    found = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    places = [f"{_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in reversed(found)]
    return places or ["an unknown place"]


def fault(error: BaseException) -> PairletError:
    """What a person is told of an exception that should not have come up."""
    places = frames(error)
    own = next((place for place in places if place.startswith(_PACKAGES)), places[0])
    return PairletError(f"a fault in the program itself: {type(error).__name__} at {own}")


def heard_by_loop(loop: object, context: dict[str, Any]) -> None:
    """An exception handler for an event loop; the usual one shows what the exception says."""
    error = context.get("exception")
    if error is not None:
        _log.error("a fault in the background", exc_info=error)
    else:
        _log.error("asyncio: %s", str(context.get("message")).partition("<")[0].strip())


@contextmanager
def watched() -> Iterator[None]:
    """In the block, what is raised where nobody can catch it is told in the same way."""
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = _unraisable, _in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before


def _unraisable(raised: "sys.UnraisableHookArgs") -> None:
    _tell(raised.exc_type, raised.exc_value, raised.exc_traceback)


def _in_thread(raised: threading.ExceptHookArgs) -> None:
    _tell(raised.exc_type, raised.exc_value, raised.exc_traceback)


def _tell(kind: type[BaseException], error: BaseException | None, place: TracebackType | None) -> None:
    _log.error("a fault that nobody could catch", exc_info=(kind, error or kind(), place))


def _short(filename: str) -> str:
    """The path of a source from its package on; of a foreign one the last two names."""
    parts = filename.replace("\\", "/").split("/")
    for number, part in enumerate(parts):
        if part in _PACKAGES:
            return "/".join(parts[number:])
    return "/".join(parts[-2:])
