"""Commands for a real `pairlet run` through a real mosquitto, as a person sends them, across restarts."""

import json
from pathlib import Path

from support.agent_process import run, started
from support.cloud import Cloud
from support.mosquitto import Mosquitto
from support.remote import DEVICE, Remote, options, pair

EVERYTHING = "ping,report-now,set-interval,re-pair,unpair,restart"


def test_ping_report_and_an_interval_that_survives(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    words = options(simulated, broker, tmp_path, telemetry__interval="1h")
    with Remote(broker) as remote:
        with started("run", *words) as agent:
            pair(simulated, agent)
            agent.wait_for("published")
            answer = remote.ask("ping", id="1")
            assert answer["id"] == "1" and answer["ok"] is True and answer["t"] > 1.6e12
            assert agent.wait_for("command")["name"] == "ping"
            seq = remote.ask("report-now")["seq"]
            remote.seen.wait_for(lambda _: len(remote.of("telemetry")) == 2)
            assert json.loads(remote.of("telemetry")[-1].payload)["seq"] == seq == 1
            assert remote.ask("set-interval", interval=0.5) == {"ok": True, "interval": 0.5}
            remote.seen.wait_for(lambda _: len(remote.of("telemetry")) >= 5)
            # Not by default.
            assert remote.ask("restart", id="1")["error"] == "not_allowed"
            agent.process.terminate()
            assert agent.end() == 0
        status = json.loads(run("status", "--json", *words).stdout)
        assert (status["telemetry_interval"], status["telemetry_interval_set_remotely"]) == (0.5, True)
        assert "pairlet reset" in run("status", *words).stdout
        before = len(remote.of("telemetry"))
        with started("run", *words):
            remote.seen.wait_for(lambda _: len(remote.of("telemetry")) >= before + 5)
    assert json.loads(run("reset", "--json", *words).stdout)["changed"] is True
    assert "Nothing was set" in run("reset", *words).stdout
    assert json.loads(run("status", "--json", *words).stdout)["telemetry_interval"] == 3600


def test_a_restart_ends_with_a_code_of_its_own_and_happens_once(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    words = options(simulated, broker, tmp_path, commands__allow=EVERYTHING, telemetry__interval="300ms")
    with Remote(broker) as remote:
        with started("run", *words) as agent:
            pair(simulated, agent)
            agent.wait_for("published")
            assert remote.insist("restart", id="r") == {"id": "r", "ok": True}
            assert agent.end() == 9
            assert "restart" in "".join(agent.errors) and "Traceback" not in "".join(agent.errors)
        remote.seen.wait_for(lambda _: remote.of("status")[-1].payload == b"offline")
        # Whoever sends it again, to the next process as well, gets the answer and nothing else.
        with started("run", *words) as agent:
            agent.wait_for("published")
            assert remote.ask("restart", id="r")["repeated"] is True
            assert remote.ask("ping")["ok"] is True
            assert agent.process.poll() is None


def test_bytes_that_are_no_command_change_nothing(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    words = options(simulated, broker, tmp_path, commands__allow=EVERYTHING, telemetry__interval="300ms")
    with Remote(broker) as remote, started("run", *words) as agent:
        pair(simulated, agent)
        agent.wait_for("published")
        for payload in ("{", "[]", "PRESS", "x" * 9000, "\u202e", '{"id": {}}'):
            before = len(remote.replies("ping"))
            remote.publish(f"devices/{DEVICE}/cmd/ping", payload)
            assert remote.next_reply("ping", before)["ok"] is False
        remote.publish(f"devices/{DEVICE}/cmd/$(reboot)", "{}")
        remote.publish(f"devices/{DEVICE}/cmd/ping", "")
        assert remote.ask("ping", id="last")["id"] == "last"
        assert len(remote.of("reply/ping")) == 7 and not remote.of("reply/$(reboot)")
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)


def test_a_retained_command_is_refused_at_each_connect(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    words = options(simulated, broker, tmp_path, commands__allow=EVERYTHING, telemetry__interval="300ms")
    with Remote(broker) as remote:
        remote.send("restart", retain=True, id="r")
        for count in (1, 2):
            with started("run", *words) as agent:
                if count == 1:
                    pair(simulated, agent)
                assert remote.next_reply("restart", count - 1)["error"] == "retained"
                agent.process.terminate()
                assert agent.end() == 0


def test_un_pairing_and_pairing_anew_from_afar(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    words = options(
        simulated,
        broker,
        tmp_path,
        commands__allow=EVERYTHING,
        pairing__renew="false",
        telemetry__interval="300ms",
    )
    with Remote(broker) as remote, started("run", *words) as agent:
        pair(simulated, agent)
        agent.wait_for("published")
        assert remote.insist("re-pair", id="1")["ok"] is True
        agent.wait_for("unpaired")
        pair(simulated, agent)
        agent.wait_for("published")
        assert remote.ask("unpair", id="2")["ok"] is True
        agent.wait_for("unpaired")
        remote.seen.wait_for(lambda _: remote.of("status")[-1].payload == b"offline")
        assert json.loads(run("status", "--json", *words).stdout)["paired"] is False
        agent.process.terminate()
        assert agent.end() == 0
        # Nothing of what was measured got lost on the way, and nobody asked for a third code.
        numbers = [json.loads(one.payload)["seq"] for one in remote.of("telemetry")]
        assert list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))
        assert [event["event"] for event in agent.events].count("code") == 2


DOOR = """
import time
from pairlet.core.command_error import CommandError

def on_open_door(arguments):
    print("opening")
    if arguments.get("pin") != 1234:
        raise CommandError("wrong_pin", "the pin is not right")
    return {"opened": True}

def on_hang(arguments):
    time.sleep(3600)

def on_fail(arguments):
    raise KeyError("the secret")
"""


def test_commands_of_the_owner_s_own(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "my_door.py").write_text(DOOR)
    names = ["my_door:on_open_door", "my_door:on_hang", "my_door:on_fail"]
    (tmp_path / "pairlet.toml").write_text(f'[commands]\nhandlers = {names}\ntimeout = "500ms"\n')
    words = options(simulated, broker, tmp_path, telemetry__interval="300ms")
    words = ["--config", str(tmp_path / "pairlet.toml"), *words]
    with Remote(broker) as remote, started("run", *words) as agent:
        pair(simulated, agent)
        agent.wait_for("published")
        # One that may have waited could open a door that nobody wants open any more.
        assert remote.insist("open-door", id="1", pin=1234) == {"id": "1", "ok": True, "opened": True}
        assert remote.ask("open-door", id="1", pin=1234)["repeated"] is True
        assert remote.ask("open-door", id="2", pin=1)["error"] == "wrong_pin"
        remote.send("hang", id="3")
        assert remote.ask("ping")["ok"] is True
        assert remote.next_reply("hang", 0)["error"] == "timeout"
        failed = remote.ask("fail", id="4")
        assert failed["error"] == "failed" and "KeyError" in failed["error_description"]
        agent.process.terminate()
        assert agent.end() == 0
        assert "secret" not in "".join(agent.errors) + str(failed)


def test_what_waited_while_the_device_was_away(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    words = options(simulated, broker, tmp_path, commands__allow=EVERYTHING, telemetry__interval="300ms")
    with Remote(broker) as remote:
        with started("run", *words) as agent:
            pair(simulated, agent)
            agent.wait_for("published")
            agent.process.terminate()
            assert agent.end() == 0
        # The broker keeps them for a session that is away.
        remote.send("restart", id="r")
        remote.send("set-interval", id="i", interval=0.4)
        with started("run", *words) as agent:
            agent.wait_for("published")
            assert remote.next_reply("restart", 0)["error"] == "stale"
            assert remote.next_reply("set-interval", 0)["ok"] is True
            assert agent.process.poll() is None
