"""How a running agent stands, as others see it: `pairlet status`, the endpoint, systemd's socket."""

import asyncio
import json
import os
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.broker.feed import Message, MessageFeed
from prometheus_client.parser import text_string_to_metric_families
from support.agent_process import run, started
from support.cloud import CLIENT_ID, Cloud, cloud
from support.ports import closed_port, free_port
from support.processes import marked_environment, marked_processes, until


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """A cloud with a broker."""
    with cloud(interval_s=1, access_token_lifetime_s=3600) as running:
        yield running


@pytest.fixture
def options(simulated: Cloud, tmp_path: Path) -> list[str]:
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http", "--display", "none"]
    words += ["--state-dir", str(tmp_path / "state")]
    for setting in (f"mqtt.url={simulated.broker_url}", "mqtt.version=3.1.1", "telemetry.interval=100ms"):
        words += ["--set", setting]
    return words


class Systemd:
    """A receiving socket as systemd has one: `lines` are the assignments that came, in order."""

    def __init__(self, address: str):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.address = address
        self.lines: list[str] = []
        # As systemd does: a queue that nobody empties holds ten messages.
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while message := self._socket.recv(65536):
            self.lines += message.decode().split("\n")

    def has(self, pattern: str) -> bool:
        """Whether a line that is `pattern` has come."""
        return any(re.fullmatch(pattern, line) for line in list(self.lines))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._socket.close()


@contextmanager
def systemd(address: str) -> Iterator[Systemd]:
    receiver = Systemd(address)
    try:
        yield receiver
    finally:
        receiver.close()


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def health(port: int) -> dict[str, Any]:
    status, body = get(port, "/health")
    said: dict[str, Any] = json.loads(body)
    assert status == (503 if said["status"] == "failing" else 200)
    return said


def metrics(port: int) -> dict[str, float]:
    families = text_string_to_metric_families(get(port, "/metrics")[1])
    return {sample.name: sample.value for family in families for sample in family.samples}


LINE = (
    r"paired; token good for (59|60) min; connected to the broker for [\d.]+ s; \d+ samples? waits?; "
    r"last acknowledged [\d.]+ s ago"
)


