"""A state folder on a disk that is full or read-only: exit code 8, and no token is lost."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_process import run, started
from support.cloud import CLIENT_ID, Cloud, cloud
from support.processes import until
from support.small_disk import fill, read_only, small_disk


def options_for(simulated: Cloud, state: Path) -> list[str]:
    """Common options for a state folder."""
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    return [*words, "--state-dir", str(state)]


def pair(simulated: Cloud, options: list[str]) -> None:
    """Pair a device."""
    with started("pair", *options) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("paired")
        assert agent.end() == 0


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """A cloud with tokens that end soon."""
    with cloud(interval_s=1, access_token_lifetime_s=4) as running:
        yield running


def has_ended(options: list[str]) -> bool:
    """Whether the stored access token is over."""
    return bool(json.loads(run("status", *options, "--json").stdout)["expires_in"] == 0)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a person reads of a store that can't be used."""
    assert done.returncode == 8 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_nobody_is_asked_to_approve_what_can_not_be_kept(tmp_path: Path, trouble: str) -> None:
    with cloud(interval_s=1) as untouched, small_disk(tmp_path / "disk", "16k") as disk:
        if trouble == "full":
            (disk / "state").mkdir(mode=0o700)
            fill(disk)
        else:
            read_only(disk, True)
        done = run("pair", *options_for(untouched, disk / "state"))
        assert trouble in said(done)
        assert untouched.server.events == []


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_a_refresh_that_can_not_be_kept_loses_nothing(simulated: Cloud, tmp_path: Path, trouble: str) -> None:
    with small_disk(tmp_path / "disk", "32k") as disk:
        options = options_for(simulated, disk / "state")
        pair(simulated, options)
        before = (disk / "state" / "token").read_bytes()
        until(lambda: has_ended(options), "the access token to end")
        ballast = None
        if trouble == "full":
            ballast = fill(disk)
        else:
            read_only(disk, True)
        done = run("token", *options)
        assert trouble in said(done)
        assert (disk / "state" / "token").read_bytes() == before
        if ballast is not None:
            ballast.unlink()
        else:
            read_only(disk, False)
        # The refresh token that the disk kept is still the right one.
        assert run("token", *options).returncode == 0


def test_an_agent_at_work_outlives_a_full_disk(simulated: Cloud, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "32k") as disk:
        options = options_for(simulated, disk / "state")
        with started("run", *options) as agent:
            simulated.approve(agent.wait_for("code"))
            agent.wait_for("paired")
            ballast = fill(disk)
            assert agent.wait_for("error")["exit_code"] == 8
            ballast.unlink()
            agent.wait_for("refreshed")
            agent.wait_for("refreshed")
            agent.process.terminate()
            assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        assert run("token", *options).returncode == 0
