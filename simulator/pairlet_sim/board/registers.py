"""The host's end of the registers: the world around a board, where the board reads it at any time.

A file without a name, mapped into memory here and read with seek and read there.
"""

import mmap
import os
import struct
import tempfile
import time

from .device import _idle_layout as idle_layout
from .device import _layout as layout

FLOATING = layout.FLOATING


class Registers:
    """Typed access to the bytes that `device/_layout.py` describes. `fileno()` is for the interpreter."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the board
        self._file.truncate(layout.SIZE)
        self._map = mmap.mmap(self._file.fileno(), layout.SIZE)
        self._map[layout.PINS : layout.PINS + layout.PIN_COUNT] = bytes([FLOATING]) * layout.PIN_COUNT

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()
        self._file.close()

    def reopened(self) -> int:
        """A descriptor with a file position of its own; the caller closes it."""
        return os.open(f"/proc/self/fd/{self._file.fileno()}", os.O_RDWR)

    def byte(self, place: int) -> int:
        """One register."""
        return self._map[place]

    def set_byte(self, place: int, value: int) -> None:
        """Set one register; negative numbers as two's complement."""
        self._map[place] = value & 255

    def set_bytes(self, place: int, data: bytes) -> None:
        """Set neighbouring registers."""
        self._map[place : place + len(data)] = data

    def set_present(self, address: int) -> None:
        """From now on a device answers at this address of the I2C bus."""
        self._map[layout.I2C_PRESENT + (address >> 3)] |= 1 << (address & 7)

    def adc(self, channel: int) -> int:
        """What a channel of the converter reads, 0 to 65535."""
        return int(struct.unpack_from("<H", self._map, layout.ADC + 2 * channel)[0])

    def set_adc(self, channel: int, value: int) -> None:
        """Set what a channel reads; bounded to 0 to 65535."""
        struct.pack_into("<H", self._map, layout.ADC + 2 * channel, min(65535, max(0, value)))

    def skipped_ms(self) -> int:
        """Milliseconds of idle time that the board has skipped since it was made."""
        return int(struct.unpack_from("<q", self._map, idle_layout.SKIPPED)[0])

    def skip(self, milliseconds: int) -> None:
        """Skip time in place of a board that is off."""
        struct.pack_into("<q", self._map, idle_layout.SKIPPED, self.skipped_ms() + milliseconds)

    def now(self) -> float:
        """Unix time in the world around the board: this machine's, and what was skipped."""
        return time.time() + self.skipped_ms() / 1000

    def clock(self) -> float:
        """The board's clock as Unix time, in seconds."""
        return self.now() + int(struct.unpack_from("<q", self._map, layout.CLOCK)[0]) / 1000

    def set_clock(self, unix_time: float) -> None:
        """Set the board's clock."""
        struct.pack_into("<q", self._map, layout.CLOCK, round((unix_time - self.now()) * 1000))


def temperature_code(celsius: float) -> int:
    """What the RP2040's temperature channel reads: 706 mV at 27 °C, 1.721 mV less for each degree more."""
    return round((0.706 - (celsius - 27) * 0.001721) / 3.3 * 65535)


def celsius(code: int) -> float:
    """The inverse of `temperature_code`."""
    return 27 - (code * 3.3 / 65535 - 0.706) / 0.001721
