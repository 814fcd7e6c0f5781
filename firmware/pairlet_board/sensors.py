"""The Sensors port on a board: what the chip tells about itself, and analogue inputs."""

import gc
import math

from pairlet.core.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pairlet.ports import Clock

    Reading = Callable[[], int | float | None]

# RP2040 and RP2350 data sheets: the diode gives 0.706 V at 27 degrees, 1.721 mV less per degree more.
_RP2_VOLTS = 0.706
_RP2_VOLTS_PER_DEGREE = 0.001721
_RP2_DEGREES = 27


class BoardSensors:
    """Temperature of the chip, free heap, signal strength, uptime, and volts of analogue inputs.

    names: which to read (None: all that this board has, see known()); ConfigError for one it has not.
    machine: the module. esp32: the module of that name, None elsewhere. rssi(): dBm or None, such as
    Wifi.rssi. inputs: name to pin number, such as {"battery": 28} for "battery_volts".
    """

    def __init__(
        self,
        machine: "Any",
        clock: "Clock",
        names: "list[str] | None" = None,
        rssi: "Reading | None" = None,
        inputs: "dict[str, int] | None" = None,
        esp32: "Any" = None,
    ):
        self._clock = clock
        # Name and reading; a list, for dicts have no order here.
        self._readings: list[tuple[str, Reading]] = []
        self._add("chip_temperature_celsius", _chip_temperature(machine, esp32))
        self._add("heap_free_bytes", _free_heap if hasattr(gc, "mem_free") else None)
        self._add("wifi_rssi_dbm", rssi)
        self._add("uptime_seconds", self._uptime)
        for name in sorted(inputs or {}):
            self._add(name + "_volts", _volts(machine, name, (inputs or {})[name]))
        if names is not None:
            self._choose(names)

    def known(self) -> "list[str]":
        """Every name that `read()` can give, in the order in which it gives them."""
        return [name for name, _ in self._readings]

    async def read(self) -> "dict[str, int | float]":
        """One sample: degrees Celsius, bytes, dBm, seconds, volts. What can't be read is left out."""
        sample: dict[str, int | float] = {}
        for name, reading in self._readings:
            try:
                value = reading()
            except (OSError, ValueError):
                continue
            if value is not None and math.isfinite(value):
                sample[name] = value
        return sample

    def _add(self, name: str, reading: "Reading | None") -> None:
        if reading is not None:
            self._readings.append((name, reading))

    def _choose(self, names: "list[str]") -> None:
        known = self.known()
        for name in names:
            if name not in known:
                raise ConfigError(f"there is no sensor '{name}'", "There are: " + ", ".join(known) + ".")
        self._readings = [(name, reading) for name, reading in self._readings if name in names]

    def _uptime(self) -> int:
        return self._clock.now() // 1000


def _free_heap() -> int:
    # What nobody uses any more is free, but only a collection finds it.
    gc.collect()
    return int(gc.mem_free())  # type: ignore[attr-defined,unused-ignore]


def _chip_temperature(machine: "Any", esp32: "Any") -> "Reading | None":
    """How this chip tells its temperature in degrees Celsius, None if it does not."""
    if esp32 is not None:
        if hasattr(esp32, "mcu_temperature"):
            return lambda: _plausible(esp32.mcu_temperature())
        if hasattr(esp32, "raw_temperature"):  # the first ESP32, which was given Fahrenheit
            return lambda: _plausible((esp32.raw_temperature() - 32) / 1.8)
        return None
    # Not a number of our own: on other chips the same channel is a pin.
    channel = getattr(getattr(machine, "ADC", None), "CORE_TEMP", None)
    if channel is None:
        return None
    volts = _reader(machine.ADC(channel))
    return lambda: _plausible(_RP2_DEGREES - (volts() - _RP2_VOLTS) / _RP2_VOLTS_PER_DEGREE)


def _plausible(degrees: float) -> "float | None":
    """`degrees` with one decimal, None for what no chip has that still counts."""
    return round(degrees, 1) if -60 <= degrees <= 200 else None


def _volts(machine: "Any", name: str, pin: int) -> "Reading":
    """Reads the volts at `pin`. Raises ConfigError when that pin can't."""
    try:
        volts = _reader(machine.ADC(machine.Pin(pin)))
    except (ValueError, OSError, TypeError):
        raise ConfigError(f"the pin of the sensor '{name}' has no analogue input") from None
    return lambda: round(volts(), 3)


def _reader(adc: "Any") -> "Callable[[], float]":
    """Volts at `adc`: calibrated where the chip can, otherwise of a full scale of 3.3 V."""
    if hasattr(adc, "read_uv"):
        return lambda: adc.read_uv() / 1000000
    return lambda: adc.read_u16() * 3.3 / 65535
