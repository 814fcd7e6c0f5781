"""`pairlet run` against a real mosquitto: what a subscriber and the broker see, whatever happens."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import AgentProcess, run, started
from support.certificates import CertificateAuthority
from support.cloud import CLIENT_ID, Cloud, cloud
from support.mosquitto import Mosquitto, Received, Subscriber

# The agent replaces such a token, and reconnects with the new one, every two seconds.
LIFETIME_S = 4
SUBSCRIBER = "watcher"


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """An authorization server that gives out short-lived tokens."""
    with cloud(interval_s=1, access_token_lifetime_s=LIFETIME_S) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """Whoever signs the broker's certificate."""
    return CertificateAuthority()


@pytest.fixture
def broker(tmp_path: Path, authority: CertificateAuthority) -> Iterator[Mosquitto]:
    """A mosquitto that is not started yet, with a TLS listener only."""
    tls = authority.issue().write(tmp_path)
    authority.write(tmp_path / "ca.pem")
    mosquitto = Mosquitto(tmp_path, plain=False, tls=tls)
    try:
        yield mosquitto
    finally:
        mosquitto.stop()


class Device:
    """An agent's state folder and options, for a broker whose port is known."""

    def __init__(self, simulated: Cloud, broker: Mosquitto, folder: Path, *, version: str = "auto"):
        self._simulated = simulated
        self._folder = folder
        self.name = f"device-{folder.name[-8:].replace('_', '-')}"
        self.options = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        self.options += ["--state-dir", str(folder / "state")]
        for setting in (
            f"mqtt.url=mqtts://localhost:{broker.tls_port}",
            f"mqtt.ca_file={folder / 'ca.pem'}",
            f"mqtt.version={version}",
            f"pairing.device_id={self.name}",
            "telemetry.interval=200ms",
        ):
            self.options += ["--set", setting]

    @property
    def ca_file(self) -> str:
        """What to trust."""
        return str(self._folder / "ca.pem")

    def pair_within(self, agent: AgentProcess) -> None:
        """Approve the code that a running agent shows."""
        self._simulated.approve(agent.wait_for("code"))
        agent.wait_for("paired")

    def samples(self, messages: list[Received]) -> list[dict[str, Any]]:
        """The telemetry among `messages`."""
        topic = f"devices/{self.name}/telemetry"
        return [json.loads(message.payload) for message in messages if message.topic == topic]

    def statuses(self, messages: list[Received]) -> list[str]:
        """What the status topic said, one after the other."""
        topic = f"devices/{self.name}/status"
        return [message.payload.decode() for message in messages if message.topic == topic]


def watching(broker: Mosquitto, device: Device, **more: Any) -> Subscriber:
    """A second client, not ours, that sees everything of the device."""
    return Subscriber(broker.tls_port, f"devices/{device.name}/#", ca_file=device.ca_file, **more)


def retained_status(broker: Mosquitto, device: Device) -> str:
    """What somebody who subscribes now is told about the device."""
    with watching(broker, device) as latecomer:
        latecomer.wait_for(device.statuses)
        message = next(each for each in latecomer.messages if each.topic.endswith("/status"))
    assert message.retain
    return message.payload.decode()


def seqs_without_repeats(samples: list[dict[str, Any]]) -> list[int]:
    """The numbers in the order of their first arrival; QoS 1 may deliver twice, never in another order."""
    return list(dict.fromkeys(sample["seq"] for sample in samples))


@pytest.mark.parametrize(("version", "shown"), [("5", "p5"), ("3.1.1", "p2"), ("auto", "p5")])
def test_telemetry_over_tls_and_a_status_that_never_flaps(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path, version: str, shown: str
) -> None:
    broker.start()
    device = Device(simulated, broker, tmp_path, version=version)
    with watching(broker, device) as seen, started("run", *device.options) as agent:
        device.pair_within(agent)
        for _ in range(3):
            agent.wait_for("refreshed")
            agent.wait_for("mqtt_connected")
        seen.wait_for(lambda messages: len(device.samples(messages)) >= 20)
        assert retained_status(broker, device) == "online"
        assert set(device.statuses(seen.messages)) == {"online"}
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        seen.wait_for(lambda messages: "offline" in device.statuses(messages))
        statuses, samples = device.statuses(seen.messages), device.samples(seen.messages)
    # Four connections at least; the last word is the only "offline", although the will was never sent.
    assert len(statuses) >= 5 and statuses[-1] == "offline" and set(statuses[:-1]) == {"online"}
    assert retained_status(broker, device) == "offline"
    numbers = seqs_without_repeats(samples)
    assert numbers == list(range(len(numbers)))
    assert all(sample["v"] and sample["t"] > 1_577_836_800_000 for sample in samples)
    assert "historical" not in str(samples)
    # mosquitto's log names the protocol version of each CONNECT, and the user name, never the password.
    accepted = [line for line in broker.log().splitlines() if "New client connected" in line]
    ours = [line for line in accepted if f"as {device.name} " in line]
    assert len(ours) >= 4 and all(shown in line and f"u'{device.name}'" in line for line in ours), ours


