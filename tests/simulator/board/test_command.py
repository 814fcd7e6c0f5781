"""`pairlet sim board` as a process: options, announcements, control socket, pictures, ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.board import Board, BoardError, Settings
from pairlet_sim.board.control import obey
from PIL import Image
from support import micropython
from support.agent_process import PROGRAM, environment
from support.processes import is_alive, marked_environment, marked_processes, until


def command(*words: str | Path, status: int) -> str:
    """Run `pairlet sim board` to its end; what it says on standard error."""
    answer = subprocess.run(
        [*PROGRAM, "sim", "board", *map(str, words)],
        capture_output=True, text=True, timeout=60, env=environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert answer.returncode == status, answer.stderr
    return answer.stderr if status else answer.stdout


@contextlib.contextmanager
def running(*words: str | Path, env: dict[str, str] | None = None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """`pairlet sim board --json ...`, and the line in which it says that it is ready."""
    process = subprocess.Popen(
        [*PROGRAM, "sim", "board", "--json", "--micropython", str(micropython.required()), *map(str, words)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env or environment(),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        yield process, ready
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def ask(path: Path, *commands: Any) -> list[Any]:
    """Send lines to a control socket, return the answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(path))
        with sock.makefile("rw") as file:
            answers = []
            for line in commands:
                file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
                file.flush()
                answers.append(json.loads(file.readline()))
    return answers


def test_help_names_every_option() -> None:
    said = command("--help", status=0)
    for name in ("flash", "size", "heap", "profile", "link", "png", "scale", "control", "wifi", "json"):
        assert f"--{name}" in said
    for name in ("micropython", "trace", "oled", "show", "skip-idle"):
        assert f"--{name}" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--micropython", "/bin/true"), "is no MicroPython"),
        (("--micropython", "/nowhere/micropython"), "is no MicroPython"),
        (("--size", "1000"), "multiple of 4096"),
        (("--heap", "1k"), "between 16k and 64m"),
        (("--flash", "/nowhere/flash.bin"), "there is no folder"),
        (("--wifi", "home"), "SSID:KEYFILE"),
        (("--wifi", "home:/nowhere/key"), "can't be read: No such file"),
        (("--link", "/nowhere/link"), "there is no folder"),
        (("--control", "/nowhere/socket"), "there is no folder"),
        (("--png", "/nowhere/x.png"), "there is no folder"),
    ],
)
def test_what_can_not_be_is_said_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    interpreter = () if "--micropython" in words else ("--micropython", micropython.required())
    said = command(*words, *interpreter, status=2)
    assert said.startswith("pairlet sim: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_without_an_interpreter_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pairlet_sim.board.settings._candidates", lambda: iter(["/nowhere/micropython"]))
    with pytest.raises(BoardError, match="MICROPYTHON") as raised:
        Board(Settings())
    assert raised.value.missing


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_runs_until_a_signal_and_leaves_nothing_but_the_flash(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    env, mark = marked_environment()
    words = (
        "--flash",
        tmp_path / "flash.bin",
        "--link",
        tmp_path / "port",
        "--control",
        tmp_path / "control",
    )
    with running(*words, env=env) as (process, ready):
        assert ready["serial"] == str(tmp_path / "port")
        assert os.readlink(tmp_path / "port").startswith("/dev/")
        assert json.loads(process.stdout.readline())["cause"] == "power"
        assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "flash.bin").stat().st_mode & 0o777 == 0o600
        process.send_signal(number)
        assert process.wait(60) == status
    assert os.listdir(tmp_path) == ["flash.bin"]
    until(lambda: not marked_processes(mark), "every process to end")


def test_if_it_is_killed_the_interpreter_ends_too(tmp_path: Path) -> None:
    with running("--control", tmp_path / "control") as (process, ready):
        children = Path(f"/proc/{process.pid}/task")
        until(lambda: _children(children), "the interpreter")
        pids = _children(children)
        process.kill()
        process.wait(60)
        until(lambda: not any(is_alive(pid) for pid in pids), "the interpreter to end")


