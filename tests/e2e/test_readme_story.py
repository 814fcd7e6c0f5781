"""The commands of the READMEs that take a server and a broker: run, and what comes is what they show."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from support.agent_process import run, started
from support.cloud import Cloud
from support.mosquitto import HOST, Mosquitto, find_program
from support.remote import Remote, options, pair

ROOT = Path(__file__).resolve().parents[2]
TOP, AGENT = ((ROOT / name).read_text() for name in ("README.md", "agent/README.md"))


def shown(text: str, start: str) -> str:
    """The one line of `text` that begins so."""
    (line,) = re.findall(rf"^{re.escape(start)}.*$", text, re.MULTILINE)
    return str(line)


def fields_of(line: str) -> list[str]:
    """The names in a line of JSON that may be cut off and have `...` for values."""
    return re.findall(r'"(\w+)": (?!\w+")', line.replace('": ..., "', '": 0, "'))


def same_shape(line: str) -> "re.Pattern[str]":
    """`line` with any number for each of its own, and any unit of time."""
    shape = re.sub(r"\d+(\\ (min|h|s)\b)?", lambda found: r"[\d.]+( \w+)?", re.escape(line))
    return re.compile(shape)


def test_the_commands_and_what_they_print(simulated: Cloud, broker: Mosquitto, tmp_path: Path) -> None:
    words = options(simulated, broker, tmp_path, telemetry__interval="1h")
    with Remote(broker) as remote, started("run", *words) as agent:
        pair(simulated, agent)
        for name in ("code", "paired"):
            line = shown(TOP, f'{{"event": "{name}"')
            told = next(event for event in agent.events if event["event"] == name)
            whole = line.endswith("}")
            assert list(told)[: None if whole else len(fields_of(line))] == fields_of(line), line
        agent.wait_for("published")

        status = run("status", *words).stdout.strip()
        line = shown(AGENT, "pairlet-1c2d3e4f: ").replace("pairlet-1c2d3e4f", "kitchen")
        assert same_shape(line).fullmatch(status), status

        typed = shlex.split(shown(TOP, "mosquitto_pub "))
        place = ["-h", HOST, "-p", str(broker.port)]
        subprocess.run([find_program(typed[0]), *place, *typed[1:]], check=True, timeout=30)
        topic_name, _, payload = shown(TOP, "devices/kitchen/reply/").partition(" ")
        reply = remote.next_reply(topic_name.rpartition("/")[2], 0)
        assert reply == json.loads(payload) and json.dumps(reply) == payload

        sample = json.loads(remote.of("telemetry")[0].payload)
        assert set(sample) == set(
            re.findall(r'"(\w+)":', TOP.split("`P/telemetry` carries `")[1].split("`")[0])
        )
        token = run("token", *words).stdout.strip()
        show = [sys.executable, "-c", "import os; print(os.environ['PAIRLET_ACCESS_TOKEN'])"]
        done = run("exec", *words, "--", *show)
        assert token and (done.returncode, done.stdout.strip()) == (0, token), done.stderr
        agent.process.terminate()
        assert agent.end() == 0
    assert run("forget", *words).returncode == 0
    assert json.loads(run("reset", "--json", *words).stdout)["changed"] is True
    done = run("unpair", *words)
    assert done.returncode == 0 and "not paired any more" in done.stdout
    assert run("status", *words).stdout == "kitchen is not paired. Run: pairlet pair.\n"
