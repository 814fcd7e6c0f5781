# mypy: ignore-errors
"""`machine` as on a Pico W or an ESP32; the world at the other end of the pins is the host's."""

import struct

import _interrupts
import _layout
import _wire
import uctypes
import umachine
import utime
from _bus import I2C, SoftI2C  # noqa: F401
from umachine import Signal, idle, time_pulse_us  # noqa: F401

PWRON_RESET, WDT_RESET = 1, 3
if _wire.esp32:
    HARD_RESET, DEEPSLEEP_RESET, SOFT_RESET = 2, 4, 5
    _CAUSES = (0, 1, 2, 3, 4, 5)
else:
    # An RP2040 resets and wakes itself with its watchdog, and can't tell these apart afterwards.
    _CAUSES = (0, 1, 3, 3, 3)
_frequency = 240000000 if _wire.esp32 else 125000000


class _Memory:
    """Memory by its address, little end first; of the interpreter's, since there is no other."""

    def __init__(self, size):
        self._size = size

    def __getitem__(self, address):
        return int.from_bytes(uctypes.bytes_at(address, self._size), "little")

    def __setitem__(self, address, value):
        mask = (1 << 8 * self._size) - 1
        uctypes.bytearray_at(address, self._size)[:] = (value & mask).to_bytes(self._size, "little")


mem8, mem16, mem32 = _Memory(1), _Memory(2), _Memory(4)


class Pin(umachine.PinBase):
    """A pin. What it reads comes from outside; where nothing is connected the pull resistor decides."""

    IN, OUT, OPEN_DRAIN = 0, 1, 2
    PULL_UP, PULL_DOWN = 1, 2
    IRQ_RISING, IRQ_FALLING = 8, 4

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **unused):
        if id in ("LED", "WL_GPIO0") and not _wire.esp32:
            number = _layout.LED_PIN
        else:
            number = int(id[4:] if isinstance(id, str) and id.startswith("GPIO") else id)
        if not 0 <= number < _layout.PIN_COUNT:
            raise ValueError("invalid pin")
        self._number = number
        self._latch = 0
        self._mode = self.IN
        self._pull = None
        self._handler = None
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **unused):
        """Set what is given, keep the rest."""
        if mode not in (-1, None):
            self._mode = mode
        if pull != -1:
            self._pull = pull
        if value is not None:
            self._latch = -1
            self._drive(value)

    def value(self, x=None):
        """The level, 0 or 1; with an argument, drive it."""
        if x is not None:
            return self._drive(x)
        if self._mode == self.OUT or (self._mode == self.OPEN_DRAIN and not self._latch):
            return self._latch
        return self._level(_wire.read(_layout.PINS + self._number, 1)[0])

    __call__ = value

    def on(self):
        """Drive high."""
        self._drive(1)

    def off(self):
        """Drive low."""
        self._drive(0)

    high = on
    low = off

    def toggle(self):
        """Drive the other way."""
        self._drive(not self._latch)

    def irq(self, handler=None, trigger=12, **unused):
        """Call `handler(pin)` at edges that come from outside; None ends it."""
        self._handler, self._trigger = handler, trigger
        if handler is None:
            _interrupts.unwatch(self._number)
        else:
            _interrupts.watch(self, self._number)
        return self

    def _drive(self, level):
        level = int(bool(level))
        if level != self._latch:
            self._latch = level
            _wire.tell(_layout.PIN_OUT, self._number, level)

    def _level(self, raw):
        return raw if raw != _layout.FLOATING else int(self._pull == self.PULL_UP)

    def _edge(self, old, new):
        old, new = self._level(old), self._level(new)
        if old != new and self._trigger & (self.IRQ_RISING if new else self.IRQ_FALLING):
            self._handler(self)

    def __repr__(self):
        return "Pin(GPIO%d)" % self._number


class ADC:
    """An analogue input: a pin's number, a Pin, or channel 4 (a Pico W's temperature)."""

    CORE_TEMP = _layout.TEMPERATURE_CHANNEL
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3

    def __init__(self, id, **unused):
        number = id._number if isinstance(id, Pin) else int(id)
        if not _wire.esp32 and number < 4:
            number += 26
        if not 0 <= number < _layout.PIN_COUNT:
            raise ValueError("Pin doesn't have ADC capabilities")
        self._place = _layout.ADC + 2 * number

    def read_u16(self):
        """0 to 65535 for 0 to 3.3 V."""
        return struct.unpack("<H", _wire.read(self._place, 2))[0]

    def read_uv(self):
        """Microvolts."""
        return self.read_u16() * 3300000 // 65535

    def read(self):
        """0 to 4095, as an ESP32 has it."""
        return self.read_u16() >> 4

    def atten(self, attenuation):
        """The range is always the whole one."""


