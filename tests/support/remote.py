"""Somebody far away: sends commands to a device with mosquitto_pub, reads replies and what is retained."""

import json
import subprocess
from pathlib import Path
from typing import Any

from support.agent_process import AgentProcess
from support.cloud import CLIENT_ID, Cloud
from support.mosquitto import HOST, Mosquitto, Received, Subscriber, find_program

DEVICE = "kitchen"


def options(simulated: Cloud, broker: Mosquitto, folder: Path, **settings: str) -> list[str]:
    """The command line of an agent for the plain listener of `broker`. Settings: table__key="value"."""
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    words += ["--state-dir", str(folder / "state")]
    more = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    for setting in (f"mqtt.url=mqtt://{HOST}:{broker.port}", f"pairing.device_id={DEVICE}", *more):
        words += ["--set", setting]
    return words


def pair(simulated: Cloud, agent: AgentProcess) -> None:
    """Approve the code that a running agent shows."""
    simulated.approve(agent.wait_for("code"))
    agent.wait_for("paired")


class Remote:
    """Use as a context manager. `seen` is a subscriber to everything of the device and of Home Assistant."""

    def __init__(self, broker: Mosquitto):
        self._port = broker.port
        self.seen = Subscriber(broker.port, f"devices/{DEVICE}/#", "homeassistant/#")
        self._read = 0

    def __enter__(self) -> "Remote":
        self.seen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.seen.__exit__(*error)

    def publish(self, topic_name: str, payload: str, *, retain: bool = False) -> None:
        """As a person does it."""
        words = [
            find_program("mosquitto_pub"),
            "-h",
            HOST,
            "-p",
            str(self._port),
            "-q",
            "1",
            "-t",
            topic_name,
        ]
        words += ["-m", payload] if payload else ["-n"]
        subprocess.run([*words, *(["-r"] if retain else [])], check=True, timeout=30)

    def send(self, name: str, *, retain: bool = False, **members: Any) -> None:
        """Send a command."""
        self.publish(f"devices/{DEVICE}/cmd/{name}", json.dumps(members), retain=retain)

    def ask(self, name: str, **members: Any) -> dict[str, Any]:
        """Send a command; the next reply to it."""
        before = len(self.replies(name))
        self.send(name, **members)
        return self.next_reply(name, before)

    def insist(self, name: str, **members: Any) -> dict[str, Any]:
        """Send a command again for as long as it may have waited at the broker; the reply then."""
        while (answer := self.ask(name, **members)).get("error") == "stale":
            # Telemetry is the beat of the device.
            before = len(self.of("telemetry"))
            self.seen.wait_for(lambda _messages, before=before: len(self.of("telemetry")) > before)
        return answer

    def next_reply(self, name: str, before: int) -> dict[str, Any]:
        """The reply to the command `name` after the first `before`."""
        self.seen.wait_for(lambda _messages: len(self.replies(name)) > before)
        return self.replies(name)[before]

    def replies(self, name: str) -> list[dict[str, Any]]:
        """All replies to the command `name` so far."""
        return [json.loads(message.payload) for message in self.of(f"reply/{name}")]

    def of(self, topic: str) -> list[Received]:
        """All messages so far on that topic of the device."""
        return [one for one in self.seen.messages if one.topic == f"devices/{DEVICE}/{topic}"]

    def retained(self) -> dict[str, bytes]:
        """What somebody who subscribes now is told."""
        with Subscriber(self._port, "devices/#", "homeassistant/#", "the/end") as latecomer:
            # Retained messages come in order, and before what is published afterwards.
            self.publish("the/end", "x")
            latecomer.wait_for(lambda messages: any(one.topic == "the/end" for one in messages))
            return {one.topic: one.payload for one in latecomer.messages if one.retain}