def test_the_whole_life_of_an_agent_is_told(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    """From the code to the end: systemd hears it, the endpoint says it, and `pairlet status` too."""
    port = free_port()
    with systemd(str(tmp_path / "notify")) as supervisor:
        environ = {"NOTIFY_SOCKET": supervisor.address, "WATCHDOG_USEC": "400000"}
        words = [*options, "--set", f"health.listen=127.0.0.1:{port}"]
        with started("run", *words, **environ) as agent:
            code = agent.wait_for("code")
            # A device that waits for a person is ready, and at work.
            until(lambda: supervisor.has("READY=1"), "READY")
            until(lambda: supervisor.has("WATCHDOG=1"), "the watchdog to be fed")
            until(lambda: supervisor.has(r"STATUS=not paired; a code is shown, good for \d+ min"), "STATUS")
            said = health(port)
            assert said["status"] == "waiting" and said["facts"]["phase"] == "code"
            assert metrics(port)["pairlet_paired"] == 0

            simulated.approve(code)
            agent.wait_for("published")
            until(lambda: supervisor.has("STATUS=paired; .*connected to the broker for .*"), "STATUS")
            said = health(port)
            assert said["status"] == "ok" and re.fullmatch(LINE, said["why"]), said["why"]
            numbers = metrics(port)
            assert numbers["pairlet_paired"] == numbers["pairlet_mqtt_connected"] == 1
            assert 3500 < numbers["pairlet_token_seconds_left"] <= 3600
            assert numbers["pairlet_published_samples_total"] >= 1
            assert numbers["pairlet_wakeups_total"] > 0 and numbers["process_resident_memory_bytes"] > 1e6

            spoken = run("status", *options).stdout
            assert re.fullmatch(r"pairlet-[0-9a-f]{8}: " + LINE + "\n", spoken), spoken
            as_json = json.loads(run("status", *options, "--json").stdout)
            assert as_json["paired"] is True and as_json["agent"]["status"] == "ok"
            assert "WATCHDOG=trigger" not in supervisor.lines

            agent.process.send_signal(signal.SIGTERM)
            assert agent.end() == 0
            until(lambda: supervisor.has("STOPPING=1"), "STOPPING")
        assert not list((tmp_path / "state").glob("*.sock"))
        secrets = json.loads((tmp_path / "state" / "token").read_text())
        told = "\n".join(supervisor.lines) + json.dumps(said) + json.dumps(as_json) + str(agent.errors)
        assert not any(secrets[name] in told for name in ("access_token", "refresh_token"))
    assert json.loads(run("status", *options, "--json").stdout)["agent"] is None
    assert "No agent is at work" in run("status", *options).stdout


def test_systemd_s_socket_may_be_abstract_or_gone(options: list[str], tmp_path: Path) -> None:
    with systemd(f"@pairlet-test-{os.getpid()}-{tmp_path.name}") as supervisor:
        with started("run", *options, NOTIFY_SOCKET=supervisor.address) as agent:
            until(lambda: supervisor.has("READY=1"), "READY")
            agent.process.terminate()
            assert agent.end() == 0
            until(lambda: supervisor.has("STOPPING=1"), "STOPPING")
        # Nobody asked for a watchdog.
        assert not any(line.startswith("WATCHDOG") for line in supervisor.lines)
    with started("run", *options, NOTIFY_SOCKET=str(tmp_path / "gone"), WATCHDOG_USEC="100000") as agent:
        agent.wait_for("code")
        agent.process.terminate()
        assert agent.end() == 0 and agent.errors == []


def test_a_broker_that_is_away_is_no_fault_of_ours(simulated: Cloud, options: list[str]) -> None:
    with started("run", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("published")
        agent.process.terminate()
        assert agent.end() == 0
    port = free_port()
    with closed_port() as nowhere:
        words = [*options, "--set", f"mqtt.url=mqtt://127.0.0.1:{nowhere}"]
        with started("run", *words, "--set", f"health.listen=localhost:{port}") as agent:
            agent.wait_for("error")
            said = until(lambda: (now := health(port))["facts"]["backlog"] > 1 and now, "samples to wait")
            assert said["status"] == "waiting" and said["stuck"] == []
            assert re.search(r"not connected to the broker.*; \d+ samples wait", said["why"])
            numbers = metrics(port)
            assert numbers["pairlet_healthy"] == 1 and numbers["pairlet_mqtt_connected"] == 0
            assert numbers["pairlet_backlog_samples"] > 1
            agent.process.terminate()
            assert agent.end() == 0


def test_two_agents_of_one_folder_and_one_that_was_killed(simulated: Cloud, options: list[str]) -> None:
    with started("run", *options) as first, started("run", *options) as second:
        second.wait_for("code")
        simulated.approve(first.wait_for("code"))
        first.wait_for("paired")
        second.wait_for("paired")
        assert json.loads(run("status", *options, "--json").stdout)["agent"] is not None
        for agent in (first, second):
            agent.process.kill()
            agent.process.wait(30)
    # What the dead have left is no answer, and in nobody's way.
    assert json.loads(run("status", *options, "--json").stdout)["agent"] is None
    with started("run", *options) as third:
        third.wait_for("published")
        assert json.loads(run("status", *options, "--json").stdout)["agent"]["status"] == "ok"


def test_status_makes_no_folder(options: list[str], tmp_path: Path) -> None:
    done = run("status", *options)
    assert done.returncode == 0 and "not paired. Run: pairlet pair" in done.stdout
    assert json.loads(run("status", *options, "--json").stdout)["paired"] is False
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("0.0.0.0:9000", "'0.0.0.0' is not this machine alone"),
        ("9000", "neither HOST:PORT nor a path"),
        ("/no/such/folder/health", "/no/such/folder/health can't be used: No such file or directory"),
    ],
)
def test_a_place_that_can_not_be_listened_on_is_refused_at_the_start(
    options: list[str], listen: str, said: str
) -> None:
    done = run("run", *options, "--set", f"health.listen={listen}")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said(options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("run", *options, "--set", f"health.listen=127.0.0.1:{port}")
    assert done.returncode == 2 and f"127.0.0.1:{port} can't be used" in done.stderr


async def _all(feed: MessageFeed) -> list[Message]:
    return [message async for message in feed if message.topic.endswith("/telemetry")]


def test_sensors_of_one_s_own_in_a_real_run(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    """One good, one that fails and is mended, two that hang: values flow, and each trouble is told once."""
    (tmp_path / "house.py").write_text(
        "import os, time\nprint('loaded')\n"
        "def read_air(): return {'air_celsius': 21.5}\n"
        f"def read_bad(): return 1 / os.path.exists({str(tmp_path / 'mended')!r})\n"
        "def read_stuck(): time.sleep(1000)\n"
    )
    config = tmp_path / "pairlet.toml"
    own = ["house:read_air", "house:read_bad", "house:read_stuck", "command:sleep 1000"]
    config.write_text(f"[telemetry]\nsensors = {own}\n")
    feed = simulated.call(simulated.broker.messages)
    environ, mark = marked_environment()
    words = ["--config", str(config), *options, "--set", "telemetry.interval=2s"]
    with started("run", *words, **environ) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("published")
        (tmp_path / "mended").write_text("")
        assert agent.wait_for("recovered")["what"] == "the sensor house:read_bad"
        agent.wait_for("published")
        told = [event["error_description"] for event in agent.events if event["event"] == "error"]
        assert sorted(line for line in told if "read_air" not in line) == [
            "the sensor command:sleep: it gives nothing within 1.6 s",
            "the sensor house:read_bad: it fails with ZeroDivisionError at "
            f"{tmp_path.name}/house.py:4 in read_bad",
            "the sensor house:read_stuck: it gives nothing within 1.6 s",
        ]
        said = json.loads(run("status", *options, "--json").stdout)["agent"]
        assert said["status"] == "ok" and said["facts"]["samples"] >= 2
        assert {"command:sleep", "house:read_stuck"} <= set(said["facts"]["sensors_in_trouble"])
        agent.process.terminate()
        assert agent.end(20) == 0
    assert "loaded\n" in agent.errors  # and not among the events
    assert marked_processes(mark) == {}
    simulated.call(feed.close)
    values = [json.loads(message.payload)["v"] for message in asyncio.run(_all(feed))]
    assert {"air_celsius": 21.5} in values and {"air_celsius": 21.5, "bad": 1.0} in values
