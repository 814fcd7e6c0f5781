"""`pairlet sim faultproxy` as a process: lines on stdin, exit codes, signals."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.mosquitto import Mosquitto, Subscriber
from support.ports import closed_port

RUN = [
    sys.executable,
    "-c",
    "import sys; from pairlet_sim.commands import command; sys.exit(command(sys.argv[1:]))",
    "faultproxy",
]


@contextmanager
def started(*arguments: str, stdin: Any = subprocess.PIPE) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*RUN, "--port", "0", *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    return dict(json.loads(line))


def say(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_obeys_lines_and_stops(tmp_path: Path, number: int, code: int) -> None:
    with Mosquitto(tmp_path) as broker, started(f"mqtt://127.0.0.1:{broker.port}", "--json") as process:
        ready = told(process)
        assert ready["event"] == "ready" and ready["broker"] == f"127.0.0.1:{broker.port}"
        with Subscriber(ready["port"], "a") as seen:
            say(process, "wait 0\nreset-every x\n\ndelay 0.01\nfoo\nstate\n")
            assert "above 0" in told(process)["error_description"]
            assert told(process)["fault"] == "delay 0.01"
            assert "'foo' is no fault" in told(process)["error_description"]
            state = told(process)
            assert (state["accepted"], state["open"], state["bytes_up"] > 0) == (1, 1, True)
            say(process, "wait\nrefuse\n")
            assert "wait SECONDS" in told(process)["error_description"]
            assert told(process)["fault"] == "refuse"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", ready["port"]))
            assert seen.granted == [1]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (code, "", "")


@pytest.mark.parametrize("kind", ["file", "nothing", "closed pipe"])
def test_stdin_of_any_kind_may_end(tmp_path: Path, kind: str) -> None:
    (tmp_path / "lines").write_text("delay 0.5\nblackhole")
    with closed_port() as port, open(tmp_path / "lines") as file:
        stdin = {"file": file, "nothing": subprocess.DEVNULL, "closed pipe": subprocess.PIPE}[kind]
        with started(f"127.0.0.1:{port}", stdin=stdin) as process:
            assert process.stdout is not None
            if kind == "closed pipe":
                assert process.stdin is not None
                process.stdin.write("pass\n")
                process.stdin.close()
                process.stdin = None
            assert "The proxy is ready" in process.stdout.readline() and process.stdout.readline()
            for line in {"file": ["delay 0.5", "blackhole"], "closed pipe": ["pass"]}.get(kind, []):
                assert process.stdout.readline() == f"{line}: done\n"
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=60) == ("", "") and process.returncode == 0


def test_trouble_with_the_broker_is_told() -> None:
    with closed_port() as port, started(f"127.0.0.1:{port}") as process:
        assert process.stdout is not None and process.stderr is not None
        words = process.stdout.readline()
        there = int(words.split(" leads to ")[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", there)) as client, pytest.raises(ConnectionResetError):
            client.settimeout(30)
            client.recv(1)
        assert "The broker can't be reached: " in process.stderr.readline()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["127.0.0.1"], 2, "HOST:PORT"),
        (["127.0.0.1:0"], 2, "HOST:PORT"),
        (["127.0.0.1:x"], 2, "HOST:PORT"),
        (["http://127.0.0.1:80"], 2, "no address of a broker"),
        (["127.0.0.1:1883", "--fault", "blackhol"], 2, "did you mean blackhole"),
        (["127.0.0.1:1883", "--fault", "delay"], 2, "delay SECONDS"),
        (["127.0.0.1:1883", "--host", "0.0.0.0"], 2, "--allow-remote"),
        ([], 2, "required"),
    ],
)
def test_usage(words: list[str], code: int, sentence: str) -> None:
    ended = subprocess.run([*RUN, "--port", "0", *words], capture_output=True, text=True, timeout=60)
    assert ended.returncode == code and sentence in ended.stderr and "Traceback" not in ended.stderr


def test_a_port_in_use_is_a_network_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        command = [*RUN, "--port", str(holder.getsockname()[1]), "127.0.0.1:1883"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 5 and "can't be had" in ended.stderr
