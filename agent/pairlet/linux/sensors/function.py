"""A sensor that is a function in Python: `my_module:read_co2`."""

import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError
from ..log.faults import frames
from ..worker import in_thread
from . import trust
from .values import Reading, SensorError, reading_of


class FunctionSensor:
    """Calls `function`, which returns a number or a dict of names to numbers.

    A plain function is called in a thread of its own, so that it may take its time; a coroutine
    function is awaited, so it must not block. `title`: how the configuration calls it. `name`,
    `prefix`: see values.reading_of.
    """

    def __init__(self, title: str, function: Callable[[], Any], name: str, prefix: str = ""):
        self.title = title
        self._function = function
        self._name = name
        self._prefix = prefix
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(type(function), "__call__", None)  # noqa: B004  # its kind is what is looked at
        )
        self._in_use = threading.Lock()

    async def read(self) -> Reading:
        """One reading. Raises SensorError for whatever the function raises."""
        given = await self._awaited() if self._is_async else await self._in_thread()
        return reading_of(given, self._name, self._prefix)

    async def _awaited(self) -> object:
        try:
            return await self._function()
        except Exception as error:
            raise _failed(error) from None
        except (SystemExit, KeyboardInterrupt) as error:
            # A function that gives up must not take the agent along.
            raise _failed(error) from None

    async def _in_thread(self) -> object:
        # A thread can't be ended: one that hangs is left alone, and never joined by a second one.
        if not self._in_use.acquire(blocking=False):
            raise SensorError("the call before this one has not come back")
        try:
            given, error = await in_thread(self._call)
        except OSError:
            self._in_use.release()  # there was no thread to do it
            raise
        if error is not None:
            raise _failed(error)
        return given

    def _call(self) -> tuple[object, BaseException | None]:
        try:
            return self._function(), None
        except BaseException as error:
            return None, error
        finally:
            self._in_use.release()


def _failed(error: BaseException) -> SensorError:
    # Its text may be anything, a password as well; its kind and its place are not.
    return SensorError(f"it fails with {type(error).__name__} at {frames(error)[0]}")


def load(what: str, module_name: str, function_name: str, folder: Path) -> Callable[..., Any]:
    """The function that a setting names. `what`: what it is for, in messages. `folder`: where modules are
    looked for after Python's own places.

    What it prints goes to stderr from then on: stdout is for events. Raises ConfigError when there is
    no such function, or when the module could have been put there by another user.
    """
    sys.stdout = sys.stderr
    if trust.holds(folder, module_name):
        _search_in(folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{what}: there is no module {ascii(error.name)}",
            f"Put it into {folder}, where pairlet.toml is, or install it beside pairlet.",
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigError(
            f"{what}: {module_name} fails with {type(error).__name__} at {frames(error)[0]}",
            f"Import it by hand to see all of it: python3 -c 'import {module_name}'.",
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(
            f"{what}: {module_name} has no function {function_name}",
            "Write MODULE:FUNCTION as the module spells it.",
        )
    return function  # type: ignore[no-any-return]


def _search_in(folder: Path) -> None:
    """Let imports find what is in `folder`, after everything else: a json.py there replaces nothing."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
