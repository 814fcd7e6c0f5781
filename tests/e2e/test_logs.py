"""--log-level and --log-format of real processes: what a person, or a machine, reads on stderr."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import AgentProcess, run, started
from support.cloud import CLIENT_ID, Cloud, cloud
from support.processes import until
from support.terminal import at_terminal


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """A cloud with tokens that end soon."""
    with cloud(interval_s=1, access_token_lifetime_s=4) as running:
        yield running


def options_for(simulated: Cloud, state: Path) -> list[str]:
    """Common options for a state folder."""
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    return [*words, "--state-dir", str(state)]


def lines_of(agent: AgentProcess) -> list[dict[str, Any]]:
    """Every line of a log in JSON; each must be one."""
    return [json.loads(line) for line in agent.errors]


def test_a_run_at_debug_tells_all_of_it_in_json(simulated: Cloud, tmp_path: Path) -> None:
    options = [*options_for(simulated, tmp_path / "state"), "--display", "none"]
    options += ["--set", f"mqtt.url={simulated.broker_url}", "--log-level", "debug", "--log-format", "json"]
    with started("run", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("refreshed")
        agent.wait_for("mqtt_connected")
        agent.process.terminate()
        assert agent.end() == 0
    lines = lines_of(agent)
    assert {"pairlet", "status", "agent", "http", "mqtt", "store"} <= {line["source"] for line in lines}
    # What is on stdout is in the log, too, in the same order.
    told = [line["event"] for line in lines if line["source"] == "agent"]
    assert told == [event["event"] for event in agent.events]
    refresh = next(line for line in lines if "(refresh)" in line["message"])
    assert refresh["status"] == 200 and refresh["bytes"] > 0 and refresh["ms"] >= 0
    after = lines[lines.index(next(line for line in lines if line.get("event") == "refreshed")) + 1]
    assert after["source"] == "status" and after["paired"] is True
    assert re.match(r"paired; token good for \d(\.\d)? s; next refresh \d\d:\d\d:\d\d, in ", after["message"])


def test_waits_are_in_the_log_and_not_among_the_events(tmp_path: Path) -> None:
    with cloud(interval_s=1, access_token_lifetime_s=4) as short_lived:
        options = [*options_for(short_lived, tmp_path / "state"), "--display", "none"]
        with started("pair", *options) as agent:
            short_lived.approve(agent.wait_for("code"))
            agent.wait_for("paired")
            assert agent.end() == 0
    # Now there is no server any more.
    options += ["--log-level", "info", "--log-format", "json"]
    with started("run", *options) as agent:
        agent.wait_for("error")
        until(lambda: any('"what": "server"' in line for line in agent.errors), "the log to tell of a wait")
        agent.process.terminate()
        assert agent.end() == 0
    lines = lines_of(agent)
    waiting = next(line for line in lines if line.get("what") == "server")
    assert waiting["event"] == "waiting" and waiting["ms"] > 0
    assert waiting["message"].startswith("asking the server again in ")
    assert {event["event"] for event in agent.events} == {"error"}
    assert not any(line["level"] == "debug" for line in lines)


def test_without_a_wish_there_is_no_log(simulated: Cloud, tmp_path: Path) -> None:
    done = run("status", *options_for(simulated, tmp_path / "state"))
    assert (done.returncode, done.stderr) == (0, "")


def test_how_a_command_failed_is_the_last_line(simulated: Cloud, tmp_path: Path) -> None:
    options = options_for(simulated, tmp_path / "state")
    done = run("token", *options, "--log-level", "warning", "--log-format", "json")
    assert done.returncode == 6
    line = json.loads(done.stderr.splitlines()[0])
    assert (line["level"], line["source"], line["exit_code"]) == ("error", "pairlet", 6)
    assert line["message"] == "this device is not paired. Pair the device: pairlet pair."


def test_a_level_or_format_that_is_none_is_a_usage_error(simulated: Cloud, tmp_path: Path) -> None:
    for words in (("--log-level", "loud"), ("--log-format", "xml")):
        done = run("status", *options_for(simulated, tmp_path / "state"), *words)
        assert done.returncode == 2 and words[1] in done.stderr and "Traceback" not in done.stderr


def test_a_picture_and_a_log_do_not_share_a_terminal(simulated: Cloud, tmp_path: Path) -> None:
    options = [*options_for(simulated, tmp_path / "state"), "--log-level", "info"]
    with at_terminal(["pair", *options]) as session:
        until(lambda: b"enter the code" in session.raw, "the code as a line")
        assert b"info agent: a code is shown for " in session.raw and b"\x1b[" not in session.raw
