"""The token agent of a real `pairlet run`, asked by `pairlet token`, `pairlet exec` and other programs."""

import json
import os
import signal
from pathlib import Path

import pytest
from pairlet.core.secret import Secret
from pairlet.linux.token_agent.asking import NobodyThere, ask
from support.agent_process import run, started
from support.cloud import CLIENT_ID, Cloud
from support.processes import until


@pytest.fixture
def options(simulated: Cloud, tmp_path: Path) -> list[str]:
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http", "--display", "none"]
    return [
        *words,
        "--state-dir",
        str(tmp_path / "state"),
        "--set",
        f"token_agent.socket={tmp_path / 'token'}",
    ]


def stored(folder: Path) -> str:
    token: str = json.loads((folder / "token").read_bytes())["access_token"]
    return token


def test_other_programs_get_the_agent_s_token(simulated: Cloud, options: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    with started("run", *options, "--log-level", "debug") as agent:
        code = agent.wait_for("code")
        done = run("token", *options)
        assert done.returncode == 6 and "not paired" in done.stderr and "pairlet pair" in done.stderr
        simulated.approve(code)
        agent.wait_for("paired")
        first = stored(tmp_path / "state")
        assert run("token", *options).stdout == first + "\n"
        assert ask(path).token.access_token.reveal() == first
        # Whoever has no configuration but the socket gets it as well, and no folder is made for that.
        alone = ["--set", f"token_agent.socket={path}"]
        environ = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home")}
        done = run("exec", *alone, "--", "sh", "-c", 'printf %s "$PAIRLET_ACCESS_TOKEN"', **environ)
        assert done.stdout == first and not (tmp_path / "home").exists()
        # A token of another account, or of another folder, is not what was asked for.
        done = run("token", *options, "--client-id", "another")
        assert done.returncode == 2 and "belongs to" in done.stderr
        done = run("token", *options, "--state-dir", str(tmp_path / "elsewhere"))
        assert done.returncode == 6 and "not paired" in done.stderr
        # Refused by a resource server: the agent gets another one, which is on the disk then.
        second = ask(path, Secret(first)).token.access_token.reveal()
        agent.wait_for("refreshed")
        assert second != first and stored(tmp_path / "state") == second
        assert run("token", *options).stdout == second + "\n"
        agent.process.terminate()
        assert agent.end() == 0
        log = "".join(agent.errors)
    assert f"process {os.getpid()} (uid {os.getuid()}) asks for the access token" in log
    assert first not in log and second not in log
    assert not os.path.exists(path)
    # Without the agent it is as it was before.
    done = run("token", *options, "--json")
    assert json.loads(done.stdout)["access_token"] == second


def test_a_killed_agent_leaves_a_socket_that_nobody_minds(
    simulated: Cloud, options: list[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "token")
    with started("run", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("paired")
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait(30)
    assert os.path.exists(path)
    token = stored(tmp_path / "state")
    assert run("token", *options).stdout == token + "\n"
    with started("run", *options) as agent:

        def answers() -> bool:
            try:
                return ask(path).token.access_token.reveal() == token
            except NobodyThere:
                return False

        until(answers, "the next agent to take over the socket")
        # A second agent would take the first one's place unseen.
        with started("run", *options) as second:
            assert second.end() == 2
            assert "in use" in "".join(second.errors)
        agent.process.terminate()
        assert agent.end() == 0


def test_without_agent_and_without_the_folder_both_are_told(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o777)
    (tmp_path / "state").chmod(0o777)
    done = run("token", *options)
    assert done.returncode == 8
    assert "no token agent at" in done.stderr and "state" in done.stderr and "pairlet run" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_agent_and_pairing_both_are_told_and_no_folder_is_made(
    options: list[str], tmp_path: Path
) -> None:
    done = run("token", *options)
    assert done.returncode == 6 and "no token agent at" in done.stderr and "not there" in done.stderr
    assert "pairlet run" in done.stderr and not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir(mode=0o700)
    done = run("token", *options)
    assert done.returncode == 6 and "no token agent at" in done.stderr and "not paired" in done.stderr
    assert "pairlet pair" in done.stderr


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("mode=0666", "token_agent.mode"),
        ("group=no-such-group", "there is no group"),
        ("socket=relative", "no absolute path"),
        ("socket=/no/such/folder/token", "No such file"),
    ],
)
def test_settings_that_can_t_be_used_are_told_before_anything_begins(
    options: list[str], setting: str, told: str
) -> None:
    done = run("run", *options, "--set", f"token_agent.{setting}")
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
