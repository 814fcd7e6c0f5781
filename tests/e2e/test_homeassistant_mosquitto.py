"""What Home Assistant is told by a real `pairlet run` through a real mosquitto, and how it is taken back."""

import json
import re
from pathlib import Path
from typing import Any

from support.agent_process import PROGRAM, run, started, started_by
from support.cloud import Cloud
from support.home_assistant import entities
from support.mosquitto import Mosquitto
from support.ports import free_port
from support.remote import DEVICE, Remote, options, pair

TOPIC = f"homeassistant/device/{DEVICE}/config"


def told(remote: Remote) -> list[dict[str, Any]]:
    """What was published for Home Assistant's discovery so far."""
    return [json.loads(one.payload) for one in remote.seen.messages if one.topic == TOPIC]


def test_a_device_appears_with_its_values_and_goes_again(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    settings = {"homeassistant__discovery": "true", "telemetry__interval": "300ms"}
    settings["mqtt__username"] = "fleet/{device_id}"
    words = options(simulated, broker, tmp_path, **settings)
    with Remote(broker) as remote:
        with started("run", *words) as agent:
            pair(simulated, agent)
            remote.seen.wait_for(lambda _: told(remote) and "cpu_load_percent" in told(remote)[-1]["cmps"])
            first = entities(TOPIC, json.dumps(told(remote)[-1]))
            assert first["cpu_load_percent"]["unit_of_measurement"] == "%"
            assert first["pairlet_report-now"]["command_topic"] == f"devices/{DEVICE}/cmd/report-now"
            # Each value that is measured is an entity, and reads its state from the sample.
            remote.seen.wait_for(lambda _: len(remote.of("telemetry")) >= 6)
            sample = json.loads(remote.of("telemetry")[-1].payload)
            assert set(sample["v"]) <= set(first)
            figures = json.loads(remote.of("diagnostics")[-1].payload)
            assert set(figures) == {"token_expires_at", "backlog", "reconnects"}

            # Home Assistant starts: everything once more, and a button that works.
            before = len(told(remote))
            remote.publish("homeassistant/status", "online")
            remote.seen.wait_for(lambda _: len(told(remote)) > before)
            assert told(remote)[-1] == told(remote)[-2]
            payload = first["pairlet_ping"]["payload_press"]
            remote.publish(first["pairlet_ping"]["command_topic"], payload)
            assert remote.next_reply("ping", 0)["ok"] is True
            agent.process.terminate()
            assert agent.end() == 0
        retained = remote.retained()
        assert set(retained) == {TOPIC, f"devices/{DEVICE}/diagnostics", f"devices/{DEVICE}/status"}

        # A sensor that is configured away loses its entity.
        fewer = options(simulated, broker, tmp_path, **settings, telemetry__sensors="uptime_seconds")
        with started("run", *fewer) as agent:
            gone = {"p": "sensor"}
            remote.seen.wait_for(lambda _: told(remote)[-1]["cmps"].get("cpu_load_percent") == gone)
            assert "unique_id" in entities(TOPIC, json.dumps(told(remote)[-1]))["uptime_seconds"]
            agent.process.terminate()
            assert agent.end() == 0

        answer = run("forget", "--json", *words)
        assert answer.returncode == 0, answer.stderr
        assert set(json.loads(answer.stdout)["topic_names"]) == set(retained)
        assert remote.retained() == {}
    # Whoever connects for the device, the agent or `forget`, shows the token as the broker is configured.
    connects = re.findall(rf"New client connected .* as {DEVICE} \(.*u'(.*)'\)", broker.log())
    assert len(connects) >= 3 and set(connects) == {f"fleet/{DEVICE}"}


def test_forget_does_not_wait_for_ever(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    words = options(simulated, broker, tmp_path)
    with started("pair", *words) as agent:
        pair(simulated, agent)
        assert agent.end() == 0
    port = free_port()
    proxy = [*PROGRAM, "sim", "faultproxy", f"127.0.0.1:{broker.port}", "--port", str(port), "--json"]
    with started_by([*proxy, "--fault", "hold-pubacks"]) as network:
        network.wait_for("ready")
        words += ["--set", f"mqtt.url=mqtt://127.0.0.1:{port}", "--set", "mqtt.unacknowledged=2s"]
        answer = run("forget", *words)
    assert answer.returncode == 5 and "the broker acknowledges nothing for 2 s" in answer.stderr


def test_forget_says_what_is_missing(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    words = options(simulated, broker, tmp_path)
    answer = run("forget", *words)
    assert answer.returncode == 6 and "not paired" in answer.stderr
    without = [*words, "--set", "homeassistant.prefix=ha"]
    position = next(index for index, word in enumerate(without) if word.startswith("mqtt.url="))
    answer = run("forget", *without[: position - 1], *without[position + 1 :])
    assert answer.returncode == 2 and "mqtt.url" in answer.stderr
