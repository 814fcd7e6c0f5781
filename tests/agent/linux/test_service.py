"""`pairlet service`: the unit file as systemd's own checker reads it, and what can't be installed."""

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError
from pairlet.linux.service import plan
from pairlet.linux.service.installed import Installed, ServiceError
from pairlet.linux.service.plan import Wishes, unit_for
from pairlet.linux.service.unit import MARK, Unit, quoted, text_of
from support.agent_process import run
from support.missing import missing

UNIT = Unit("pairlet", ["/bin/true", "run", "--config", "/etc/pairlet/pairlet.toml"], 45)
SERIAL = UNIT._replace(devices=("/dev/ttyUSB0",), groups=("dialout",), reads_homes=True)
SECRET = UNIT._replace(secret_file="/etc/pairlet/client secret 100%")
OWN_USER = UNIT._replace(run_as="daemon", state_folder="/srv/state of it")
SOCKET = UNIT._replace(run_folder=True)
OF_A_USER = UNIT._replace(for_user=True)
TOKENS = UNIT._replace(socket_folder="/run/pairlet", group="daemon")
UNITS = {
    "plain": UNIT,
    "serial": SERIAL,
    "secret": SECRET,
    "own user": OWN_USER,
    "of a user": OF_A_USER,
    "tokens": TOKENS,
    "socket": SOCKET,
}


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze. Skips without it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze is not on this machine (Debian: apt-get install systemd)")
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "SYSTEMD_LOG_LEVEL": "info", "XDG_RUNTIME_DIR": folder}
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=60, env=environ)


def written(unit: Unit, folder: Path) -> str:
    file = folder / "pairlet.service"
    file.write_text(text_of(unit))
    return str(file)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
