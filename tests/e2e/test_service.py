"""`pairlet service` with a real systemd: installed, ready, killed, hung, and removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_process import PROGRAM
from support.cloud import CLIENT_ID, Cloud, cloud
from support.processes import until
from support.systemd_manager import Manager, systemd_manager

UNIT = "pairlet.service"


@pytest.fixture
def simulated() -> Iterator[Cloud]:
    with cloud(interval_s=1, access_token_lifetime_s=3600) as running:
        yield running


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with systemd_manager(tmp_path) as running:
        yield running


def configure(simulated: Cloud, folder: Path) -> Path:
    """A configuration, and a drop-in for somebody in a hurry."""
    file = folder / "pairlet.toml"
    file.write_text(
        f'[oauth]\nissuer = "{simulated.issuer}"\nclient_id = "{CLIENT_ID}"\ninsecure_http = true\n'
        f'[mqtt]\nurl = "{simulated.broker_url}"\nversion = "3.1.1"\n'
        '[telemetry]\ninterval = "1s"\n[store]\ndir = "state"\n'
    )
    drop_in = folder / ".config" / "systemd" / "user" / f"{UNIT}.d" / "hurry.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nRestartSec=1\nWatchdogSec=4\n")
    return file


def pairlet(manager: Manager, *words: str) -> str:
    done = manager.run(*PROGRAM, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def says(manager: Manager, words: str) -> None:
    until(lambda: words in manager.shows(UNIT, "StatusText"), f"{words!r} in STATUS")


def test_a_service_lives_through_it_all(simulated: Cloud, manager: Manager, tmp_path: Path) -> None:
    config = configure(simulated, tmp_path)
    pairlet(manager, "service", "install", "--user", "--config", str(config))
    # Ready, although nobody has come yet to pair it: `systemctl restart` has waited for that.
    assert manager.shows(UNIT, "ActiveState") == "active"
    says(manager, "not paired; a code is shown")
    record = json.loads(until(lambda: (tmp_path / "state" / "pairing").read_text(), "the code"))
    simulated.approve({"verification_uri_complete": None} | record)
    says(manager, "paired; token good for")
    says(manager, "connected to the broker")
    assert "paired; token good for" in pairlet(manager, "service", "status", "--user")
    assert "connected to the broker" in pairlet(manager, "status", "--config", str(config))

    # Killed, it is back; hung, the watchdog notices and it is back as well.
    for number, signal in enumerate(("KILL", "STOP"), 1):
        pid = manager.shows(UNIT, "MainPID")
        manager.run("kill", f"-{signal}", pid)
        until(lambda: manager.shows(UNIT, "MainPID") not in ("0", pid), f"a restart after SIG{signal}")  # noqa: B023
        says(manager, "connected to the broker")
        assert manager.shows(UNIT, "NRestarts") == str(number)
    assert "restarted 2 times" in pairlet(manager, "service", "status", "--user")

    pairlet(manager, "service", "remove", "--user")
    assert manager.shows(UNIT, "ActiveState") == "inactive"
    assert not (tmp_path / ".config" / "systemd" / "user" / UNIT).exists()
    assert (tmp_path / "state" / "token").exists()


def test_what_only_a_person_can_mend_is_not_restarted(
    simulated: Cloud, manager: Manager, tmp_path: Path
) -> None:
    config = configure(simulated, tmp_path)
    pairlet(manager, "service", "install", "--user", "--config", str(config))
    config.write_text("[oauth]\nisuer = 1\n")
    done = manager.run("systemctl", "--user", "restart", UNIT)
    assert done.returncode != 0
    assert manager.shows(UNIT, "ActiveState") == "failed" and manager.shows(UNIT, "ExecMainStatus") == "2"
    assert manager.shows(UNIT, "NRestarts") == "0"
    assert "failed" in pairlet(manager, "service", "status", "--user")
