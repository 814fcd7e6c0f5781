"""pairlet_board.sensors: what the chip tells about itself, with units in the names."""

import asyncio

from fakes import VirtualClock
from pairlet.core.errors import ConfigError
from pairlet_board.sensors import BoardSensors


class Adc:
    """machine.ADC of a Pico W: channel 4 is the temperature; `volts` by channel."""

    CORE_TEMP = 4
    volts = {}

    def __init__(self, channel):
        if channel not in self.volts:
            raise ValueError("Pin doesn't have ADC capabilities")
        self.channel = channel

    def read_u16(self):
        return round(self.volts[self.channel] * 65535 / 3.3)


class Calibrated:
    """machine.ADC of an ESP32: no temperature, calibrated microvolts."""

    def __init__(self, channel):
        if channel != 34:
            raise ValueError("invalid pin")

    def read_uv(self):
        return 1_234_567


class Chip:
    """The module machine."""

    def __init__(self, adc):
        if adc is not None:
            self.ADC = adc

    def Pin(self, number):
        return number


class Esp32:
    """The module esp32, with what it is given."""

    def __init__(self, **functions):
        for name in functions:
            setattr(self, name, functions[name])


def pico(celsius=25.0, **options):
    Adc.volts = {4: 0.706 - (celsius - 27) * 0.001721, 28: 1.65}
    return BoardSensors(Chip(Adc), VirtualClock(61_999), **options)


def read(sensors):
    return asyncio.run(sensors.read())


def near(value, wanted):
    return abs(value - wanted) < 0.11


def test_a_pico_tells_temperature_heap_and_uptime():
    for celsius in (-20.0, 25.0, 85.0):
        sample = read(pico(celsius))
        assert near(sample["chip_temperature_celsius"], celsius)
        assert sample["uptime_seconds"] == 61
        assert sample.get("heap_free_bytes", 1) > 0


def test_the_two_ways_an_esp32_tells_its_temperature():
    for functions, wanted in (
        ({"mcu_temperature": lambda: 41}, 41),
        ({"raw_temperature": lambda: 128}, 53.3),
        ({"mcu_temperature": lambda: 41, "raw_temperature": lambda: 128}, 41),
    ):
        sensors = BoardSensors(Chip(Calibrated), VirtualClock(), esp32=Esp32(**functions))
        assert near(read(sensors)["chip_temperature_celsius"], wanted)
    none = BoardSensors(Chip(Calibrated), VirtualClock(), esp32=Esp32())
    assert "chip_temperature_celsius" not in none.known()


def test_a_chip_without_any_is_no_trouble():
    for adc in (None, Calibrated):
        sensors = BoardSensors(Chip(adc), VirtualClock(5000))
        assert "chip_temperature_celsius" not in sensors.known()
        assert read(sensors)["uptime_seconds"] == 5


def test_absurd_temperatures_are_left_out():
    for celsius in (-100.0, 400.0):
        assert "chip_temperature_celsius" not in read(pico(celsius))


def test_analogue_inputs_are_volts_under_their_names():
    assert near(read(pico(inputs={"battery": 28}))["battery_volts"], 1.65)
    sensors = BoardSensors(Chip(Calibrated), VirtualClock(), inputs={"battery": 34})
    assert read(sensors)["battery_volts"] == 1.235


def test_a_pin_without_analogue_input_is_a_config_error():
    for machine in (Chip(Adc), Chip(Calibrated)):
        try:
            BoardSensors(machine, VirtualClock(), inputs={"battery": 5})
        except ConfigError as error:
            assert "battery" in str(error)
        else:
            raise AssertionError("no ConfigError")


def test_the_signal_is_told_while_there_is_one():
    levels = [-70, None]
    sensors = pico(rssi=lambda: levels.pop(0))
    assert read(sensors)["wifi_rssi_dbm"] == -70
    assert "wifi_rssi_dbm" not in read(sensors)


def test_what_fails_or_is_no_number_is_left_out_and_the_rest_is_there():
    def broken():
        raise OSError(5, "gone")

    for reading in (broken, lambda: float("nan"), lambda: float("inf")):
        sample = read(pico(rssi=reading))
        assert "wifi_rssi_dbm" not in sample
        assert sample["uptime_seconds"] == 61


def test_only_what_was_chosen_is_read():
    sensors = pico(names=["uptime_seconds", "chip_temperature_celsius"])
    assert sensors.known() == ["chip_temperature_celsius", "uptime_seconds"]
    assert sorted(read(sensors)) == ["chip_temperature_celsius", "uptime_seconds"]


def test_an_unknown_name_is_a_config_error_that_tells_the_known_ones():
    try:
        pico(names=["cpu_load_percent"])
    except ConfigError as error:
        assert "cpu_load_percent" in str(error) and "uptime_seconds" in error.advice
    else:
        raise AssertionError("no ConfigError")
