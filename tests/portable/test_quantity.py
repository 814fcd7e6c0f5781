"""Units and classes by the ending of a name."""

from pairlet.core.quantity import (
    _COUNTERS,
    _THINGS,
    _UNITS,
    MEASUREMENT,
    TOTAL_INCREASING,
    is_about_the_device,
    label,
    quantity_of,
)


def facts(name):
    quantity = quantity_of(name)
    return quantity.unit, quantity.device_class, quantity.state_class


def test_the_ending_tells_the_unit():
    assert facts("cpu_temperature_celsius") == ("°C", "temperature", MEASUREMENT)
    assert facts("battery_volts") == ("V", "voltage", MEASUREMENT)
    assert facts("wifi_rssi_dbm") == ("dBm", "signal_strength", MEASUREMENT)
    assert facts("uptime_seconds") == ("s", "duration", MEASUREMENT)
    assert facts("heap_free_bytes") == ("B", "data_size", MEASUREMENT)
    assert facts("cpu_load_percent") == ("%", None, MEASUREMENT)


def test_what_is_measured_refines_it():
    assert facts("greenhouse_humidity_percent") == ("%", "humidity", MEASUREMENT)
    assert facts("room_co2_ppm") == ("ppm", "carbon_dioxide", MEASUREMENT)
    assert facts("pool_ph") == (None, "ph", MEASUREMENT)


def test_counters_only_grow():
    assert facts("network_received_bytes") == ("B", "data_size", TOTAL_INCREASING)
    assert facts("solar_kilowatt_hours") == ("kWh", "energy", TOTAL_INCREASING)
    assert facts("door_openings_total") == (None, None, TOTAL_INCREASING)


def test_a_name_of_no_known_ending_is_a_bare_number():
    for name in ("load_average_1m", "mood", "", "_", "subtotal", "xvolts", "graph"):
        assert facts(name) == (None, None, MEASUREMENT), name


def test_no_ending_is_hidden_by_one_before_it():
    for line in _UNITS.strip().split("\n"):
        ending, unit, device_class = [None if word == "-" else word for word in line.split(" ")]
        quantity = quantity_of("thing_" + ending)
        assert (quantity.ending, quantity.unit, quantity.device_class) == (ending, unit, device_class)
    for line in _THINGS.strip().split("\n"):
        ending, device_class = line.split(" ")
        assert quantity_of("my_" + ending).device_class == device_class
    for ending in _COUNTERS.split(" "):
        assert quantity_of("my_" + ending).state_class == TOTAL_INCREASING


def test_labels_are_for_people():
    assert label("room_temperature_celsius") == "Room temperature"
    assert label("cpu_load_percent") == "CPU load"
    assert label("wifi_rssi_dbm") == "Wi-Fi RSSI"
    assert label("load_average_1m") == "Load average 1m"
    assert label("network_received_bytes") == "Network received"
    assert label("room_co2_ppm") == "Room CO2"
    assert label("pool_ph") == "Pool pH"
    assert label("ph") == "pH"
    assert label("volts") == "Volts"
    assert label("uptime_seconds") == "Uptime"
    assert [label(name) for name in ("", "_", "_volts", "a__b")] == ["", "_", "_volts", "A b"]


def test_what_tells_of_the_device_itself():
    assert is_about_the_device("cpu_load_percent") and is_about_the_device("uptime_seconds")
    assert not is_about_the_device("cpus_in_stock") and not is_about_the_device("pump_volts")
