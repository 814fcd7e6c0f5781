# mypy: ignore-errors
"""What of an ESP32's `esp32` a program on a virtual board may want."""

import struct

import _layout
import _wire


def mcu_temperature():
    """The chip's temperature in whole degrees Celsius."""
    # The world keeps it as the voltage that a Pico's sensor gives; one world serves both boards.
    value = struct.unpack("<H", _wire.read(_layout.ADC + 2 * _layout.TEMPERATURE_CHANNEL, 2))[0]
    return round(27 - (value * 3.3 / 65535 - 0.706) / 0.001721)


def raw_temperature():
    """The chip's temperature in degrees Fahrenheit, as the first ESP32 gives it."""
    return round(mcu_temperature() * 9 / 5 + 32)
