"""The Sensors port on Linux: what /proc and /sys tell about this machine."""

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ...core.errors import ConfigError

# Files under /proc are short; anything longer is not what it claims to be.
_MAX_FILE = 256 * 1024

# Kinds of thermal zone and hwmon chip that sit on the processor, on a Raspberry Pi and on PCs.
_CPU_ZONES = ("cpu-thermal", "cpu_thermal", "x86_pkg_temp", "soc-thermal", "soc_thermal", "cpu0-thermal")
_CPU_CHIPS = ("cpu_thermal", "coretemp", "k10temp", "zenpower")

# What a broken file can raise on its way to a number; the measurement is left out then.
_UNREADABLE = (OSError, ValueError, IndexError, KeyError, ArithmeticError)


class SystemSensors:
    """Load, temperature, memory, disk, network and uptime of this machine.

    `names`: which to read, by name or by group (see known() and GROUPS; None: all); ConfigError for
    one it does not know. `root`: where proc/ and sys/ are; the disk measured is that which holds `root`.
    """

    def __init__(self, names: Iterable[str] | None = None, root: str = "/"):
        known = self.known()
        chosen = set(known) if names is None else {each for name in names for each in named(name)}
        self._names = [name for name in known if name in chosen]
        self._root = Path(root)
        # The load is the share of time since the last look; the first look is now.
        self._cpu_times = self._read_cpu_times()

    @staticmethod
    def known() -> tuple[str, ...]:
        """Every name that `read()` can give, in the order in which it gives them."""
        return tuple(_SENSORS)

    async def read(self) -> dict[str, int | float]:
        """One sample. Percentages 0 to 100, temperatures in degrees Celsius, counters since boot."""
        sample: dict[str, int | float] = {}
        for name in self._names:
            try:
                value = _SENSORS[name](self)
            except _UNREADABLE:
                continue
            if value is not None and math.isfinite(value):
                sample[name] = value
        return sample

    def _text(self, path: str | Path) -> str:
        with open(self._root / path, "rb") as file:
            return file.read(_MAX_FILE).decode("ascii", "replace")

    def _read_cpu_times(self) -> tuple[int, int] | None:
        """Idle and total clock ticks of all processors since boot (proc(5), /proc/stat)."""
        try:
            fields = self._text("proc/stat").partition("\n")[0].split()
            # Eight fields: user to steal. The guest times after them are counted in user already.
            times = [_count(field) for field in fields[1:9]]
            if fields[0] != "cpu":
                return None
            return times[3] + times[4], sum(times)
        except _UNREADABLE:
            return None

    def _cpu_load(self) -> float | None:
        before, self._cpu_times = self._cpu_times, self._read_cpu_times()
        if before is None or self._cpu_times is None:
            return None
        idle, total = self._cpu_times[0] - before[0], self._cpu_times[1] - before[1]
        if total <= 0:  # asked twice within one tick
            return None
        return _percent(total - idle, total)

    def _cpu_temperature(self) -> float | None:
        zones = [(zone / "type", zone / "temp") for zone in self._folders("sys/class/thermal/thermal_zone*")]
        chips = [(chip / "name", chip / "temp1_input") for chip in self._folders("sys/class/hwmon/hwmon*")]
        # Where none says that it is the processor's, the first zone is what tools commonly show.
        for sources, kinds in ((zones, _CPU_ZONES), (chips, _CPU_CHIPS), (zones, None)):
            for kind, temperature in sources:
                degrees = self._degrees(kind, temperature, kinds)
                if degrees is not None:
                    return degrees
        return None

    def _folders(self, pattern: str) -> list[Path]:
        return sorted(self._root.glob(pattern))

    def _degrees(self, kind: Path, temperature: Path, kinds: tuple[str, ...] | None) -> float | None:
        """Degrees Celsius from a file in thousandths, if its neighbour says one of `kinds`."""
        try:
            if kinds is not None and self._text(kind).strip() not in kinds:
                return None
            degrees = int(self._text(temperature)) / 1000
        except _UNREADABLE:
            return None
        # Unplugged sensors tell absurd figures.
        return round(degrees, 1) if -60 <= degrees <= 200 else None

    def _memory_used(self) -> float:
        kilobytes = {}
        for line in self._text("proc/meminfo").splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                kilobytes[name] = _count(rest.split()[0])
        return _percent(kilobytes["MemTotal"] - kilobytes["MemAvailable"], kilobytes["MemTotal"])

    def _disk_used(self) -> float:
        usage = os.statvfs(self._root)
        used = usage.f_blocks - usage.f_bfree
        # As df counts: what is reserved for root is neither used nor free.
        return _percent(used, used + usage.f_bavail)

    def _uptime(self) -> int:
        return int(_positive(self._text("proc/uptime").split()[0]))

    def _network_bytes(self, column: int) -> int:
        total, seen = 0, False
        for line in self._text("proc/net/dev").splitlines()[2:]:
            interface, colon, counters = line.partition(":")
            if colon and interface.strip() != "lo":
                total += _count(counters.split()[column])
                seen = True
        if not seen:
            raise ValueError("no interface but the loopback one")
        return total

    def _load_average(self) -> float:
        return _positive(self._text("proc/loadavg").split()[0])


def named(name: str) -> tuple[str, ...]:
    """The built-in sensors that `name` stands for: itself, or those of a group. ConfigError if none."""
    if name in GROUPS:
        return GROUPS[name]
    if name not in _SENSORS:
        known = [*GROUPS, *_SENSORS]
        raise ConfigError(
            f"there is no sensor {ascii(name)}",
            f"Built in are {', '.join(known)}; own ones are module:function or command:PROGRAM ARGUMENT ...",
        )
    return (name,)


def _count(text: str) -> int:
    """A counter of the kernel: decimal digits that fit 64 bits. ValueError otherwise."""
    if not text.isdecimal() or len(text) > 20:
        raise ValueError("not a counter")
    return int(text)


def _positive(text: str) -> float:
    """A number from 0 up to what a kernel could mean. ValueError otherwise."""
    number = float(text)
    if not 0 <= number < 1e12:
        raise ValueError("not a plausible number")
    return number


def _percent(part: int, whole: int) -> float:
    """`part` of `whole` in percent, one decimal, held within 0 and 100 (iowait can run backwards)."""
    return min(100.0, max(0.0, round(100 * part / whole, 1)))


_SENSORS: dict[str, Callable[[SystemSensors], int | float | None]] = {
    "cpu_load_percent": SystemSensors._cpu_load,
    "cpu_temperature_celsius": SystemSensors._cpu_temperature,
    "memory_used_percent": SystemSensors._memory_used,
    "disk_used_percent": SystemSensors._disk_used,
    "uptime_seconds": SystemSensors._uptime,
    "network_received_bytes": lambda self: self._network_bytes(0),
    "network_sent_bytes": lambda self: self._network_bytes(8),
    "load_average_1m": SystemSensors._load_average,
}

# Short names for what belongs together.
GROUPS: dict[str, tuple[str, ...]] = {
    "cpu": ("cpu_load_percent", "load_average_1m"),
    "temperature": ("cpu_temperature_celsius",),
    "memory": ("memory_used_percent",),
    "disk": ("disk_used_percent",),
    "uptime": ("uptime_seconds",),
    "network": ("network_received_bytes", "network_sent_bytes"),
}
