"""`pairlet sim conformance` as a process, and what it says of a client."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from support.agent_process import environment

CONFORMANCE = [
    sys.executable,
    "-c",
    "import sys; from pairlet_sim.commands import command; sys.exit(command(sys.argv[1:]))",
    "conformance",
]
_CLIENTS = Path(__file__).parents[1] / "simulator/conformance"


class Report(NamedTuple):
    """`rows`: the line of each scenario by its name; `total`: the last line."""

    exit_code: int
    rows: dict[str, dict[str, Any]]
    total: dict[str, Any]

    def outcomes(self) -> dict[str, str]:
        """The outcome of each scenario."""
        return {name: row["outcome"] for name, row in self.rows.items()}

    def did(self, name: str) -> str:
        """What the client did wrong in a scenario."""
        return "; ".join(finding["did"] for finding in self.rows[name]["findings"])

    def items(self, name: str) -> list[int | None]:
        """The items that it broke."""
        return [finding["item"] for finding in self.rows[name]["findings"]]


def conformance(*words: str, timeout: float = 280) -> Report:
    """Run the command with --json to its end."""
    ran = subprocess.run(
        [*CONFORMANCE, "--json", *words], capture_output=True, text=True, timeout=timeout, env=environment()
    )
    assert ran.stderr == "", ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["scenario"] * (len(lines) - 1) + ["conformance"]
    return Report(ran.returncode, {line["scenario"]: line for line in lines[:-1]}, lines[-1])


def client(script: str, *words: str) -> list[str]:
    """The words that run one of the clients in tests/simulator/conformance."""
    return [sys.executable, str(_CLIENTS / script), *words]


def bad_client(what: str, vice: str) -> list[str]:
    """The client with one vice: `what` is "pair" or "token"."""
    return client("bad_client.py", what, vice, "{issuer}", "{client_id}", "{state_dir}")
