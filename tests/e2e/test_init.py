"""`pairlet init` as a process: at a real terminal and with options; what it writes pairs a device."""

import json
import socket
import tomllib
from pathlib import Path

import pytest
from pairlet_sim.person import walk
from support.agent_process import run, started
from support.certificates import CertificateAuthority
from support.cloud import CLIENT_ID, CONFIDENTIAL_CLIENT_ID, PASSWORD, SECRET, USERNAME, Cloud, cloud
from support.ports import closed_port
from support.terminal import Session, at_terminal

CTRL_C, CTRL_D = "\x03", "\x04"


def answer(session: Session, question: str, keys: str, end: str = "\r") -> None:
    """Type `keys` and Enter once `question` is the last on the screen, with nothing behind the prompt."""

    def is_asked(text: str) -> bool:
        words = " ".join(text.rstrip().rpartition("\n\n")[2].split())
        return question in words and words.endswith(">")

    session.wait_for(lambda screen: is_asked(screen.text()))
    session.type(keys + end)


def pairs(simulated: Cloud, file: Path) -> None:
    """The device of this file can be paired, and has its token afterwards."""
    words = ["--config", str(file), "--state-dir", str(file.parent / "state")]
    with started("pair", *words) as agent:
        simulated.approve(agent.wait_for("code"))
        assert agent.wait_for("paired")["has_refresh_token"] is True
        assert agent.end() == 0
    assert run("token", *words).returncode == 0


def test_a_conversation_at_a_terminal_and_the_device_pairs(simulated: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "pairlet.toml"
    with at_terminal(["init", str(file)], columns=80, rows=24) as session:
        for question, keys in (
            ("Whom does the device act for?", "9"),
            ("That is none of them.", "1"),
            ("Is there a browser on the device", ""),
            ("Whose authorization server is it?", ""),
            ("its issuer", simulated.issuer),
            ("Allow them?", "y"),
            ("What is the client_id?", CLIENT_ID),
            ("Where is the client secret?", ""),
            ("What may the device do?", "telemetry:write offline_access"),
            ("Which broker", simulated.broker_url),
            ("Which kind of broker", ""),
        ):
            answer(session, question, keys)
        assert session.end() == 0
        said = session.raw.decode()
    assert "The grant for this is device_code." in said and "It offers device_code." in said
    assert "checked with the server" in said and "pairlet doctor" in said
    assert max(len(line) for line in said.splitlines() if str(tmp_path) not in line) < 80
    assert tomllib.loads(file.read_text()) == {
        "oauth": {
            "grant": "device_code", "issuer": simulated.issuer, "client_id": CLIENT_ID,
            "scope": "telemetry:write offline_access", "insecure_http": True,
        },
        "mqtt": {"url": simulated.broker_url}, "telemetry": {}, "display": {},
    }  # fmt: skip
    pairs(simulated, file)


@pytest.mark.parametrize(("keys", "when"), [(CTRL_C, 0), (CTRL_D, 0), (CTRL_C, 3), (CTRL_D, 3)])
def test_ctrl_c_and_ctrl_d_leave_nothing(simulated: Cloud, tmp_path: Path, keys: str, when: int) -> None:
    with at_terminal(["init", str(tmp_path / "pairlet.toml")], columns=80, rows=24) as session:
        for question, typed in (
            ("Whom does the device act for?", ""),
            ("Is there a browser on the device", ""),
            ("Whose authorization server is it?", ""),
        )[:when]:
            answer(session, question, typed)
        answer(session, "its issuer" if when else "Whom does", "", end=keys)
        assert session.end() == 130
        said = session.screen.text()
    assert "Nothing was written." in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keys", [CTRL_C, ""])
def test_a_server_that_never_answers_is_left_by_ctrl_c_and_sigterm(tmp_path: Path, keys: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        words = ["init", "--issuer", issuer, "--grant", "device_code", "--insecure-http"]
        with at_terminal([*words, str(tmp_path / "pairlet.toml")], columns=80, rows=24) as session:
            with silent.accept()[0]:  # it has asked, and waits
                if keys:
                    session.type(keys)
                else:
                    session.process.terminate()
                assert session.end() == 130
            said = session.screen.text()
    assert "what it offers" in said and "Nothing was written." in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_options_alone_and_the_device_pairs_over_tls(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    certificate, key = authority.issue().write(tmp_path)
    ca_file = authority.write(tmp_path / "ca.pem")
    folder = tmp_path / "etc"
    with cloud(certfile=certificate, keyfile=key, ca_file=ca_file, interval_s=1) as simulated:
        words = [
            "init",
            "--for",
            "person",
            "--no-browser",
            "--issuer",
            simulated.issuer,
            "--client-id",
            CLIENT_ID,
        ]
        words += ["--json", str(folder / "pairlet.toml")]
        # Who signs the server's certificate, nobody here knows yet.
        refused = run(*words)
        assert refused.returncode == 7 and json.loads(refused.stdout)["event"] == "error"
        assert "--offline" in refused.stderr and not folder.exists()
        done = run(*words, "--ca-file", ca_file)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (
            said["grant"] == "device_code" and said["checked"] is True and said["scope"] == "offline_access"
        )
        pairs(simulated, folder / "pairlet.toml")


def test_a_sensor_gets_its_token_with_a_secret_from_the_file_that_was_named(
    simulated: Cloud, tmp_path: Path
) -> None:
    file, secret = tmp_path / "pairlet.toml", tmp_path / "meter.secret"
    words = ["--for", "device", "--issuer", simulated.issuer, "--client-id", CONFIDENTIAL_CLIENT_ID]
    done = run("init", *words, "--insecure-http", "--client-secret-file", str(secret), str(file))
    assert done.returncode == 0 and f"Put the client secret into {secret}" in done.stderr
    assert 'client_secret_file = "meter.secret"' in file.read_text()
    secret.write_text(SECRET)
    token = run("token", "--config", str(file), "--state-dir", str(tmp_path / "state"))
    assert token.returncode == 0 and token.stdout.count(".") == 2


def test_a_kiosk_lets_somebody_sign_in(simulated: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "pairlet.toml"
    words = ["--for", "person", "--browser", "--issuer", simulated.issuer, "--client-id", CLIENT_ID]
    done = run("init", *words, "--insecure-http", "--set", "oauth.browser=none", str(file))
    assert done.returncode == 0 and "Register http://127.0.0.1/callback" in done.stderr
    with started("pair", "--config", str(file), "--state-dir", str(tmp_path / "state")) as agent:
        uri = agent.wait_for("authorize")["authorization_uri"]
        assert "This device is paired" in walk(uri, "", USERNAME, PASSWORD).text
        assert agent.wait_for("paired")["scope"] == "offline_access" and agent.end() == 0


def test_without_a_terminal_and_without_a_server(tmp_path: Path) -> None:
    file = tmp_path / "pairlet.toml"
    missing = run("init", str(file))
    assert missing.returncode == 2 and "Give --for, --browser or --no-browser" in missing.stderr
    words = [str(file), "--for", "person", "--no-browser", "--client-id", "tv", "--insecure-http"]
    with closed_port() as port:
        away = run("init", *words, "--issuer", f"http://127.0.0.1:{port}")
        assert away.returncode == 5 and "--offline writes the file" in away.stderr and not file.exists()
        written = run("init", *words, "--issuer", f"http://127.0.0.1:{port}", "--offline")
    assert written.returncode == 0 and "not checked with the server" in written.stderr and file.exists()
    old = run("init", *words, "--force", "--grant", "implicit")
    assert old.returncode == 2 and "RFC 9700 section 2.1.2" in old.stderr