class PWM:
    """A pin that is driven part of the time; the host sees it on while the duty is not 0."""

    def __init__(self, dest, *, freq=1000, duty_u16=0, **unused):
        self._pin, self._frequency, self._duty = dest, freq, 0
        self.duty_u16(duty_u16)

    def freq(self, value=None):
        """Get or set the frequency in hertz."""
        if value is None:
            return self._frequency
        self._frequency = value

    def duty_u16(self, value=None):
        """Get or set the duty, 0 to 65535."""
        if value is None:
            return self._duty
        self._duty = value
        self._pin.value(value > 0)

    def deinit(self):
        """Stop."""
        self.duty_u16(0)


class RTC:
    """The clock: lost with the power, kept by a soft reset; an ESP32 keeps it in any other reset, too."""

    def datetime(self, fields=None):
        """Get or set (year, month, day, weekday, hour, minute, second, subseconds)."""
        import time

        if fields is None:
            year, month, day, hour, minute, second, weekday, _ = time.gmtime()
            return (year, month, day, weekday, hour, minute, second, 0)
        year, month, day, _, hour, minute, second = fields[:7]
        wanted = time.mktime((year, month, day, hour, minute, second)) - time.mktime((1970, 1, 1, 0, 0, 0))
        _wire.set_clock_offset(wanted * 1000 - utime.time_ns() // 1000000)


class WDT:
    """The watchdog: the host resets a board that does not feed it in time. Nothing stops it but a reset."""

    def __init__(self, id=0, timeout=5000):
        limit = 0x7FFFFFFF if _wire.esp32 else 8388
        if not 1 <= timeout <= limit:
            raise ValueError("timeout exceeds %d" % limit)
        _wire.ask(_layout.WATCHDOG_START, struct.pack("<I", timeout))

    def feed(self):
        """Begin the time anew."""
        _wire.tell(_layout.WATCHDOG_FEED)


class Timer:
    """Calls a function once or again and again."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, id=-1, **options):
        if options:
            self.init(**options)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None, **unused):
        """Begin: `period` in milliseconds or `freq` in hertz."""
        self._period = max(1, int(1000 / freq) if freq > 0 else period)
        self._once = mode == self.ONE_SHOT
        self._callback = callback
        self._next = utime.ticks_add(utime.ticks_ms(), self._period)
        _interrupts.add_timer(self)

    def deinit(self):
        """Stop."""
        _interrupts.remove_timer(self)

    def _due(self, now):
        if utime.ticks_diff(now, self._next) < 0:
            return True
        self._next = utime.ticks_add(self._next, self._period)
        if self._callback is not None:
            self._callback(self)
        return not self._once


def unique_id():
    """The chip's number: 8 bytes on a Pico W; an ESP32 gives its MAC address."""
    return _wire.read(_layout.MAC, 6) if _wire.esp32 else _wire.read(_layout.UNIQUE_ID, 8)


def reset_cause():
    """Why the board started: one of the constants that end in _RESET."""
    return _CAUSES[_wire.read(_layout.RESET_CAUSE, 1)[0]]


def reset():
    """Start anew as if the reset button were pressed."""
    _wire.reset(_layout.HARD_RESET)


def soft_reset():
    """Start the interpreter anew."""
    raise SystemExit


def freq(value=None):
    """Get or set the processor's frequency in hertz; it changes nothing here."""
    global _frequency
    if value is None:
        return _frequency
    _frequency = value


def lightsleep(ms=None):
    """Sleep; without a time, for ever."""
    while ms is None:
        utime.sleep_ms(1000)
    utime.sleep_ms(ms)


def deepsleep(ms=0):
    """Go off and start anew after `ms` milliseconds."""
    _wire.reset(_layout.DEEP_SLEEP, ms)


def disable_irq():
    """Handlers take turns with the program here; there is nothing to hold back."""
    return 1


def enable_irq(state=1):
    """See disable_irq."""