def _children(tasks: Path) -> list[int]:
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def test_it_can_be_driven_through_the_control_socket(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with running("--control", control, "--flash", tmp_path / "f", "--skip-idle") as (process, _):
        until(lambda: ask(control, {"state": True})[0]["booted"], "the prompt")
        answers = ask(
            control,
            {"button": 15, "pressed": True}, {"button": 15, "pressed": False}, {"pin": 3, "level": 1},
            {"pin": 3, "level": None}, {"adc": 26, "value": 0.25}, {"temperature": 31.5}, {"wifi": "off"},
            {"wifi": "on"}, {"wifi": "cut"}, {"rssi": -80}, {"time_server": 1800000000},
            {"skip_idle": False}, {"skip_idle": True},
            {"time_server": None}, {"time_server": "host"},
            {"type": "from machine import Pin; Pin(3, Pin.OUT).on()\r"},
            {"screenshot": str(tmp_path / "x.png"), "scale": 2},
        )  # fmt: skip
        assert [answer["ok"] for answer in answers] == [True] * len(answers), answers
        assert Image.open(tmp_path / "x.png").size == (256, 128)
        state = until(
            lambda: (said := ask(control, {"state": True})[0])["outputs"] == {"3": 1} and said, "the pin"
        )
        assert (state["temperature"], state["access_point"]) == (31.5, False)
        assert ask(control, {"screen": "text"})[0]["text"].count("\n") == 31
        assert ask(control, {"power": "off"}, {"state": True})[1]["powered"] is False
        assert ask(control, {"power": "on"}, {"reset": "hard"})[1]["ok"]
        until(lambda: ask(control, {"state": True})[0]["boots"] >= 3, "the reset")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        '{"button": 1, "pin": 2}',
        '{"button": 0}',
        '{"button": "x", "pressed": true}',
        '{"button": 0, "pressed": 1}',
        '{"button": 99, "pressed": true}',
        '{"pin": 1, "level": 7}',
        '{"pin": true, "level": 1}',
        '{"adc": 26, "value": 2}',
        '{"adc": 26, "value": "x"}',
        '{"temperature": null}',
        '{"temperature": NaN}',
        '{"temperature": 1e400}',
        '{"wifi": "maybe"}',
        '{"wifi": []}',
        '{"rssi": 5}',
        '{"time_server": "x"}',
        '{"screenshot": "/nowhere/x.png"}',
        '{"screenshot": ""}',
        '{"screenshot": "x", "scale": 0}',
        '{"screenshot": "a\\u0000b"}',
        '{"reset": "gently"}',
        '{"reset": []}',
        '{"power": 1}',
        '{"skip_idle": 1}',
        '{"skip_idle": true}',
        '{"type": 5}',
        '{"type": "\\ud800"}',
        "\ud800",
        "[" * 5000,
    ],
)
def test_a_bad_command_is_refused_in_a_sentence(make_board: Any, line: str) -> None:
    board = make_board()
    answer = board.call(obey, board.board, line)
    assert answer["ok"] is False
    assert answer["error"].endswith(".")
    assert board.execute("print('well')") == "well\n"


def test_garbage_at_the_socket_does_not_end_it(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with running("--control", control) as (process, _):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(control))
            with contextlib.suppress(OSError):
                sock.sendall(b"x" * 200_000)
            assert json.loads(sock.makefile().readline())["ok"] is False
        assert ask(control, "\x00\xff", {"state": True})[1]["ok"] is True
        said = command("--control", control, "--micropython", micropython.required(), status=2)
        assert "Another board listens" in said
        process.kill()
        process.wait(60)
    with running("--control", control):  # a socket that nobody listens at any more is replaced
        assert ask(control, {"state": True})[0]["ok"]


def test_the_picture_follows_the_display(tmp_path: Path) -> None:
    control, picture = tmp_path / "control", tmp_path / "x.png"
    with running("--control", control, "--png", picture, "--scale", "1") as (process, _):
        until(lambda: ask(control, {"state": True})[0]["booted"], "the prompt")
        until(picture.exists, "the picture")
        dark = picture.read_bytes()
        code = "from machine import I2C; I2C(0).writeto(0x3c, b'\\\\x00\\\\x8d\\\\x14\\\\xa5\\\\xaf')\\r"
        assert ask(control, '{"type": "' + code + '"}')[0]["ok"]
        until(lambda: picture.read_bytes() != dark, "a new picture")
        image = Image.open(picture)
        assert image.size == (128, 64)
        assert image.getcolors() == [(128 * 64, 1)]


def test_a_key_of_the_air_is_in_no_process_list_and_no_output(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("very-secret-key\nnot this\n")
    env, mark = marked_environment()
    with running("--wifi", f"home:{key}", "--control", tmp_path / "c", env=env) as (process, ready):
        until(lambda: len(marked_processes(mark)) >= 1, "the process")
        assert "very-secret-key" not in "".join(marked_processes(mark).values()) + json.dumps(ready)
        assert "very-secret-key" not in json.dumps(ask(tmp_path / "c", {"state": True}))
    assert "very-secret-key" not in repr(Settings(networks={"home": "very-secret-key"}))


def test_for_people_it_says_what_to_type() -> None:
    process = subprocess.Popen(
        [*PROGRAM, "sim", "board", "--micropython", str(micropython.required()), "--show"],
        stdout=subprocess.PIPE, text=True, env=environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The board is ready: /dev/")
        assert "mpremote connect /dev/" in process.stdout.readline() + process.stdout.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process.stdout.close()
