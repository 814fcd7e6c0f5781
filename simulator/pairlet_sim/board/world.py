"""The world around a board: what is connected to its pins, its display, its sensors, the air."""

from collections.abc import Callable

from .air import Relay, Wifi
from .device import _layout as layout
from .picture import half_blocks, png
from .registers import Registers, temperature_code
from .settings import BoardError, Settings
from .ssd1306 import Ssd1306

OLED_ADDRESS = 0x3C


class World:
    """What can be done to a board and seen of it from outside. `edge` is told of pins that change.

    `outputs`: what the board drives its pins to, as far as it has. To be made in a running event loop.
    """

    def __init__(
        self, settings: Settings, *, changed: Callable[[], None], edge: Callable[[int, int, int], None]
    ):
        self._changed = changed
        self._edge = edge
        self.outputs: dict[int, int] = {}
        self.registers = Registers()
        identity = settings.identity()
        # Locally administered, as no vendor's number may be taken.
        self.registers.set_bytes(layout.MAC, bytes([0x02, *identity[:5]]))
        self.registers.set_bytes(layout.UNIQUE_ID, identity[8:16])
        self.registers.set_bytes(layout.ADDRESS, bytes([192, 168, 4, 16]))
        self.set_temperature(24.0)
        self.display = Ssd1306(*settings.oled) if settings.oled else None
        if self.display:
            self.registers.set_present(OLED_ADDRESS)
        self.relay = Relay(lambda: self.wifi.up, self.registers.now)
        self.wifi = Wifi(
            self.registers, settings.networks, rejoins=settings.kind.rejoins, changed=self._wifi_changed
        )

    async def close(self) -> None:
        """End what goes through the air."""
        await self.relay.close()
        self.wifi.leave()
        self.registers.close()

    def _wifi_changed(self) -> None:
        self.relay.changed()
        self._changed()

    def i2c_write(self, address: int, data: bytes) -> None:
        """The board writes to a device at its bus."""
        if self.display and address == OLED_ADDRESS:
            self.display.write(data)
            self._changed()

    def i2c_read(self, address: int, size: int) -> bytes:
        """The board reads from a device at its bus."""
        return self.display.read(size) if self.display and address == OLED_ADDRESS else b"\xff" * size

    def driven(self, pin: int, level: int) -> None:
        """The board drives a pin."""
        self.outputs[pin] = level
        self._changed()

    def set_pin(self, pin: int, level: int | None) -> None:
        """Connect a pin to 0 or 1, or to nothing (None)."""
        if not 0 <= pin < layout.PIN_COUNT or level not in (0, 1, None):
            raise BoardError(f"There is no pin {pin} that could get the level {level}.")
        new = layout.FLOATING if level is None else level
        old = self.registers.byte(layout.PINS + pin)
        self.registers.set_byte(layout.PINS + pin, new)
        if old != new:
            self._edge(pin, old, new)

    def press(self, pin: int) -> None:
        """Press the button between a pin and ground."""
        self.set_pin(pin, 0)

    def release(self, pin: int) -> None:
        """Let the button go."""
        self.set_pin(pin, None)

    def set_temperature(self, degrees: float) -> None:
        """The chip's temperature in degrees Celsius."""
        self.registers.set_adc(layout.TEMPERATURE_CHANNEL, temperature_code(degrees))

    def set_adc(self, pin: int, part: float) -> None:
        """The voltage at an analogue pin, as a part (0 to 1) of its range."""
        if not 0 <= pin < layout.PIN_COUNT or not 0 <= part <= 1:
            raise BoardError("An analogue pin takes a value from 0 to 1.")
        self.registers.set_adc(pin, round(part * 65535))

    def wifi_on(self) -> None:
        """The access point is there."""
        self.wifi.switch(True)

    def wifi_off(self, *, reset: bool = False) -> None:
        """The access point is gone: connections fall silent, or with `reset` break."""
        self.wifi.switch(False)
        if reset:
            self.relay.cut()

    def set_rssi(self, dbm: int) -> None:
        """How strong the access point is."""
        if not -120 <= dbm <= 0:
            raise BoardError("The signal is between -120 and 0 dBm.")
        self.registers.set_byte(layout.RSSI, dbm)

    def set_time_server(self, unix_time: float | None) -> None:
        """What the time server says from now on; None: it is silent."""
        self.relay.time_shift = None if unix_time is None else unix_time - self.registers.now()

    def is_quiet(self) -> bool:
        """Whether nothing is under way in the air; see `Relay.is_quiet` for when to ask."""
        return not self.wifi.joining and self.relay.is_quiet()

    def pixels(self) -> list[bytes]:
        """The display, a bytes object a line, 1 for a pixel that is lit; empty without a display."""
        return self.display.pixels() if self.display else []

    def screenshot(self, scale: int = 4) -> bytes:
        """The display as a PNG file. Raises BoardError without a display."""
        if self.display is None:
            raise BoardError("This board has no display.")
        return png(self.pixels(), scale)

    def screen_text(self) -> str:
        """The display in half blocks."""
        return half_blocks(self.pixels())
