"""Which sensors the setting telemetry.sensors names, and whether they can be used as it says."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import ConfigError
from .system import SystemSensors, named

if TYPE_CHECKING:
    from .sampler import Sampler, Source, Told

_COMMAND = "command"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_FUNCTION = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# The longest that one sample waits for its sensors, and how much of an interval that may be.
_LONGEST_S = 5.0
_SHARE = 0.8


class Own(NamedTuple):
    """A sensor that is not built in: [NAME=]command:LINE or [NAME=]MODULE:FUNCTION.

    `title`: how people are told of it; arguments are left out, as a password may be among them.
    """

    title: str
    name: str
    prefix: str
    kind: str
    what: str


class Choice:
    """The sensors that `words` name (None: all that are built in). Raises ConfigError.

    `file`: pairlet.toml, None if there is none. Relative commands and modules start from its folder,
    or from the working directory; so nobody but this user and root may be able to write to either.
    """

    def __init__(self, words: list[str] | None, file: Path | None):
        self._folder = (file.parent if file else Path()).absolute()
        self._own = [_own(word) for word in words or () if ":" in word]
        plain = [word for word in words or () if ":" not in word]
        for word in plain:
            named(word)
        self._built_in = plain if words is not None else None
        self._commands: dict[Own, list[str]] = {}
        if not self._own:
            return
        from . import command, trust  # late: most devices have no sensors of their own

        if file is not None:
            trust.check_file(file)
        for own in self._own:
            if own.kind == _COMMAND:
                self._commands[own] = command.split(own.title, own.what, self._folder)

    def open(self, interval_ms: Callable[[], int], told: "Told") -> "SystemSensors | Sampler":
        """The port Sensors. This imports the modules. Raises ConfigError.

        `interval_ms()`: how often a sample is wanted at present. `told`: see Sampler.
        """
        system = SystemSensors(self._built_in) if self._built_in is None or self._built_in else None
        if system is not None and not self._own:
            return system
        from .sampler import Sampler

        sources = [self._source(own) for own in self._own]
        return Sampler(system, sources, lambda: min(_LONGEST_S, _SHARE * interval_ms() / 1000), told)

    def _source(self, own: Own) -> "Source":
        if own.kind == _COMMAND:
            from .command import CommandSensor

            return CommandSensor(own.title, self._commands[own], own.name, own.prefix)
        from .function import FunctionSensor, load

        function = load(f"the sensor {own.title}", own.kind, own.what, self._folder)
        return FunctionSensor(own.title, function, own.name, own.prefix)


def _own(word: str) -> Own:
    """Read one entry with a colon. Raises ConfigError."""
    from .values import NAME

    head, _, what = word.partition(":")
    prefix, mark, kind = (part.strip() for part in head.rpartition("="))
    what = what.strip()
    if mark and not NAME.fullmatch(prefix):
        raise ConfigError(
            f"the sensor {ascii(head)}: {ascii(prefix)} can't be a name",
            "A name takes a-z, 0-9 and _, such as room_temperature_celsius.",
        )
    if kind == _COMMAND and what.isprintable():
        program = what.split()[0] if what else ""
        name = prefix or _as_name(os.path.basename(program).partition(".")[0])
        return Own(f"{head}:{program}", name, prefix, kind, what)
    if not _MODULE.fullmatch(kind) or not _FUNCTION.fullmatch(what):
        raise ConfigError(
            f"the sensor {ascii(head)}: ... is neither module:function nor command:PROGRAM",
            "Write my_module:read_co2, or command:/usr/local/bin/co2 --json.",
        )
    return Own(word, prefix or _as_name(what.removeprefix("read_")), prefix, kind, what)


def _as_name(text: str) -> str:
    """`text` as the name of a value."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:64]
    return name if name[:1].isalpha() else "sensor_" + name if name else "sensor"
