"""`pairlet sim` as a process: what it prints, its exit codes, its signals."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from pairlet_sim.authserver import listening_socket
from pairlet_sim.authserver.serving import port_of
from pairlet_sim.commands import command
from pairlet_sim.person import walk
from support.agent_process import started

RUN = [
    sys.executable,
    "-c",
    "import sys; from pairlet_sim.commands import command; sys.exit(command(sys.argv[1:]))",
]
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@contextmanager
def sim(*arguments: str):
    """The process and its first line of JSON."""
    process = subprocess.Popen(
        [*RUN, *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_authserver_pairs_and_stops(number, code):
    with sim("authserver", "--port", "0", "--interval", "1", "--audience", "mqtt") as (process, ready):
        assert ready["event"] == "ready"
        assert ready["at"].endswith("Z")
        issuer = ready["issuer"]
        codes = requests.post(
            issuer + "/device_authorization", {"client_id": ready["client_id"]}, timeout=30
        ).json()
        assert codes["interval"] == 1
        walk(codes["verification_uri"], codes["user_code"], ready["username"], ready["password"])
        form = {
            "grant_type": DEVICE_CODE,
            "device_code": codes["device_code"],
            "client_id": ready["client_id"],
        }
        assert requests.post(issuer + "/token", form, timeout=30).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
        assert (process.returncode, out, err) == (code, "", "")


def test_an_account_of_ones_own_and_a_confidential_client(tmp_path):
    password, secret = tmp_path / "password", tmp_path / "secret"
    password.write_text("first line\nsecond\n")
    secret.write_text("s3cret\n")
    with sim(
        "authserver", "--port", "0", "--user", "Grace", "--password-file", str(password),
        "--client-id", "kiosk", "--client-secret-file", str(secret),
        "--scope", "a b", "--database", str(tmp_path / "as.db"),
    ) as (_, ready):  # fmt: skip
        assert "password" not in ready
        auth = ("kiosk", "s3cret")
        codes = requests.post(ready["issuer"] + "/device_authorization", auth=auth, timeout=30).json()
        walk(codes["verification_uri"], codes["user_code"], "grace", "first line")
        form = {"grant_type": DEVICE_CODE, "device_code": codes["device_code"]}
        token = requests.post(ready["issuer"] + "/token", form, auth=auth, timeout=30).json()
        assert token["scope"] == "a b"
    assert (tmp_path / "as.db").exists()


def test_what_people_read():
    process = subprocess.Popen(
        [*RUN, "authserver", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        text = "".join(lines)
        assert "pairlet pair --issuer http://127.0.0.1:" in text
        assert "username demo, password " in text
    finally:
        process.kill()
        process.communicate()


def test_broker_beside_authserver():
    with sim("authserver", "--port", "0") as (_, server):
        with sim("broker", "--port", "0", "--issuer", server["issuer"]) as (process, ready):
            assert ready["url"].startswith("mqtt://127.0.0.1:")
            process.send_signal(signal.SIGTERM)
            assert process.wait(100) == 0
        wrong = run("broker", "--port", "0", "--issuer", server["issuer"] + "/")
        assert wrong.returncode == 7


def test_broker_without_authserver():
    listener = listening_socket()
    port = port_of(listener)
    listener.close()
    answer = run("broker", "--port", "0", "--issuer", f"http://127.0.0.1:{port}")
    assert answer.returncode == 5
    assert "start the server first" in answer.stderr


@pytest.mark.parametrize("kind", ["authserver", "broker"])
def test_a_port_in_use(kind):
    with listening_socket() as taken:
        port = str(port_of(taken))
        extra = ["--jwks", "http://127.0.0.1:1/jwks"] if kind == "broker" else []
        answer = run(kind, "--port", port, *extra)
    assert answer.returncode == 5
    assert port in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["nonsense"], "there is no command nonsense"),
        (["authserver", "--port", "x"], "port"),
        (["authserver", "--port", "70000"], "65535"),
        (["authserver", "--interval", "0"], "interval"),
        (["authserver", "--grace", "nan"], "grace"),
        (["authserver", "--host", "0.0.0.0"], "--allow-remote"),
        (["authserver", "--host", "0.0.0.0", "--allow-remote"], "--issuer"),
        (["authserver", "--port", "0", "--issuer", "http://as.example"], "https"),
        (["authserver", "--certfile", "x"], "--keyfile"),
        (["authserver", "--port", "0", "--user", "ada"], "--password-file"),
        (["authserver", "--port", "0", "--password-file", "x"], "--user"),
        (["authserver", "--port", "0", "--user", "a", "--password-file", "missing"], "missing can't be read"),
        (["authserver", "--port", "0", "--client-id", "ä"], "client_id"),
        (["authserver", "--port", "0", "--database", "/"], "database"),
        (["broker", "--host", "0.0.0.0", "--jwks", "http://127.0.0.1:1/"], "loopback"),
    ],
)
def test_usage(arguments, said, capsys):
    assert command(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_certificate_that_is_none(capsys, tmp_path):
    pem = str(tmp_path / "x.pem")
    assert command(["authserver", "--port", "0", "--certfile", pem, "--keyfile", pem]) == 7
    assert "certificate" in capsys.readouterr().err


def test_help_is_an_answer(capsys):
    assert command(["authserver", "--help"]) == 0
    assert "--allow-remote" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["authserver", "broker"])
def test_without_the_extra_it_says_what_to_install(kind):
    """A Python where the extra's libraries can't be imported: what `pip install pairlet` alone gives."""
    code = (
        "import sys\n"
        "for name in ('authlib', 'starlette', 'uvicorn', 'amqtt', 'joserfc'): sys.modules[name] = None\n"
        "from pairlet_sim.commands import command\n"
        "sys.exit(command(sys.argv[1:]))"
    )
    arguments = [kind, "--port", "0"] + (["--jwks", "http://127.0.0.1:1/"] if kind == "broker" else [])
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100
    )
    assert answer.returncode == 2
    assert "pip install 'pairlet[simulator]'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_authserver_like_a_provider_says_how_to_pair_and_is_paired_with(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    secret = ["--client-secret-file", str(tmp_path / "secret")]
    with sim("authserver", "--port", "0", "--interval", "1", "--like", "trakt", *secret) as (process, ready):
        oauth = ready["oauth"]
        assert oauth["provider"] == "trakt" and oauth["provider_values"] == {"server": ready["issuer"]}
        options = ["--set", "oauth.provider=trakt", "--set", "oauth.client_id=" + oauth["client_id"]]
        options += ["--set", "oauth.provider_values=server=" + ready["issuer"], "--insecure-http", *secret]
        with started("pair", "--state-dir", str(tmp_path / "state"), *options) as agent:
            code = agent.wait_for("code")
            walk(code["verification_uri"], code["user_code"], ready["username"], ready["password"])
            agent.wait_for("paired")
            assert agent.end() == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_authserver_like_nobody_is_refused():
    for arguments, word in ((["--like", "gitbuh"], "github"), (["--like", "google"], "--client-secret-file")):
        answer = run("authserver", "--port", "0", *arguments)
        assert answer.returncode == 2 and word in answer.stderr and "Traceback" not in answer.stderr
