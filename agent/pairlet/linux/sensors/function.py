"""A sensor that is a function in Python: `my_module:read_co2`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError
from ..log.faults import frames
from ..own_function import Failed, OwnFunction, StillBusy
from . import trust
from .values import Reading, SensorError, reading_of


class FunctionSensor:
    """Calls `function`, which returns a number or a dict of names to numbers: see OwnFunction.

    `title`: how the configuration calls it. `name`, `prefix`: see values.reading_of.
    """

    def __init__(self, title: str, function: Callable[[], Any], name: str, prefix: str = ""):
        self.title = title
        self._function = OwnFunction(function)
        self._name = name
        self._prefix = prefix

    async def read(self) -> Reading:
        """One reading. Raises SensorError for whatever the function raises."""
        try:
            given = await self._function.call()
        except StillBusy:
            raise SensorError("the call before this one has not come back") from None
        except Failed as failure:
            raise SensorError(f"it fails with {failure}") from None
        return reading_of(given, self._name, self._prefix)


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
