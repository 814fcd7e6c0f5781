"""`pairlet doctor` beside an agent at work, which must not notice, and against what people run into."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import run, started
from support.certificates import CertificateAuthority
from support.cloud import CLIENT_ID, CONFIDENTIAL_CLIENT_ID, SECRET, Cloud, cloud
from support.mosquitto import Mosquitto
from support.terminal import at_terminal

# The device may hear everything, and say how it is: that a message to another topic is dropped, mosquitto
# tells with MQTT 5 alone.
ACL = "topic read devices/kitchen/#\ntopic write devices/kitchen/status\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A CA of this network's own, and a server's certificate from it."""
    folder = tmp_path_factory.mktemp("ca")
    authority = CertificateAuthority()
    certfile, keyfile = authority.issue().write(folder)
    return {"ca_file": authority.write(folder / "ca.pem"), "certfile": certfile, "keyfile": keyfile}


@pytest.fixture(scope="module")
def simulated(certificates: dict[str, str]) -> Iterator[Cloud]:
    """An authorization server over TLS, and the simulator's broker."""
    with cloud(interval_s=1, **certificates) as running:
        yield running


@pytest.fixture
def options(simulated: Cloud, tmp_path: Path) -> list[str]:
    """Those of a confidential client, which may introspect."""
    assert simulated.ca_file is not None
    (tmp_path / "secret").touch(mode=0o600)
    (tmp_path / "secret").write_text(SECRET)
    words = ["--issuer", simulated.issuer, "--ca-file", simulated.ca_file, "--insecure-http"]
    words += ["--client-id", CONFIDENTIAL_CLIENT_ID, "--client-secret-file", str(tmp_path / "secret")]
    words += ["--scope", "telemetry:write", "--state-dir", str(tmp_path / "state")]
    return [*words, "--set", "pairing.device_id=kitchen"]


