"""`pairlet sim faults` as a process: what it prints, its exit codes, its signals."""

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
from pairlet_sim.faults.scenarios import ALL
from support.terminal import CursorTerminal, at_terminal

RUN = [
    sys.executable,
    "-c",
    "import sys; from pairlet_sim.commands import command; sys.exit(command(sys.argv[1:]))",
    "faults",
]


@contextmanager
def started(*arguments: str):
    process = subprocess.Popen(
        [*RUN, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process, words):
    lines = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    return "".join(lines)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_tells_of_each_exchange_and_stops(number, code):
    with started("--json") as process:
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready" and ready["username"] == "demo" and ready["password"]
        form = {"client_id": ready["client_id"]}
        place = ready["issuer"] + "/s/interval_zero~x/device_authorization"
        assert requests.post(place, form, timeout=30).json()["interval"] == 0
        told = json.loads(process.stdout.readline())
        assert (told["event"], told["scenario"], told["kind"]) == (
            "exchange", "interval_zero~x", "device_authorization",
        )  # fmt: skip
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
        assert (process.returncode, out, err) == (code, "", "")


def test_what_people_read():
    with started("--client-id", "my-tv", "--approve", "person") as process:
        text = lines_until(process, "Ctrl-C stops the server.")
        assert "/s/bad_gateway, client_id my-tv" in text
        assert "you approve, as demo with password" in text
        issuer = text.split("issuer ")[1].partition(",")[0]
        for _ in range(2):
            requests.post(issuer + "/device_authorization", {"client_id": "my-tv"}, timeout=30)
        told = [process.stdout.readline() for _ in range(2)]
        assert told[0].split() == ["bad_gateway", "device_authorization", "codes"]
        assert told[1].split()[2] == "after"


def test_a_reader_that_goes_does_not_end_it():
    with started("--json") as process:
        ready = json.loads(process.stdout.readline())
        process.stdout.close()
        for _ in range(3):
            answer = requests.post(ready["issuer"] + "/s/ordinary/token", {"client_id": "x"}, timeout=30)
            assert answer.status_code == 400
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 0
        assert process.stderr.read() == ""


def test_https_with_an_authority_of_its_own(tmp_path):
    ca_file = tmp_path / "ca.pem"
    with started("--json", "--https", str(ca_file)) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["issuer"].startswith("https://")
        answer = requests.get(ready["issuer"] + "/", timeout=30, verify=str(ca_file))
        assert "/s/tls_expired " in answer.text


def test_the_list_is_complete(capsys):
    assert command(["faults", "--list"]) == 0
    text = capsys.readouterr().out
    assert all(f"{each.name}" in text and each.about in text and each.right in text for each in ALL)
    assert command(["faults", "--list", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["scenario"] for each in listed] == [each.name for each in ALL]
    assert {"item": 18, "section": "RFC 8628 section 3.5"} in next(
        each["items"] for each in listed if each["scenario"] == "slow_down"
    )


def test_the_list_on_a_terminal_is_a_table():
    with at_terminal(["--list"], columns=160, rows=400, screen=CursorTerminal, program=RUN) as session:
        assert session.end() == 0
        assert "what a right client does" in session.screen.text()
        assert "tls_expired" in session.screen.text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--port", "x"], 2, "port"),
        (["--host", "0.0.0.0"], 2, "--allow-remote"),
        (["--port", "0", "--host", "0.0.0.0", "--allow-remote"], 2, "no address to go to"),
        (["--port", "0", "--client-id", "ä"], 2, "client_id"),
        (["--port", "0", "--client-secret-file", "missing"], 2, "missing can't be read"),
        (["--port", "0", "--https", "/nowhere/ca.pem"], 2, "/nowhere/ca.pem"),
        (["--approve", "nobody"], 2, "--approve"),
    ],
)
def test_usage(arguments, code, said, capsys):
    assert command(["faults", *arguments]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_port_in_use(capsys):
    with listening_socket() as taken:
        assert command(["faults", "--port", str(port_of(taken))]) == 5
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["faults", "conformance"])
def test_help_needs_no_extra_and_the_rest_says_what_to_install(name):
    code = (
        "import sys\n"
        "for name in ('authlib', 'starlette', 'uvicorn', 'rich', 'trustme', 'joserfc'):\n"
        "    sys.modules[name] = None\n"
        "from pairlet_sim.commands import command\n"
        "sys.exit(command(sys.argv[1:]))"
    )

    def run(*arguments):
        words = [sys.executable, "-c", code, name, *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=100)

    helped = run("--help")
    assert helped.returncode == 0 and "exit codes" in helped.stdout or "/verdict" in helped.stdout
    refused = run(*(["--list"] if name == "faults" else ["--", "true", "{issuer}"]))
    assert refused.returncode == 2
    assert "pip install 'pairlet[simulator]'" in refused.stderr
    assert "Traceback" not in refused.stderr