def test_systemd_finds_nothing_wrong(unit: Unit, tmp_path: Path) -> None:
    done = analyze("verify", *(["--user"] if unit.for_user else []), written(unit, tmp_path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_does_find_what_is_wrong(tmp_path: Path) -> None:
    done = analyze("verify", written(UNIT._replace(words=["/no/such/program"]), tmp_path))
    assert done.returncode != 0 and "/no/such/program" in done.stderr
    file = Path(written(UNIT, tmp_path))
    file.write_text(file.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    assert "NoNewPrivilege" in analyze("verify", str(file)).stderr


@pytest.mark.parametrize(
    ("unit", "most"), [(UNIT, 1.6), (SECRET, 1.6), (TOKENS, 1.6), (OWN_USER, 1.8), (SERIAL, 2.2)]
)
def test_it_exposes_little(unit: Unit, most: float, tmp_path: Path) -> None:
    """0 exposes nothing, 10 everything; a service of the distribution has 9.6 unless it says otherwise."""
    done = analyze("security", "--offline=true", "--no-pager", written(unit, tmp_path))
    found = re.search(r"Overall exposure level for pairlet\.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= most


def settings(unit: Unit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text_of(unit).splitlines():
        name, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_what_the_unit_promises() -> None:
    said = settings(UNIT)
    assert said["Type"] == ["notify"] and said["NotifyAccess"] == ["main"]
    assert said["Restart"] == ["on-failure"] and said["RestartPreventExitStatus"] == ["2"]
    assert said["WatchdogSec"] == ["5min"] and said["DynamicUser"] == ["yes"]
    assert said["After"] == ["network-online.target time-sync.target"]
    assert "LoadCredential" not in said and said["PrivateDevices"] == ["yes"]
    # Whether the clock is set is read with adjtimex(2).
    assert "ProtectClock" not in said and "adjtimex" in said["SystemCallFilter"][-1]
    assert settings(SECRET)["LoadCredential"] == ["client_secret:/etc/pairlet/client secret 100%%"]
    serial = settings(SERIAL)
    assert serial["DeviceAllow"] == ["/dev/ttyUSB0 rw"] and serial["PrivateDevices"] == ["no"]
    assert serial["SupplementaryGroups"] == ["dialout"] and serial["ProtectHome"] == ["read-only"]
    assert settings(OWN_USER)["User"] == ["daemon"] and "DynamicUser" not in settings(OWN_USER)
    assert settings(OWN_USER)["ReadWritePaths"] == ['"/srv/state of it"']
    assert settings(SOCKET)["RuntimeDirectory"] == ["pairlet"] and "RuntimeDirectory" not in said
    tokens = settings(TOKENS)
    assert (tokens["RuntimeDirectory"], tokens["RuntimeDirectoryMode"]) == (["pairlet"], ["0755"])
    assert tokens["Group"] == ["daemon"] and "ReadWritePaths" not in tokens
    elsewhere = settings(OWN_USER._replace(socket_folder="/srv/tokens", state_folder=""))
    assert elsewhere["ReadWritePaths"] == ["/srv/tokens"] and "RuntimeDirectory" not in elsewhere
    of_a_user = settings(OF_A_USER)
    assert of_a_user["WantedBy"] == ["default.target"]
    assert not {"User", "DynamicUser", "After", "ProtectSystem", "StateDirectory"} & set(of_a_user)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("/usr/bin/x", "/usr/bin/x"),
        ("a b", '"a b"'),
        ("", '""'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("it's", '"it\'s"'),
        (";", '";"'),
    ],
)
def test_a_word_stays_one_word(word: str, text: str) -> None:
    assert quoted(word) == text


# ---- what it needs ---------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "pairlet.toml"
    file.write_text('[oauth]\nissuer = "https://auth.example.com"\nclient_id = "tv"\n')
    return file


@pytest.fixture
def open_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which everybody may read everything."""
    monkeypatch.setattr(plan, "_is_readable_by_all", lambda place: True)
    monkeypatch.setattr(plan, "_TEMPORARY", ("/nowhere",))
    monkeypatch.setattr(plan, "_HOMES", ("/home",))


SYSTEM = Wishes("pairlet", False, "")


@pytest.mark.usefixtures("open_house")
def test_the_unit_of_a_configuration(config: Path) -> None:
    units = [unit_for(SYSTEM, config, secret_file="/etc/pairlet/secret") for _ in range(200)]
    assert units[0].words[1:] == [
        *("-P", "-m", "pairlet.linux", "run", "--config", str(config), "--log-level", "info")
    ]
    assert units[0].secret_file == "/etc/pairlet/secret" and not units[0].reads_homes
    # Each device has a pause of its own.
    assert {unit.restart_s for unit in units} <= set(range(30, 61)) and len({u.restart_s for u in units}) > 10
    serial = unit_for(SYSTEM, config, serial_port="/dev/ttyUSB0")
    assert serial.devices == ("/dev/ttyUSB0",)
    tokens = unit_for(SYSTEM, config, token_socket="/run/pairlet/token", token_group="daemon")
    assert (tokens.socket_folder, tokens.group) == ("/run/pairlet", "daemon")
    own = unit_for(Wishes("pairlet", True, ""), config, secret_file="/x", state_folder="/y")
    assert own.for_user and not own.secret_file and not own.state_folder
    assert not units[0].run_folder
    assert unit_for(SYSTEM, config, health_socket="/run/pairlet/health").run_folder
    assert not unit_for(Wishes("pairlet", True, ""), config, health_socket="/home/x/health").run_folder


@pytest.mark.usefixtures("open_house")
def test_a_state_folder_in_a_home_stays_visible(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "home" / "state").mkdir(parents=True)
    monkeypatch.setattr(plan, "_HOMES", (str(config.parent / "home"),))
    wishes, folder = Wishes("pairlet", False, "root"), str(config.parent / "home" / "state")
    unit = unit_for(wishes, config, state_folder=folder)
    assert unit.state_folder == folder and unit.reads_homes and not unit_for(wishes, config).reads_homes


def test_a_configuration_that_only_others_see_is_refused() -> None:
    """A service has a /tmp of its own."""
    for wishes in (SYSTEM, Wishes("pairlet", False, "root")):
        with pytest.raises(ConfigError, match="a folder that the service has its own of") as caught:
            unit_for(wishes, Path("/tmp/pairlet.toml"))
        assert "/etc/pairlet/pairlet.toml" in caught.value.advice
    assert unit_for(Wishes("pairlet", True, ""), Path("/tmp/pairlet.toml")).for_user


@pytest.mark.usefixtures("open_house")
@pytest.mark.parametrize(
    ("wishes", "more", "said"),
    [
        (Wishes("pair let", False, ""), {}, "'pair let' can't be the name of a service"),
        (Wishes("../x", False, ""), {}, "'../x' can't be the name of a service"),
        (Wishes("", False, ""), {}, "'' can't be the name of a service"),
        (Wishes("p", False, "no-such-user"), {}, "there is no user 'no-such-user'"),
        (Wishes("p", True, "root"), {}, "--user and --as exclude each other"),
        (
            SYSTEM,
            {"state_folder": "/srv/x"},
            "store.dir is /srv/x, where the service's own user may not write",
        ),
        (
            Wishes("p", False, "root"),
            {"state_folder": "/srv/not there"},
            "store.dir is /srv/not there, which is not there",
        ),
        # What a system's service may write to is read-only for the rest of it, /run as well.
        (SYSTEM, {"health_socket": "/run/health"}, "health.listen is /run/health, where the service may not"),
        (SYSTEM, {"health_socket": "/run/pairlet"}, "may not write"),
        (Wishes("p", False, "root"), {"health_socket": "/run/pairlet/health"}, "may not write"),
        *(
            (SYSTEM, {"token_socket": path}, f"token_agent.socket is {path}, where the service's own user")
            for path in ("/srv/token", "/run/token", "/run/a/b/token")
        ),
    ],
)
def test_what_can_not_be_is_refused(config: Path, wishes: Wishes, more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        unit_for(wishes, config, **more)
    assert said in str(caught.value) and caught.value.advice


def test_what_the_service_s_own_user_could_not_read_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_check_program", lambda: None)
    monkeypatch.setattr(plan, "_TEMPORARY", ())
    config.chmod(0o600)
    with pytest.raises(ConfigError, match="pairlet.toml can't be read by the service's own user") as caught:
        unit_for(SYSTEM, config)
    assert "/etc/pairlet/pairlet.toml" in caught.value.advice
    monkeypatch.setattr(plan, "_HOMES", (str(config.parent),))
    config.chmod(0o644)
    with pytest.raises(ConfigError, match="can't be read"):
        unit_for(SYSTEM, config)
    assert unit_for(Wishes("pairlet", False, "root"), config).reads_homes


# ---- installing ------------------------------------------------------------------------------


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A systemctl that keeps what it is asked; `fail` in its folder makes it fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/asked\n'
        f'if [ -e {folder}/fail ]; then echo "no way" >&2; exit 5; fi\n'
        'printf "%s\\n" ActiveState=active SubState=running "StatusText=paired; all = well" NRestarts=2\n'
    )
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []


Asked = Callable[[], list[str]]


def test_install_and_remove(tmp_path: Path, systemctl: Asked) -> None:
    installed = Installed("pairlet", True, units=tmp_path / "a" / "units", booted=tmp_path)
    assert not installed.is_there()
    installed.check()
    installed.install(text_of(OF_A_USER))
    assert installed.is_there() and stat.S_IMODE(installed.file.stat().st_mode) == 0o644
    assert [file.name for file in installed.file.parent.iterdir()] == ["pairlet.service"]
    unit = "pairlet.service"
    assert systemctl() == [
        f"--user {words}" for words in ("daemon-reload", f"enable {unit}", f"restart {unit}")
    ]
    assert installed.properties()["StatusText"] == "paired; all = well"
    installed.check()  # again is no trouble
    installed.install(text_of(OF_A_USER))
    installed.remove()
    assert not installed.file.exists()
    assert systemctl()[-2:] == [f"--user disable --now {unit}", "--user daemon-reload"]


def test_what_is_somebody_else_s_stays(tmp_path: Path, systemctl: Asked) -> None:
    (tmp_path / "pairlet.service").write_text("[Service]\nExecStart=/usr/bin/mine\n")
    installed = Installed("pairlet", True, units=tmp_path, booted=tmp_path)
    assert not installed.is_there()
    with pytest.raises(ConfigError, match="was not written by this program"):
        installed.check()
    assert systemctl() == []


def test_without_systemd_or_root_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="does not run systemd") as caught:
        Installed("pairlet", True, units=tmp_path, booted=tmp_path / "none").check()
    assert "--dry-run" in caught.value.advice
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="takes root") as caught:
        Installed("pairlet", False, units=tmp_path, booted=tmp_path).check()
    assert "--user" in caught.value.advice
    Installed("pairlet", True, units=tmp_path, booted=tmp_path).check()


def test_what_systemctl_says_against_it_is_told(
    tmp_path: Path, systemctl: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "fail").write_text("")
    installed = Installed("pairlet", True, units=tmp_path / "units", booted=tmp_path)
    with pytest.raises(ServiceError, match="systemctl --user daemon-reload fails: no way"):
        installed.install(text_of(OF_A_USER))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ServiceError, match="systemctl .* can't be run: FileNotFoundError"):
        installed.properties()
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="can't be written"):
        Installed("pairlet", True, units=tmp_path / "file" / "x", booted=tmp_path).install("")


# ---- the command -----------------------------------------------------------------------------


def pairlet(*words: str, **environ: str) -> Any:
    return run("service", *words, **environ)


def test_a_dry_run_prints_the_unit_and_does_nothing(config: Path, tmp_path: Path) -> None:
    done = pairlet("install", "--dry-run", "--user", "--config", str(config), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(MARK) and f"--config {config}" in done.stdout
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["pairlet.toml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[oauth]\nissuer = "https://a.example"\n', "no client_id"),
        ('[oauth]\nprovider = "gitbuh"\nclient_id = "x"\n', "no provider 'gitbuh'"),
        ('[oauth]\nprovider = "entra"\nclient_id = "x"\n', "needs oauth.scope"),
        ('[oauth]\nclient_id = "x"\nclient_secret_file = "gone"\n', "client secret"),
        ('[oauth]\nclient_id = "x"\n[mqtt]\nurl = "http://x"\n', "mqtt.url must begin with mqtts://"),
        (
            '[oauth]\nclient_id = "x"\n[mqtt]\nurl = "mqtts://x"\n[telemetry]\nsensors = ["nope"]\n',
            "there is no sensor 'nope'",
        ),
        (
            '[oauth]\nclient_id = "x"\n[token_agent]\nsocket = "/run/x/y"\nmode = "0666"\n',
            "token_agent.mode: '0666' can't be used",
        ),
        ('[oauth]\nclient_id = "x"\n[health]\nlisten = "0.0.0.0:1"\n', "not this machine alone"),
    ],
)
def test_a_configuration_that_would_not_run_is_not_installed(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    done = pairlet("install", "--dry-run", "--user", "--config", str(config))
    assert (
        done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    )


def test_a_device_that_registers_itself_needs_no_client_id(config: Path, tmp_path: Path) -> None:
    values = '{ region = "eu-central-1", start_url = "https://x.awsapps.com/start" }'
    config.write_text(f'[oauth]\nprovider = "aws"\nprovider_values = {values}\n')
    done = pairlet("install", "--dry-run", "--user", "--config", str(config), HOME=str(tmp_path))
    assert done.returncode == 0 and done.stdout.startswith(MARK), done.stderr


def test_without_a_configuration_there_is_nothing_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if os.path.exists("/etc/pairlet/pairlet.toml"):
        pytest.skip("this machine has a configuration")
    done = pairlet("install", "--dry-run", HOME=str(tmp_path))
    assert done.returncode == 2 and "/etc/pairlet/pairlet.toml" in done.stderr


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = pairlet("status", "--user", **home)
    assert done.returncode == 0 and "There is no service pairlet" in done.stderr
    assert json.loads(pairlet("status", "--user", "--json", **home).stdout)["installed"] is False
    done = pairlet("remove", "--user", **home)
    assert done.returncode == 0 and "does not exist" in done.stderr


def test_the_secret_may_come_from_systemd(config: Path, tmp_path: Path) -> None:
    """systemd shows it to the service alone; the file itself is root's."""
    config.write_text(
        '[oauth]\nissuer = "https://127.0.0.1:1"\nclient_id = "x"\nclient_secret_file = "unreadable"\n'
    )
    words = ["--config", str(config), "--state-dir", str(tmp_path / "state")]
    (tmp_path / "credentials").mkdir()
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    done = run("token", *words, **credentials)
    assert done.returncode == 2 and "client secret in" in done.stderr
    (tmp_path / "credentials" / "client_secret").write_text("hush\n")
    done = run("token", *words, **credentials)
    assert done.returncode == 6 and "not paired" in done.stderr


def test_help() -> None:
    assert "install" in pairlet("--help").stdout and "--dry-run" in pairlet("install", "--help").stdout
    assert pairlet().returncode == 2
