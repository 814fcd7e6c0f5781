"""The programs in the READMEs, taken from there and run against the simulator and a resource server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pairlet_sim.person import walk
from support.agent_process import environment, started
from support.cloud import CLIENT_ID, PASSWORD, USERNAME, Cloud
from support.missing import missing
from support.resource_server import Resource, resource_server

ROOT = Path(__file__).resolve().parents[2]
HERE = {
    "README.md": "## In a program of your own\n",
    "agent/README.md": "## Programs of your own\n",
}


def blocks(file: str, language: str) -> list[str]:
    """The code blocks in `language` of the section about programs."""
    section = (ROOT / file).read_text().split(HERE[file])[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def resource() -> Iterator[Resource]:
    with resource_server() as running:
        yield running


@pytest.fixture
def place(simulated: Cloud, tmp_path: Path) -> Path:
    """A folder with a pairlet.toml."""
    (tmp_path / "pairlet.toml").write_text(
        f'[oauth]\nissuer = "{simulated.issuer}"\nclient_id = "{CLIENT_ID}"\ninsecure_http = true\n'
        f'[store]\ndir = "state"\n[token_agent]\nsocket = "token"\n[display]\nname = "none"\n'
    )
    return tmp_path


def adapted(code: str, simulated: Cloud, resource: Resource, place: Path) -> str:
    """The block with this test's addresses, which are plain http on loopback."""
    for said, meant in (
        ('"https://auth.example.com"', f'"{simulated.issuer}", "insecure_http": True'),
        ('"my-tv"', f'"{CLIENT_ID}"'),
        ("https://api.example.com", resource.address),
        ('"/run/pairlet/token")', f'"{place / "token"}", insecure_http=True)'),
        ("/run/pairlet/token", str(place / "token")),
    ):
        code = code.replace(said, meant)
    assert "example.com" not in code
    return code


def running(code: str, place: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def approved(program: "subprocess.Popen[str]", pattern: str) -> str:
    """Let a person do what the first line like `pattern` says (uri, code); what it prints until its end."""
    assert program.stdout is not None and program.stderr is not None
    seen = ""
    for line in program.stdout:
        seen += line
        found = re.fullmatch(pattern, line.strip())
        if found is not None:
            walk(found["uri"], found["code"], USERNAME, PASSWORD)
            break
    rest, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    return seen + rest


def test_the_programs_in_python(simulated: Cloud, resource: Resource, place: Path) -> None:
    (first,) = blocks("README.md", "python")
    pairing, with_httpx, with_agent = blocks("agent/README.md", "python")
    code = adapted(first, simulated, resource, place)
    said = approved(running(code, place), r"(?P<uri>http\S+) (?P<code>\S+) \d+ s left")
    assert said.endswith("\n200\n") and "█" in said
    # Paired as it is now, it asks nobody.
    again, _ = running(code, place).communicate(timeout=60)
    assert again == "200\n"

    said = approved(
        running(adapted(pairing, simulated, resource, place).replace('"state"', '"other"'), place),
        r"or open (?P<uri>http\S+) and enter (?P<code>\S+)",
    )
    assert re.search(r"^\d+ x \d+ modules for http", said) and "paired, with the scope offline_access" in said

    program = running(adapted(with_httpx, simulated, resource, place), place)
    said, errors = program.communicate(timeout=60)
    assert said == "200\n", errors
    tokens = set(resource.tokens)

    with started("run", "--config", str(place / "pairlet.toml"), "--log-level", "info") as agent:
        until_served(agent.errors, place)
        program = running(adapted(with_agent, simulated, resource, place), place)
        said, errors = program.communicate(timeout=60)
        assert said == "200\n", errors
        check_shell(simulated, resource, place)
    assert set(resource.tokens) == tokens and len(tokens) == 1 and len(resource.asked) == 4


def until_served(errors: list[str], place: Path) -> None:
    from support.processes import until

    until(
        lambda: os.path.exists(place / "token") and any("next refresh" in line for line in errors),
        "the agent",
    )


def check_shell(simulated: Cloud, resource: Resource, place: Path) -> None:
    """Each command of the section, on its own: all bring the token."""
    (block,) = blocks("agent/README.md", "sh")
    commands = [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]
    assert len(commands) == 3
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    for command in commands:
        if command.startswith("curl") and not any(os.access(f"{d}/curl", os.X_OK) for d in path.split(":")):
            missing("there is no curl")
        ran = subprocess.run(
            ["sh", "-c", adapted(command, simulated, resource, place)], cwd=place,
            env=environment(PATH=path), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert str(resource.tokens[0]) in ran.stdout, command
