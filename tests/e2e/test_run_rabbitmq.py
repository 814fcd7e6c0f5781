"""`pairlet run` against a real RabbitMQ that checks our tokens and closes on what it does not like."""

import json
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.agent_process import started
from support.mosquitto import Subscriber
from support.processes import until
from support.rabbitmq_cloud import RabbitCloud, rabbit_cloud

# The agent replaces such a token, and reconnects with the new one, every few seconds.
LIFETIME_S = 6


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitCloud]:
    """One for all tests of this file: RabbitMQ takes its time to start."""
    folder = tmp_path_factory.mktemp("rmq")
    with rabbit_cloud(folder, interval_s=1, access_token_lifetime_s=LIFETIME_S) as running:
        yield running


def test_a_token_of_a_real_pairing_opens_the_way_and_is_renewed_before_it_ends(
    cloud: RabbitCloud, tmp_path: Path
) -> None:
    device = cloud.device("lamp", tmp_path, "telemetry.interval=200ms")
    with cloud.watcher("devices/lamp/#") as seen, started("run", *device.options) as agent:
        device.pair_within(agent)
        for _ in range(3):
            agent.wait_for("refreshed")
            agent.wait_for("mqtt_connected")
        seen.wait_for(lambda messages: len(device.samples(messages)) >= 50)
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        seen.wait_for(lambda messages: device.statuses(messages)[-1:] == ["offline"])
        samples, statuses = device.samples(seen.messages), device.statuses(seen.messages)
    assert set(statuses[:-1]) == {"online"}, "the status flapped"
    numbers = [sample["seq"] for sample in samples]
    assert list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))
    # Whatever came twice says so.
    assert all(samples[numbers.index(n, numbers.index(n) + 1)].get("historical") for n in twice(numbers))
    assert "refused" not in cloud.broker.log()


def twice(numbers: list[int]) -> list[int]:
    """Those that are there more than once."""
    return sorted({number for number in numbers if numbers.count(number) > 1})


def test_another_device_and_no_device_are_kept_out(cloud: RabbitCloud, tmp_path: Path) -> None:
    """What the tests above prove rests on this: the broker does check the token, and the topic."""
    device = cloud.device("lamp", tmp_path)
    device.pair()
    token = device.token()
    for password in (token[:-8] + "AAAAAAAA", "no token"):
        with pytest.raises(ConnectionError, match="refused"), Subscriber(
            cloud.broker.port, username="lamp", password=password
        ):  # fmt: skip
            pass
    with cloud.watcher("devices/#") as seen:
        closed: list[str] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lamp", reconnect_on_failure=False)
        client.username_pw_set("lamp", token)
        client.on_disconnect = lambda *_more: closed.append("closed")
        client.on_connect = lambda *_more: (
            client.publish("devices/lamp/telemetry", b"mine", 1),
            client.publish("devices/door/telemetry", b"not mine", 1),
        )
        client.connect("127.0.0.1", cloud.broker.port)
        client.loop_start()
        until(lambda: closed, "the broker to hang up")
        client.loop_stop()
        seen.wait_for(lambda messages: any(each.payload == b"mine" for each in messages))
        assert [each.payload for each in seen.messages] == [b"mine"]


def test_a_token_that_ends_while_the_server_is_away_costs_no_sample(
    cloud: RabbitCloud, tmp_path: Path
) -> None:
    """RabbitMQ hangs up at a publish once the token has ended, and takes no connection with it."""
    device = cloud.device("mast", tmp_path, "telemetry.interval=4s")
    with cloud.watcher("devices/mast/telemetry") as seen, started("run", *device.options) as agent:
        device.pair_within(agent)
        agent.wait_for("published")
        cloud.running.answers.go_away("/token")
        try:
            agent.wait_for("mqtt_disconnected", check=lambda event: "renew" not in event["reason"])
            before = len(device.samples(seen.messages))
        finally:
            cloud.running.answers.deliver()
        agent.wait_for("mqtt_connected", timeout=90)
        agent.wait_for("published", check=lambda event: event["backlog"] == 0)
        seen.wait_for(lambda messages: len(device.samples(messages)) > before + 2)
        samples = device.samples(seen.messages)
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    numbers = [sample["seq"] for sample in samples]
    assert list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))
    assert any(sample.get("historical") for sample in samples), json.dumps(samples)


def test_a_broker_that_refuses_the_topic_is_not_stormed(cloud: RabbitCloud, tmp_path: Path) -> None:
    """It hangs up on the very first message, each time: the pause grows, and nothing is thrown away."""
    settings = ("telemetry.interval=500ms", "mqtt.topic_prefix=devices/other")
    device = cloud.device("mole", tmp_path, *settings)
    with cloud.watcher("devices/#") as seen, started("run", *device.options) as agent:
        device.pair_within(agent)
        begin = len(cloud.broker.log())
        agent.wait_for("mqtt_disconnected")
        agent.wait_for("mqtt_disconnected")
        tries = cloud.broker.log()[begin:].count("client id: mole")
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        assert [each.topic for each in seen.messages if "other" in each.topic] == []
    assert 2 <= tries <= 4
    refused = [event for event in agent.events if event["event"] == "dropped"]
    assert refused == []
