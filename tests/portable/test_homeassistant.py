"""The description of a device for Home Assistant's MQTT discovery."""

import json

from pairlet.core import homeassistant
from pairlet.core.telemetry import Topics

TOPICS = Topics("devices/{device_id}", "lamp.1")


def described(names, gone=(), allowed=("ping",)):
    payload = homeassistant.description(
        ("lamp.1", "Kitchen"), "1.0", TOPICS, list(names), list(gone), list(allowed)
    )
    return json.loads(payload)


def test_topics_hold_what_home_assistant_takes():
    assert homeassistant.discovery_topic("homeassistant", "d-1") == "homeassistant/device/d-1/config"
    assert homeassistant.object_id("lamp.1") == "lamp__1"


def test_the_device_says_who_it_is_and_whether_it_is_there():
    told = described(["cpu_load_percent"])
    assert told["dev"] == {"ids": ["lamp__1"], "name": "Kitchen", "mf": "Pairlet", "sw": "1.0"}
    assert told["o"]["name"] == "Pairlet"
    assert told["avty_t"] == "devices/lamp.1/status" and told["stat_t"] == "devices/lamp.1/telemetry"


def test_each_value_is_a_sensor():
    parts = described(["cpu_load_percent", "room_temperature_celsius", "mood"])["cmps"]
    load, room, mood = parts["cpu_load_percent"], parts["room_temperature_celsius"], parts["mood"]
    assert load["unit_of_meas"] == "%" and load["ent_cat"] == "diagnostic" and "dev_cla" not in load
    assert room["dev_cla"] == "temperature" and room["unit_of_meas"] == "\u00b0C" and "ent_cat" not in room
    assert room["name"] == "Room temperature" and room["stat_cla"] == "measurement"
    assert "unit_of_meas" not in mood and "value_json.v['mood']" in mood["val_tpl"]
    ids = [part["uniq_id"] for part in parts.values() if "uniq_id" in part]
    assert len(set(ids)) == len(ids) and "lamp__1_mood" in ids


def test_what_is_gone_is_a_marker_and_nothing_else():
    parts = described(["mood"], gone=["old_volts"], allowed=[])["cmps"]
    assert parts["old_volts"] == {"p": "sensor"}
    assert parts["pairlet_ping"] == parts["pairlet_report-now"] == {"p": "button"}


def test_buttons_are_for_what_is_allowed():
    parts = described(["mood"], allowed=["ping", "restart"])["cmps"]
    assert parts["pairlet_ping"]["cmd_t"] == "devices/lamp.1/cmd/ping"
    assert json.loads(parts["pairlet_ping"]["pl_prs"]) == {}
    assert parts["pairlet_report-now"] == {"p": "button"} and "pairlet_restart" not in parts


def test_how_the_device_is_stands_in_a_topic_of_its_own():
    parts = described(["mood"])["cmps"]
    token, backlog = parts["pairlet_token_expires_at"], parts["pairlet_backlog"]
    assert token["dev_cla"] == "timestamp" and token["stat_t"] == backlog["stat_t"] == TOPICS.diagnostics
    assert "value_json.token_expires_at" in token["val_tpl"] and "%s" not in token["val_tpl"]
    figures = json.loads(homeassistant.diagnostics(1750000000, 3, 2))
    assert figures == {"token_expires_at": 1750000000, "backlog": 3, "reconnects": 2}


def test_names_that_a_template_would_trip_over_are_no_entities():
    assert homeassistant.is_entity("a_1-B")
    for name in ("", "it's", "a b", "a}}", "x" * 65, "\u00e4"):
        assert not homeassistant.is_entity(name), name
