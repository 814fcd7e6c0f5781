"""Commands for a virtual board, through a real mosquitto, and what it tells Home Assistant."""

import json
from contextlib import contextmanager

import pytest
from firmware.test_story import approve, scene  # noqa: F401  a fixture
from support.home_assistant import entities
from support.remote import DEVICE, Remote

EVERYTHING = ["ping", "report-now", "set-interval", "re-pair", "unpair", "restart"]
TOPIC = f"homeassistant/device/{DEVICE}/config"

# More than a Pico W has left beside its TLS session: what a command and what Home Assistant takes is read in
# beside everything else. See firmware/README.md.
HEAP = 175 * 1024

DOOR = b"""
import asyncio

async def on_open_door(arguments):
    await asyncio.sleep(arguments.get("seconds", 0))
    return {"opened": arguments["door"]}

def on_fail(arguments):
    raise ValueError("the pin is 1234")
"""


@pytest.fixture
def ready(scene):  # noqa: F811
    """Makes a board with a name and these settings, a person far away, and pairs the board."""

    def make(**changes):
        settings = {"pairing": {"device_id": DEVICE}, "telemetry": {"interval": "1s"}, **changes}
        settings["commands"] = {"allow": EVERYTHING, **changes.get("commands", {})}
        made = scene(**settings)
        return made, Remote(made.mosquitto)

    return make


@contextmanager
def listening(ready, **settings):
    """A board that is paired and takes commands: the scene, the person far away, and the board."""
    made, remote = ready(**settings)
    with remote, made.board(HEAP) as board:
        approve(made, board)
        is_listening(board, remote)
        yield made, remote, board


def is_listening(board, remote, mark=0):
    """Until the board is connected, and measures again: it has subscribed by then."""
    before = len(remote.of("telemetry")) if mark else 0
    board.wait_for_console("mqtt_connected", since=mark, timeout=90)
    remote.seen.wait_for(lambda _: len(remote.of("telemetry")) > before, 60)


def test_commands_come_in_and_replies_go_out(ready):
    with listening(ready) as (_, remote, board):
        answer = remote.ask("ping", id="1")
        assert answer["id"] == "1" and answer["ok"] is True and answer["t"] > 1.6e12
        assert remote.ask("report-now")["seq"] >= 1
        assert remote.ask("set-interval", interval=0.2) == {"ok": True, "interval": 0.2}
        assert remote.ask("sudo")["error"] == "unknown_command"
        for payload in ("{", "[]", "x" * 900):
            before = len(remote.replies("ping"))
            remote.publish(f"devices/{DEVICE}/cmd/ping", payload)
            assert remote.next_reply("ping", before)["error"] == "invalid_request"
        # After hundreds of commands there is as much room as before.
        free = []
        for count in range(60):
            assert remote.ask("ping", id=str(count))["ok"] is True
            free.append(json.loads(remote.of("telemetry")[-1].payload)["v"]["heap_free_bytes"])
        assert min(free[-10:]) > max(free[:10]) - 4000, free
        assert "MemoryError" not in board.console and "Traceback" not in board.console


def test_a_command_too_large_for_a_board_does_not_keep_it_from_connecting(ready):
    with listening(ready) as (_, remote, board):
        mark = board.mark()
        # With QoS 1 the broker would send it again with each connect.
        remote.publish(f"devices/{DEVICE}/cmd/ping", "x" * 3000)
        is_listening(board, remote, mark)
        assert board.since(mark).count("mqtt_disconnected") == 1
        assert remote.ask("ping")["ok"] is True


def test_an_interval_survives_a_power_cut(ready):
    with listening(ready, telemetry={"interval": "1h"}) as (_, remote, board):
        assert remote.ask("set-interval", interval=2)["ok"] is True
        mark = board.mark()
        board.power_cut()
        board.power_on()
        is_listening(board, remote, mark)
        before = len(remote.of("telemetry"))
        remote.seen.wait_for(lambda _: len(remote.of("telemetry")) >= before + 3)


def test_a_restart_happens_once(ready):
    with listening(ready) as (_, remote, board):
        mark = board.mark()
        assert remote.insist("restart", id="r") == {"id": "r", "ok": True}
        is_listening(board, remote, mark)
        assert "code " not in board.since(mark)
        mark = board.mark()
        assert remote.insist("restart", id="r")["repeated"] is True
        assert remote.ask("ping")["ok"] is True
        assert "mqtt_disconnected" not in board.since(mark)


def test_pairing_anew_from_afar(ready):
    with listening(ready) as (made, remote, board):
        mark = board.mark()
        assert remote.insist("re-pair", id="1")["ok"] is True
        board.wait_for_console("unpaired ", since=mark, timeout=60)
        before = len(remote.of("telemetry"))
        approve(made, board, since=mark)
        remote.seen.wait_for(lambda _: len(remote.of("telemetry")) > before)
    numbers = [json.loads(one.payload)["seq"] for one in remote.of("telemetry")]
    assert list(dict.fromkeys(numbers)) == list(range(max(numbers) + 1))
    assert "revocation" in str(made.server.server.events)


def test_handlers_of_the_owner_s_own(ready):
    names = ["my_door:on_open_door", "my_door:on_fail", "lost=nowhere:at_all"]
    commands = {"handlers": names, "timeout": "2s"}
    with listening(ready, commands=commands, files={"my_door.py": DOOR}) as (_, remote, board):
        assert remote.insist("open-door", id="1", door=2) == {"id": "1", "ok": True, "opened": 2}
        assert remote.ask("open-door", id="1", door=2)["repeated"] is True
        failed = remote.ask("fail")
        assert failed["error"] == "failed" and "ValueError" in failed["error_description"]
        assert "1234" not in str(failed) + board.console
        assert remote.ask("lost")["error"] == "failed"
        assert remote.ask("open-door", door=1, seconds=30)["error"] == "timeout"
        assert remote.ask("ping")["ok"] is True


def test_a_board_appears_in_home_assistant(ready):
    made, remote = ready(homeassistant={"discovery": True})

    def told():
        return [one.payload.decode() for one in remote.seen.messages if one.topic == TOPIC]

    with remote, made.board(HEAP) as board:
        approve(made, board)
        is_listening(board, remote)
        remote.seen.wait_for(lambda _: told())
        found = entities(TOPIC, told()[-1])
        assert found["chip_temperature_celsius"]["device_class"] == "temperature"
        assert found["wifi_rssi_dbm"]["unit_of_measurement"] == "dBm"
        remote.seen.wait_for(lambda _: remote.of("diagnostics"))
        figures = json.loads(remote.of("diagnostics")[-1].payload)
        assert figures["token_expires_at"] > 1.6e9
        before = len(told())
        remote.publish("homeassistant/status", "online")
        remote.seen.wait_for(lambda _: len(told()) > before)
        assert json.loads(told()[-1]) == json.loads(told()[before - 1])
        assert "MemoryError" not in board.console
