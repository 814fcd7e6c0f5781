"""What a value is, by the ending of its name: its unit, and what Home Assistant and metrics make of it.

The convention: a name is lower-case words joined by underscores, the last of them the unit in full, in
the plural where English has one: room_temperature_celsius, pump_volts, door_openings_total. Who names a
value so needs to say nothing else about it anywhere.
"""

from collections import namedtuple

# ending: the words of the name that are its unit, "" for none. unit: as it is written, None for a bare
# number. device_class, state_class: Home Assistant's, or None.
Quantity = namedtuple("Quantity", ("ending", "unit", "device_class", "state_class"))

MEASUREMENT = "measurement"
# A counter that only grows, and begins anew at 0 when the device does.
TOTAL_INCREASING = "total_increasing"

# Ending, unit and device_class ("-": none). The first that fits counts, so what ends in another one stands
# before it. Micrograms have the micro sign, not the Greek letter: older Home Assistants know only that one.
# A text: as objects it would take three times the memory of a board.
_UNITS = """\
celsius °C temperature
fahrenheit °F temperature
kelvin K temperature
percent % -
millivolts mV voltage
volts V voltage
milliamperes mA current
amperes A current
kilowatts kW power
watts W power
kilowatt_hours kWh energy
watt_hours Wh energy
dbm dBm signal_strength
decibels dB sound_pressure
bytes_per_second B/s data_rate
bytes B data_size
metres_per_second m/s speed
milliseconds ms duration
seconds s duration
litres_per_minute L/min volume_flow_rate
minutes min duration
hours h duration
days d duration
hectopascals hPa pressure
kilopascals kPa pressure
pascals Pa pressure
lux lx illuminance
ppm ppm -
ppb ppb -
micrograms_per_cubic_metre \u00b5g/m³ -
kilohertz kHz frequency
megahertz MHz frequency
hertz Hz frequency
cubic_metres m³ volume
millimetres mm distance
centimetres cm distance
kilometres km distance
metres m distance
kilograms kg weight
grams g weight
litres L volume_storage
rpm rpm -
degrees ° -
total - -
"""
# What is measured, where the unit alone does not tell it: ending and device_class.
_THINGS = """\
humidity_percent humidity
moisture_percent moisture
battery_percent battery
co2_ppm carbon_dioxide
co_ppm carbon_monoxide
pm1_micrograms_per_cubic_metre pm1
pm25_micrograms_per_cubic_metre pm25
pm10_micrograms_per_cubic_metre pm10
ph ph
"""
_COUNTERS = "total received_bytes sent_bytes read_bytes written_bytes kilowatt_hours watt_hours cubic_metres"
# First words of what tells of the device, not of the world around it.
_OWN = ("cpu", "memory", "disk", "uptime", "network", "load", "chip", "heap", "wifi")
_SPELLED = {
    "cpu": "CPU", "wifi": "Wi-Fi", "rssi": "RSSI", "co2": "CO2", "co": "CO", "pm1": "PM1", "pm10": "PM10",
    "pm25": "PM2.5", "ph": "pH",
}  # fmt: skip


def quantity_of(name: str) -> Quantity:
    """What the value `name` is; one whose ending says nothing is a bare number."""
    ending, unit, device_class = "", "-", "-"
    for line in _UNITS.split("\n"):
        if _ends(name, line.split(" ", 1)[0]):
            ending, unit, device_class = line.split(" ")
            break
    for line in _THINGS.split("\n"):
        thing = line.split(" ")
        if _ends(name, thing[0]):
            device_class = thing[1]
    counts = any(_ends(name, counter) for counter in _COUNTERS.split(" "))
    state_class = TOTAL_INCREASING if counts else MEASUREMENT
    return Quantity(ending, _or_none(unit), _or_none(device_class), state_class)


def _or_none(word: str) -> "str | None":
    return None if word == "-" else word


def is_about_the_device(name: str) -> bool:
    """Whether the value `name` tells of the device itself (its processor, its Wi-Fi), by its first word."""
    return name.split("_", 1)[0] in _OWN


def label(name: str) -> str:
    """`name` for people, without its unit: "Room temperature" for "room_temperature_celsius"."""
    ending = quantity_of(name).ending
    rest = name[: len(name) - len(ending) - 1] if ending and len(name) > len(ending) else name
    text = " ".join([_SPELLED.get(word, word) for word in rest.split("_") if word]) or name
    # Not where it was spelled: pH has its small letter at the start as well.
    return text if rest.split("_", 1)[0] in _SPELLED else text[:1].upper() + text[1:]


def _ends(name: str, ending: str) -> bool:
    return bool(ending) and (name == ending or name.endswith("_" + ending))
