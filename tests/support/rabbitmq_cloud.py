"""Our authorization server, a real RabbitMQ that checks its tokens, and agents that pair with both."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pairlet_sim.authserver import Client, Person
from pairlet_sim.person import walk
from support.agent_process import AgentProcess, run, started
from support.authserver_thread import RunningServer, authserver
from support.mosquitto import Received, Subscriber
from support.rabbitmq import WATCHER, WATCHER_PASSWORD, RabbitMQ, device_scopes
from support.recorder import Recorder

AUDIENCE = "test-broker"
CLIENT_ID = "test-device"
_USERNAME, _PASSWORD = "grace", "compiler-1952"


class RabbitCloud:
    """`running` is the authorization server, `broker` the RabbitMQ."""

    def __init__(self, running: RunningServer, broker: RabbitMQ):
        self.running, self.broker = running, broker

    def device(self, name: str, folder: Path, *settings: str) -> "Device":
        """A device with a state folder of its own and `settings` as TABLE.KEY=VALUE."""
        return Device(self, name, folder, settings)

    def approve(self, code: dict[str, Any]) -> None:
        """Walk the real pages for a `code` event."""
        walk(code["verification_uri_complete"], code["user_code"], _USERNAME, _PASSWORD)

    def recorder(self, topic_filter: str) -> Recorder:
        """Somebody else, who records what there is."""
        return Recorder(self.broker.port, topic_filter, username=WATCHER, password=WATCHER_PASSWORD)

    def watcher(self, *filters: str, **more: Any) -> Subscriber:
        """Somebody else, who may see everything."""
        port = more.pop("port", self.broker.port)
        return Subscriber(port, *filters, username=WATCHER, password=WATCHER_PASSWORD, **more)


class Device:
    """An agent's state folder and options."""

    def __init__(self, cloud: RabbitCloud, name: str, folder: Path, settings: tuple[str, ...]):
        self._cloud, self.name = cloud, name
        self.options = ["--issuer", cloud.running.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        self.options += ["--state-dir", str(folder)]
        url = f"mqtt.url=mqtt://127.0.0.1:{cloud.broker.port}"
        for setting in (url, f"pairing.device_id={name}", *settings):
            self.options += ["--set", setting]

    def pair(self) -> None:
        """Pair it, with a command of its own."""
        with started("pair", *self.options) as agent:
            self.pair_within(agent)
            assert agent.end() == 0

    def pair_within(self, agent: AgentProcess) -> None:
        """Approve the code that a running agent shows."""
        self._cloud.approve(agent.wait_for("code"))
        agent.wait_for("paired")

    def token(self) -> str:
        """Its access token."""
        return run("token", *self.options).stdout.strip()

    def samples(self, messages: list[Received]) -> list[dict[str, Any]]:
        """The telemetry among `messages`."""
        topic = f"devices/{self.name}/telemetry"
        return [json.loads(message.payload) for message in messages if message.topic == topic]

    def statuses(self, messages: list[Received]) -> list[str]:
        """What the status topic said, one after the other."""
        topic = f"devices/{self.name}/status"
        return [message.payload.decode() for message in messages if message.topic == topic]


@contextlib.contextmanager
def rabbit_cloud(folder: Path, **settings: Any) -> Iterator[RabbitCloud]:
    """Both, running, with RabbitMQ's state in `folder`; `settings` go to the server's Settings."""
    people, clients = [Person(_USERNAME, _PASSWORD)], [Client(CLIENT_ID)]
    scopes = device_scopes(AUDIENCE)
    with authserver(people, clients, audience=AUDIENCE, device_scopes=scopes, **settings) as running:
        broker = RabbitMQ(folder, jwks_uri=running.issuer + "/jwks", audience=AUDIENCE)
        with broker:
            yield RabbitCloud(running, broker)
