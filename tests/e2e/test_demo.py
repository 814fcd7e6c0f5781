"""`pairlet demo` as a process: it tells the whole story, and however it ends nothing is left behind."""

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_process import PROGRAM
from support.demo_process import demo
from support.ports import free_port
from support.processes import (
    PATIENCE_S,
    has_loaded,
    marked_environment,
    marked_processes,
    send_signal,
    until,
)

DEFAULT_PORT = 8628


@contextlib.contextmanager
def taken_port(port: int = 0) -> Iterator[int]:
    """A port that somebody else listens on. Waits while another test has that very one."""

    def bound() -> socket.socket | None:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            return None

    with until(bound, f"port {port} to be free") as listener:
        yield int(listener.getsockname()[1])


def test_two_at_once_tell_the_whole_story_and_end_by_themselves(tmp_path: Path) -> None:
    words = ["--approve", "auto", "--for", "20s"]
    with demo(tmp_path / "one", *words) as one:
        first = one.wait_for(r"authorization server: http://127\.0\.0\.1:(\d+) ")[1]
        with demo(tmp_path / "two", *words) as two:
            second = two.wait_for(r"authorization server: http://127\.0\.0\.1:(\d+) ")[1]
            assert first != second
            for each in (one, two):
                assert each.end() == 0
                each.leaves_nothing()
                assert "the device shows the code" in each.text and "Sign in as ada" in each.text
                assert "paired; granted: telemetry:write offline_access" in each.text
                assert "connected to the broker with the access token" in each.text
                assert "the broker's retained status: online" in each.text
                summary = r"^paired, [1-9]\d* samples? arrived, token refreshed \d+ times?$"
                assert re.search(summary, each.lines[-1]), each.lines[-1]
                assert "eyJ" not in each.text  # how every access token of this server begins
            # (Another test may have had the usual port when the first one started.)
            assert first != str(DEFAULT_PORT) or f"port {DEFAULT_PORT} is taken" in two.text


def test_it_refreshes_and_the_device_never_goes_offline(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", "--approve", "auto", "--port", str(free_port())) as running:
        running.wait_for("telemetry 1: .*[a-z_]+ [0-9]")
        running.wait_for("the token was refreshed and rotated")
        samples = int(running.wait_for(r"telemetry (\d+):")[1])
        running.wait_for(f"telemetry {samples + 3}:")
        send_signal(running.process.pid, signal.SIGTERM)
        assert running.end() == 130
        running.leaves_nothing()
        before_the_end = running.text.partition("The demo is over")[0]
        assert "trouble" not in before_the_end
        assert re.findall("retained status: (.*)", before_the_end)[:1] == ["online"]
        assert "retained status: offline" not in before_the_end.partition("refreshed and rotated")[0]


def test_a_taken_port_is_a_usage_error_if_it_was_asked_for(tmp_path: Path) -> None:
    with taken_port() as port, demo(tmp_path / "tmp", "--port", str(port)) as running:
        assert running.end() == 2
        assert f"port {port}" in running.text.lower() and "--port" in running.text
        running.leaves_nothing()


def test_without_port_a_taken_one_is_only_worth_a_word(tmp_path: Path) -> None:
    with taken_port(DEFAULT_PORT), demo(tmp_path / "tmp", "--for", "1s") as running:
        assert running.end() == 4
        chosen = re.search(rf"port {DEFAULT_PORT} is taken.*this one uses (\d+)", running.text)
        assert chosen and f"http://127.0.0.1:{chosen[1]}" in running.text
        running.leaves_nothing()


def test_nobody_came_is_exit_code_4(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", "--for", "3s", "--port", str(free_port())) as running:
        assert running.end() == 4
        assert running.lines[-1].startswith("not paired, 0 samples arrived")
        running.leaves_nothing()


@pytest.mark.parametrize("moment", ["python", "libraries", "listening", "code", "telemetry"])
def test_ctrl_c_at_any_moment_leaves_nothing(tmp_path: Path, moment: str) -> None:
    with demo(tmp_path / "tmp", "--approve", "auto", "--port", str(free_port())) as running:
        pid = running.process.pid
        if moment == "python":
            until(lambda: has_loaded(pid, "_asyncio"), "the demo to import its first modules")
        elif moment == "libraries":
            until(lambda: has_loaded(pid, "_sqlite3"), "the demo to import the simulator")
        elif moment == "listening":
            running.wait_for("authorization server:")
        elif moment == "code":
            running.wait_for("the device shows the code")
        else:
            running.wait_for("telemetry 1:")
        send_signal(pid, signal.SIGINT)
        # While Python still reads modules there is nothing to end but itself.
        early = {-signal.SIGINT} if moment in ("python", "libraries") else set()
        assert running.end() in {130} | early, running.text
        running.leaves_nothing()


def test_kill_9_takes_the_device_along(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", "--approve", "auto", "--port", str(free_port())) as running:
        running.wait_for("telemetry 1:")
        assert len(marked_processes(running.mark)) == 2
        running.process.kill()
        running.process.wait(PATIENCE_S)
        until(lambda: not marked_processes(running.mark), "the device's process to end")


def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path) -> None:
    """`pairlet demo | head -1` goes on without a word, and ends as if it had been read."""
    environ, mark = marked_environment(TMPDIR=str(tmp_path))
    words = ["demo", "--no-browser", "--for", "2s", "--port", str(free_port())]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*PROGRAM, *words], stdout=pipe, stderr=pipe, env=environ)
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        assert b"authorization server" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 4
        assert process.stderr.read() == b""
    assert marked_processes(mark) == {} and list(tmp_path.iterdir()) == []
