"""Programs that are started without standard streams, or with a stdout that takes nothing."""

import json
import subprocess
from pathlib import Path

import pytest
from support.agent_process import PROGRAM, environment

OPTIONS = ["--issuer", "https://auth.invalid", "--client-id", "tv"]
TOKEN = {"version": 1, "access_token": "a1", "issuer": OPTIONS[1], "client_id": OPTIONS[3]}


def run_with(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell does that changes its streams."""
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh"]
    return subprocess.run(
        [*shell, *PROGRAM, *words], capture_output=True, text=True, timeout=60, env=environment()
    )


@pytest.fixture
def paired(tmp_path: Path) -> list[str]:
    """Options of a device that has a token without an end."""
    folder = tmp_path / "state"
    folder.mkdir(0o700)
    (folder / "token").write_text(json.dumps(TOKEN))
    return [*OPTIONS, "--state-dir", str(folder)]


@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-"])
def test_exec_needs_no_stdout(paired: list[str], redirection: str) -> None:
    done = run_with(redirection, "exec", *paired, "--", "sh", "-c", 'test "$PAIRLET_ACCESS_TOKEN" = a1')
    assert (done.returncode, done.stderr) == (0, "")


def test_what_people_would_read_needs_no_stderr(tmp_path: Path) -> None:
    """Nor does a file that is opened get its descriptor, into which others write."""
    words = [*OPTIONS[2:], "--issuer", "http://127.0.0.1:9", "--insecure-http"]
    done = run_with("2>&-", "pair", *words, "--json", "--state-dir", str(tmp_path / "state"))
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["error"]) == (5, "transport_error")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&- 2>&-"])
def test_the_simulator_lists_its_scenarios_to_nobody(redirection: str) -> None:
    done = run_with(redirection, "sim", "faults", "--list")
    assert done.returncode == 0 and "Traceback" not in done.stderr
