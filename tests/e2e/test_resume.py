"""Real processes killed while the code is on the screen, or side by side: one code, and no poll too early."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import AgentProcess, run, started
from support.cloud import CLIENT_ID, Cloud, cloud
from support.processes import until
from support.terminal import at_terminal

RECORD = "pairing"


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """A cloud that wants a second between polls."""
    with cloud(interval_s=1) as running:
        yield running


@pytest.fixture
def options(simulated: Cloud, tmp_path: Path) -> list[str]:
    """Common options for a state folder of this test."""
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    return [*words, "--state-dir", str(tmp_path / "state")]


def codes_asked_for(simulated: Cloud) -> int:
    """How many codes the server has given away."""
    return [event.endpoint for event in simulated.server.events].count("device_authorization")


def polls(simulated: Cloud, folder: Path) -> list[str]:
    """The outcomes of the polls of the device in this state folder."""
    device_id = json.loads((folder / "device").read_bytes())["device_id"]
    events = [event for event in simulated.server.events if event.device_id == device_id]
    return [event.outcome for event in events if event.endpoint == "token"]


def kill(agent: AgentProcess) -> None:
    """As a power cut: no last word."""
    agent.process.kill()
    assert agent.end() == -signal.SIGKILL


def same_code(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether `second` is the code of `first`, later."""
    names = ("user_code", "verification_uri", "verification_uri_complete", "interval")
    return all(first[name] == second[name] for name in names) and second["expires_in"] <= first["expires_in"]


@pytest.mark.parametrize("command", ["pair", "run"])
def test_killed_again_and_again_and_paired_with_the_first_code(
    simulated: Cloud, options: list[str], tmp_path: Path, command: str
) -> None:
    codes, before = [], codes_asked_for(simulated)
    for _ in range(4):
        with started(command, *options) as agent:
            codes.append(agent.wait_for("code"))
            kill(agent)
    with started(command, *options) as agent:
        codes.append(agent.wait_for("code"))
        assert all(same_code(codes[0], later) for later in codes[1:])
        simulated.approve(codes[0])
        agent.wait_for("paired")
        agent.process.terminate()
        agent.end()
    assert codes_asked_for(simulated) == before + 1
    assert "slow_down" not in polls(simulated, tmp_path / "state")
    assert not (tmp_path / "state" / RECORD).exists()
    assert run("token", *options).returncode == 0


