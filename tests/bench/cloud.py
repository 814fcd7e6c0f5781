"""Everything around a device that is paired and connected: the simulator over TLS, and a real mosquitto."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.figures import Skipped
from bench.processes import Peer, peer
from bench.trust import write_bundle
from support.agent_process import AgentProcess, started
from support.certificates import CertificateAuthority
from support.cloud import CLIENT_ID, Cloud, cloud
from support.mosquitto import Mosquitto

_DAY_S = 86400
_END = re.compile(r"^(?:Client \S+ (?:disconnected|closed|has exceeded)|Socket error)", re.MULTILINE)


@dataclass(frozen=True)
class World:
    """What runs, and the `bundle` of CAs with which everybody trusts it."""

    cloud: Cloud
    mosquitto: Mosquitto
    bundle: str
    folder: Path

    def lost_connections(self) -> int:
        """How many connections the broker has seen end so far."""
        return len(_END.findall(self.mosquitto.log()))

    @contextmanager
    def agent(self, name: str, interval: str) -> Iterator[AgentProcess]:
        """`pairlet run`, freshly paired, connected, and with its first sample published.

        `name` of a state folder that was never used; `interval` as in telemetry.interval.
        """
        words = ["--issuer", self.cloud.issuer, "--client-id", CLIENT_ID, "--ca-file", self.bundle]
        words += ["--state-dir", str(self.folder / name)]
        settings = {
            "mqtt.url": f"mqtts://127.0.0.1:{self.mosquitto.tls_port}",
            "mqtt.keep_alive": "60s",
            "telemetry.interval": interval,
        }
        for key, value in settings.items():
            words += ["--set", f"{key}={value}"]
        with started("run", *words) as agent:
            self.cloud.approve(agent.wait_for("code"))
            agent.wait_for("published")
            yield agent

    @contextmanager
    def bare_device(self, interval_s: float = 0) -> Iterator[Peer]:
        """requests and paho-mqtt by hand in a process, connected likewise, its first message acknowledged."""
        words = [self.cloud.issuer, self.bundle, str(self.mosquitto.tls_port), CLIENT_ID, str(interval_s)]
        with peer("requests_paho.py", *words) as device:
            device.answer()
            yield device


@contextmanager
def world(folder: Path, token_s: int = _DAY_S) -> Iterator[World]:
    """Start it all on free ports, with state below `folder`. Skipped where there is no mosquitto.

    `token_s`: how long an access token lives; so long by default that nothing but the connection keeps
    an agent busy.
    """
    folder.mkdir()
    authority = CertificateAuthority()
    certfile, keyfile = authority.issue().write(folder)
    ca_file = authority.write(folder / "ca.pem")
    try:
        broker = Mosquitto(folder, plain=False, tls=(certfile, keyfile))
    except pytest.skip.Exception as missing:
        raise Skipped(str(missing)) from None
    with (
        broker,
        cloud(
            certfile=certfile, keyfile=keyfile, ca_file=ca_file, interval_s=1, access_token_lifetime_s=token_s
        ) as running,
    ):
        yield World(running, broker, write_bundle(authority, folder), folder)