def test_the_access_token_is_the_password(tmp_path: Path) -> None:
    """mosquitto can't verify a token, but it can tell this very one from all other passwords."""
    with cloud(interval_s=1) as steady:
        options = ["--issuer", steady.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        options += ["--state-dir", str(tmp_path / "state"), "--set", "pairing.device_id=lamp"]
        with started("pair", *options) as agent:
            steady.approve(agent.wait_for("code"))
            agent.wait_for("paired")
            assert agent.end() == 0
        token = run("token", *options).stdout.strip()
        users = {"lamp": token, "reader": "for this test"}
        with Mosquitto(tmp_path, users=users) as broker:
            options += ["--set", f"mqtt.url=mqtt://127.0.0.1:{broker.port}"]
            reader = Subscriber(broker.port, "devices/lamp/#", username="reader", password=users["reader"])
            with reader as seen, started("run", *options) as agent:
                seen.wait_for(lambda messages: any(each.topic.endswith("/telemetry") for each in messages))
                agent.process.terminate()
                assert agent.end() == 0
            assert token not in broker.log()


def test_kill_9_leaves_the_will_behind(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    broker.start()
    device = Device(simulated, broker, tmp_path)
    with watching(broker, device) as seen, started("run", *device.options) as agent:
        device.pair_within(agent)
        agent.wait_for("published")
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait(30)
        seen.wait_for(lambda messages: device.statuses(messages)[-1:] == ["offline"])
        assert device.statuses(seen.messages)[-2:] == ["online", "offline"]
    assert retained_status(broker, device) == "offline"
    # The next start needs nobody and says "online" again.
    with started("run", *device.options) as agent:
        agent.wait_for("published")
        assert "code" not in [event["event"] for event in agent.events]
        assert retained_status(broker, device) == "online"


def test_a_broker_that_comes_late_and_goes_away_again(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    broker.start()
    device = Device(simulated, broker, tmp_path)
    persistent = {"client_id": SUBSCRIBER, "clean_session": False}
    # A polite stop saves the subscriber's session: from now on nothing that is published escapes it.
    with watching(broker, device, **persistent):
        pass
    broker.stop()
    with started("run", *device.options) as agent:
        device.pair_within(agent)
        trouble = agent.wait_for("error")
        assert trouble["exit_code"] == 5 and "refused" in trouble["error_description"]
        wait_out_what_is_fresh(agent)
        assert not any(event["event"] == "mqtt_connected" for event in agent.events)
        broker.start()
        agent.wait_for("published", check=lambda event: event["backlog"] == 0)

        broker.kill()
        agent.wait_for("mqtt_disconnected", check=lambda event: "renewed" not in event["reason"])
        wait_out_what_is_fresh(agent)
        broker.start()
        agent.wait_for("published", check=lambda event: event["backlog"] == 0)
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    with watching(broker, device, **persistent) as seen:
        seen.wait_for(lambda messages: "offline" in device.statuses(messages))
        samples = device.samples(seen.messages)
    check_replay(samples)


def wait_out_what_is_fresh(agent: AgentProcess) -> None:
    """Until what was measured at the beginning counts as historical: tokens are two seconds apart."""
    for _ in range(4):
        agent.wait_for("refreshed")


def check_replay(samples: list[dict[str, Any]]) -> None:
    """What the second outage brought: everything from before it on, in order, the waiting part marked."""
    numbers = seqs_without_repeats(samples)
    # The kill threw away what the broker had taken before: the count starts where it came back.
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    marked = [sample["seq"] for sample in samples if sample.get("historical")]
    fresh = [sample["seq"] for sample in samples if not sample.get("historical")]
    assert len(marked) >= 5 and max(marked) < min(fresh)
    assert all(sample["historical"] is True for sample in samples if "historical" in sample)
    times = [sample["t"] for sample in samples]
    assert times == sorted(times)


def test_a_broker_with_the_wrong_certificate_gets_no_token(
    simulated: Cloud, broker: Mosquitto, tmp_path: Path
) -> None:
    broker.start()
    device = Device(simulated, broker, tmp_path)
    CertificateAuthority("somebody else").write(tmp_path / "ca.pem")
    with started("run", *device.options) as agent:
        device.pair_within(agent)
        trouble = agent.wait_for("error")
        assert trouble["exit_code"] == 7 and "CA" in trouble["error_description"]
        # The pairing does not suffer from it.
        agent.wait_for("refreshed")
    assert "New client connected" not in broker.log()