def test_killed_between_polls_it_keeps_the_pace(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        until(lambda: polls(simulated, folder), "the first poll")
        kill(agent)
    with started("pair", *options) as agent:
        assert same_code(code, agent.wait_for("code"))
        until(lambda: len(polls(simulated, folder)) >= 2, "a poll of the second start")
        simulated.approve(code)
        assert agent.end() == 0
    assert set(polls(simulated, folder)[:-1]) == {"authorization_pending"}


def test_approved_while_the_device_was_off(simulated: Cloud, options: list[str]) -> None:
    with started("run", *options) as agent:
        code = agent.wait_for("code")
        kill(agent)
    simulated.approve(code)
    with started("run", *options) as agent:
        assert same_code(code, agent.wait_for("code"))
        agent.wait_for("paired")


def test_ctrl_c_and_a_stop_leave_the_code_to_the_next_start(simulated: Cloud, options: list[str]) -> None:
    with started("run", *options) as agent:
        code = agent.wait_for("code")
        agent.process.terminate()
        assert agent.end() == 0
    with started("pair", *options) as agent:
        assert same_code(code, agent.wait_for("code"))
        agent.process.send_signal(signal.SIGINT)
        assert agent.end() == 130
    with started("pair", *options) as agent:
        assert same_code(code, agent.wait_for("code"))


def test_the_kept_code_is_a_secret_of_its_owner(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    with started("pair", *options) as agent:
        agent.wait_for("code")
        file = tmp_path / "state" / RECORD
        assert file.stat().st_mode & 0o777 == 0o600
        secret = json.loads(file.read_bytes())["device_code"]
        kill(agent)
    with started("pair", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        assert agent.end() == 0
        said = json.dumps(agent.events) + "".join(agent.errors)
    assert len(secret) >= 20 and secret not in said
    for left in (tmp_path / "state").iterdir():
        assert secret.encode() not in left.read_bytes(), left


def test_unpair_forgets_a_code_that_waits(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        kill(agent)
    assert run("unpair", *options).returncode == 0
    assert not (tmp_path / "state" / RECORD).exists()
    with started("pair", *options) as agent:
        assert agent.wait_for("code")["user_code"] != code["user_code"]


@pytest.mark.parametrize("commands", [("run", "pair"), ("pair", "run"), ("pair", "pair")])
def test_two_processes_share_a_code_and_one_of_them_polls(
    simulated: Cloud, options: list[str], tmp_path: Path, commands: tuple[str, str]
) -> None:
    folder, asked = tmp_path / "state", codes_asked_for(simulated)
    with started(commands[0], *options) as first:
        code = first.wait_for("code")
        with started(commands[1], *options) as second:
            assert same_code(code, second.wait_for("code"))
            before = len(polls(simulated, folder))
            until(lambda: len(polls(simulated, folder)) >= before + 2, "two more polls")
            simulated.approve(code)
            for agent, command in zip((first, second), commands, strict=True):
                agent.wait_for("paired")
                if command == "run":
                    agent.process.terminate()
                assert agent.end() == 0
                assert "Traceback" not in "".join(agent.errors)
    assert "slow_down" not in polls(simulated, folder)
    assert polls(simulated, folder).count("issued") == 1 and codes_asked_for(simulated) == asked + 1


def test_the_second_takes_over_when_the_first_is_killed(
    simulated: Cloud, options: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    with started("run", *options) as first:
        code = first.wait_for("code")
        with started("pair", *options) as second:
            assert same_code(code, second.wait_for("code"))
            kill(first)
            before = len(polls(simulated, folder))
            until(lambda: len(polls(simulated, folder)) > before, "a poll of the second")
            simulated.approve(code)
            second.wait_for("paired")
            assert second.end() == 0
    assert "slow_down" not in polls(simulated, folder)


def test_the_code_comes_back_on_a_terminal(simulated: Cloud, options: list[str]) -> None:
    with at_terminal(["pair", *options]) as session:
        session.wait_for(lambda screen: "Valid for" in screen.text())
        address = next(word for word in session.screen.text().split() if word.startswith(simulated.issuer))
        os.kill(session.process.pid, signal.SIGKILL)
        session.process.wait(30)
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        assert code["verification_uri"] == address
        kill(agent)
    with at_terminal(["pair", *options]) as session:
        session.wait_for(lambda screen: "Valid for" in screen.text())
        assert code["user_code"] in session.screen.text()


def test_a_signal_to_a_paired_agent_changes_nothing(simulated: Cloud, options: list[str]) -> None:
    with started("run", *options, "--set", f"mqtt.url={simulated.broker_url}") as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("mqtt_connected")
        agent.process.send_signal(signal.SIGUSR1)
        agent.wait_for("published")
        agent.process.terminate()
        assert agent.end() == 0
        names = [event["event"] for event in agent.events]
    assert names.count("code") == 1 and "unpaired" not in names and "error" not in names


def test_a_screen_that_waits_says_what_can_be_done_here(simulated: Cloud, options: list[str]) -> None:
    words = ["run", *options, "--display", "plain", "--set", "pairing.start=prompt"]
    with started(*words) as agent:
        until(lambda: "Not paired" in "".join(agent.errors), "the screen")
        said = next(line for line in agent.errors if "Not paired" in line)
        assert "pairlet pair" in said and "SIGUSR1" in said and "button" not in said
        assert subprocess.Popen.poll(agent.process) is None