def doctor(options: list[str], *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the worst of each check."""
    done = run("doctor", *options, *more, "--json")
    assert done.stderr == ""
    _, *events, _ = [json.loads(line) for line in done.stdout.splitlines()]
    order = ["ok", "skipped", "warn", "fail"]
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        before = found.get(event["check"])
        if before is None or order.index(event["result"]) > order.index(before["result"]):
            found[event["check"]] = event
    return done.returncode, found


def pair(simulated: Cloud, options: list[str]) -> None:
    with started("pair", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        assert agent.end() == 0


def test_an_agent_at_work_does_not_notice(
    simulated: Cloud, options: list[str], certificates: dict[str, str], tmp_path: Path
) -> None:
    tls = certificates["certfile"], certificates["keyfile"]
    with Mosquitto(tmp_path, plain=False, tls=tls) as broker:
        options += [
            "--set",
            f"mqtt.url=mqtts://localhost:{broker.tls_port}",
            "--set",
            "telemetry.interval=200ms",
        ]
        with started("run", *options) as agent:
            simulated.approve(agent.wait_for("code"))
            agent.wait_for("published")
            state = tmp_path / "state"
            kept = (state / "token").read_bytes()
            asked = len(simulated.server.events)
            exit_code, found = doctor(options)
            assert exit_code == 0, found
            assert {check: each["result"] for check, each in found.items()} == {
                **dict.fromkeys(found, "ok"),
                # No time service keeps the clock of many a machine that runs tests.
                "clock": found["clock"]["result"],
            }
            assert "at work: paired; token good for" in found["agent"]["words"]
            assert "subscribes to devices/kitchen/cmd/+" in found["topics"]["words"]
            assert "active; scope telemetry:write" in found["introspection"]["words"]
            # Two programs at one bus disturb each other: a sensor of one's own is the agent's.
            own = doctor(options, "--set", "telemetry.sensors=cpu, command:touch /no-such-folder/x")[1]
            assert "the agent at work has taken" in own["sensors"]["words"]
            agent.wait_for("published")
            agent.process.terminate()
            assert agent.end() == 0
            names = [event["event"] for event in agent.events]
            assert names.count("mqtt_connected") == 1 and "refreshed" not in names and "error" not in names
            # The one end of its connection is its own farewell, which is no event.
            assert "mqtt_disconnected" not in names
            assert (state / "token").read_bytes() == kept and not list(state.glob("*.corrupt*"))
            endpoints = [(each.endpoint, each.outcome) for each in simulated.server.events[asked:]]
            assert sorted(endpoints) == 2 * [("introspection", "active")] + 2 * [("token", "invalid_grant")]
        assert "kitchen/doctor" in broker.log()


def test_a_grant_that_was_ended_and_a_scope_that_was_not_granted(
    simulated: Cloud, options: list[str]
) -> None:
    pair(simulated, options)
    exit_code, found = doctor([*options, "--scope", "telemetry:write profile"])
    assert exit_code == 0 and "not granted: profile" in found["pairing"]["words"]
    simulated.server.revoke_pairing(simulated.server.pairings()[-1].id)
    exit_code, found = doctor(options)
    assert exit_code == 6 and "inactive before its end" in found["introspection"]["words"]


def test_a_client_that_nobody_knows_and_one_that_may_not_introspect(
    simulated: Cloud, options: list[str], tmp_path: Path
) -> None:
    assert simulated.ca_file is not None
    public = ["--issuer", simulated.issuer, "--ca-file", simulated.ca_file, *options[-4:]]
    exit_code, found = doctor([*public, "--client-id", "nobody-knows"])
    assert exit_code == 6 and "invalid_client" in found["client"]["words"]
    # Each grant has a code, or a token, that nobody issued.
    for grant in ("authorization_code", "client_credentials"):
        own = [*options, "--set", f"oauth.grant={grant}"]
        assert doctor(own)[1]["client"]["result"] == "ok"
        (tmp_path / "secret").write_text("another secret")
        assert "invalid_client" in doctor(own)[1]["client"]["words"]
        (tmp_path / "secret").write_text(SECRET)
    public += ["--client-id", CLIENT_ID]
    pair(simulated, public)
    exit_code, found = doctor(public)
    assert exit_code == 0 and found["introspection"]["result"] == "skipped"
    assert "without a secret" in found["introspection"]["words"]


def test_the_simulator_s_broker(simulated: Cloud, options: list[str]) -> None:
    """It ties client_ids and topics to the device: below both there is room."""
    options += ["--set", f"mqtt.url={simulated.broker_url}"]
    pair(simulated, options)
    exit_code, found = doctor(options)
    assert exit_code == 0 and found["broker"]["result"] == found["topics"]["result"] == "ok", found
    # Its topics are another's, and so would be the will.
    exit_code, found = doctor(options, "--set", "mqtt.topic_prefix=devices/cellar")
    assert exit_code == 6 and "subscription to devices/cellar/cmd/+" in found["topics"]["words"]
    # Who it would be is another.
    exit_code, found = doctor(options, "--set", "mqtt.client_id=cellar")
    assert exit_code in (0, 6) and "cellar/doctor" in found["broker"]["words"]
    assert found["broker"]["result"] in ("warn", "fail")


def test_a_broker_that_takes_less(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    pair(simulated, options)
    with Mosquitto(tmp_path, acl=ACL) as broker:
        options += ["--set", f"mqtt.url=mqtt://127.0.0.1:{broker.port}", "--set"]
        exit_code, found = doctor([*options, "mqtt.version=5"])
        assert exit_code == 6 and "reply/doctor: not authorized" in found["topics"]["words"]
        exit_code, found = doctor([*options, "mqtt.version=3.1.1"])
        # This broker acknowledges, and hangs up at once; the tests of brokers have others.
        assert exit_code == 6 and "hangs up" in found["topics"]["words"]


def test_on_a_terminal_of_eighty_columns(simulated: Cloud, options: list[str]) -> None:
    with at_terminal(["doctor", *options], columns=80, rows=50) as session:
        assert session.end() == 0
        rows = [row.rstrip() for row in session.screen.text().splitlines() if row.strip()]
    assert "Python" in rows[0] and rows[-1].endswith("exit code 0")
    # What is too long for a line goes on below its own words.
    assert all(re.match(r"(ok|warn|skipped) +[a-z]+ +\S| {24}\S", row) for row in rows[2:-1]), rows
    assert sum("client" in row for row in rows) >= 1
