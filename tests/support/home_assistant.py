"""What Home Assistant makes of a discovery message in the device form, as its documentation has it.

Not its code: keys, what they are short for, and what each kind of entity must and may have. An AssertionError
says what Home Assistant would complain of, or pass over in silence.
"""

import json
import re
from typing import Any

# Topics and ids: the only characters that discovery takes.
_TOPIC = re.compile(r"^homeassistant/device/[a-zA-Z0-9_-]+/config$")
_SHORT = {
    "dev": "device",
    "o": "origin",
    "cmps": "components",
    "avty_t": "availability_topic",
    "stat_t": "state_topic",
    "cmd_t": "command_topic",
    "pl_prs": "payload_press",
    "p": "platform",
    "uniq_id": "unique_id",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "dev_cla": "device_class",
    "stat_cla": "state_class",
    "ent_cat": "entity_category",
}
_DEVICE = {"ids": "identifiers", "name": "name", "mf": "manufacturer", "sw": "sw_version"}
_SHARED = {"device", "origin", "components", "availability_topic", "state_topic", "qos"}
_SENSOR = {"platform", "name", "unique_id", "value_template", "state_class", "state_topic"}
_SENSOR |= {"unit_of_measurement", "device_class", "entity_category"}
_BUTTON = {"platform", "name", "unique_id", "command_topic", "payload_press", "entity_category"}
# The units that a device class goes with; None for a class without any.
_UNITS = {
    "battery": {"%"},
    "carbon_dioxide": {"ppm"},
    "carbon_monoxide": {"ppm"},
    "current": {"A", "mA"},
    "data_rate": {"B/s"},
    "data_size": {"B"},
    "distance": {"mm", "cm", "m", "km"},
    "duration": {"ms", "s", "min", "h", "d"},
    "energy": {"Wh", "kWh"},
    "frequency": {"Hz", "kHz", "MHz"},
    "humidity": {"%"},
    "illuminance": {"lx"},
    "moisture": {"%"},
    "ph": {None},
    "pm1": {"\u00b5g/m³"},
    "pm10": {"\u00b5g/m³"},
    "pm25": {"\u00b5g/m³"},
    "power": {"W", "kW"},
    "pressure": {"Pa", "hPa", "kPa"},
    "signal_strength": {"dBm", "dB"},
    "sound_pressure": {"dB", "dBA"},
    "speed": {"m/s"},
    "temperature": {"°C", "°F", "K"},
    "timestamp": {None},
    "voltage": {"V", "mV"},
    "volume": {"L", "m³"},
    "volume_flow_rate": {"L/min", "m³/h"},
    "volume_storage": {"L", "m³"},
    "weight": {"g", "kg"},
}
# Sums that only grow can't be momentary values, and the other way round.
_ONLY_TOTAL = {"energy", "volume"}
_ONLY_MEASURED = {"temperature", "humidity", "voltage", "current", "power", "pressure", "volume_storage"}


def _spelled(members: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in members.items()}


def entities(topic: str, payload: str) -> dict[str, dict[str, Any]]:
    """The components of a device message by their keys, spelled out, with what they inherit.

    One that only says its platform is the mark of an entity to remove, and stays just that.
    """
    assert _TOPIC.match(topic), topic
    message = _spelled(json.loads(payload), _SHORT)
    assert set(message) <= _SHARED, set(message) - _SHARED
    device = _spelled(message["device"], _DEVICE)
    assert device["identifiers"] and set(device) <= set(_DEVICE.values())
    assert message["origin"]["name"]
    shared = {name: message[name] for name in ("availability_topic", "state_topic", "qos") if name in message}
    found, ids = {}, []
    for key, component in message["components"].items():
        entity = _spelled(component, _SHORT)
        assert entity["platform"] in ("sensor", "button"), entity
        if len(entity) > 1:
            ids.append(entity["unique_id"])
            (_check_sensor if entity["platform"] == "sensor" else _check_button)(entity)
            entity = {**shared, **entity}
        found[key] = entity
    assert len(set(ids)) == len(ids), "two entities with one unique_id"
    return found


def _check_sensor(entity: dict[str, Any]) -> None:
    assert set(entity) <= _SENSOR, set(entity) - _SENSOR
    assert entity["name"] and "{{" in entity["value_template"]
    assert entity.get("entity_category") in (None, "diagnostic")
    device_class, state_class = entity.get("device_class"), entity.get("state_class")
    if device_class is not None:
        assert entity.get("unit_of_measurement") in _UNITS[device_class], entity
    if device_class == "timestamp":
        assert state_class is None
    else:
        assert state_class in ("measurement", "total_increasing")
    assert device_class not in _ONLY_TOTAL or state_class == "total_increasing", entity
    assert device_class not in _ONLY_MEASURED or state_class == "measurement", entity


def _check_button(entity: dict[str, Any]) -> None:
    assert set(entity) <= _BUTTON, set(entity) - _BUTTON
    assert entity["command_topic"] and entity["entity_category"] in ("config", "diagnostic")
