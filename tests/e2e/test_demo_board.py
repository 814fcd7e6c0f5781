"""`pairlet demo --board` as a process: the firmware on a real MicroPython beside the agent on Linux."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from pairlet_sim.person import walk
from support import micropython
from support.demo_process import demo
from support.ports import free_port
from support.processes import (
    PATIENCE_S,
    command_line,
    holders,
    marked_environment,
    marked_processes,
    send_signal,
    until,
)
from support.qr_reader import read_qr
from support.terminal import CursorTerminal, Session, at_terminal
from support.vt100 import Terminal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that all tests use; without any the test skips."""
    monkeypatch.setenv("MICROPYTHON", str(micropython.required()))


def words(*more: str) -> list[str]:
    """What most of these tests start."""
    return ["--board", "--approve", "auto", "--port", str(free_port()), *more]


def test_two_demos_at_once_pair_both_devices_and_publish(tmp_path: Path) -> None:
    with (
        demo(tmp_path / "one", "--board", "--approve", "auto") as one,
        demo(tmp_path / "two", "--board", "--approve", "auto") as two,
    ):
        for each in (one, two):
            each.wait_for("the board: telemetry 1: .*chip_temperature_celsius 24.0")
            each.wait_for("the board: the token was refreshed and rotated")
            each.wait_for("the board: telemetry [0-9]+:")
            assert len(each.boards()) == 1
            assert "device/board.py" in command_line(each.boards()[0])
        for each in (one, two):
            send_signal(each.process.pid, signal.SIGINT)
        for each in (one, two):
            assert each.end() == 130
            each.leaves_nothing()
            before_the_end = each.text.partition("The demo is over")[0]
            for name in ("the Linux device", "the board"):
                assert len(re.findall(f"{name} shows the code", each.text)) == 1
                assert f"To approve {name}:" in each.text
                assert f"{name}: paired; granted: telemetry:write offline_access" in each.text
                assert f"{name}: the broker's retained status: online" in each.text
                assert f"{name}: telemetry 1:" in each.text
                assert f"{name}: the broker's retained status: offline" not in before_the_end
            assert "trouble" not in before_the_end and "eyJ" not in each.text


def test_it_ends_by_itself_and_says_what_was_seen(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", *words("--for", "1s")) as running:
        # However fast this machine is, a board needs more than a second for its first sample.
        assert running.end() == 4
        assert running.lines[-1] == "the board: not paired, 0 samples arrived, token refreshed 0 times\n"
        assert running.lines[-2].startswith("the Linux device: ")
        running.leaves_nothing()


@pytest.mark.parametrize(
    ("moment", "presses"), [("flashing", 1), ("starting", 3), ("code", 1), ("telemetry", 3), ("telemetry", 1)]
)
def test_ctrl_c_at_any_moment_leaves_nothing(tmp_path: Path, moment: str, presses: int) -> None:
    with demo(tmp_path / "tmp", *words()) as running:
        if moment == "flashing":
            running.wait_for("authorization server:")
        elif moment == "starting":
            until(running.boards, "the board's interpreter to start")
        elif moment == "code":
            running.wait_for("the board shows the code")
        else:
            running.wait_for("the board: telemetry 1:")
        for _ in range(presses):
            send_signal(running.process.pid, signal.SIGINT)
        assert running.end() == 130, running.text
        running.leaves_nothing()


def test_kill_9_takes_the_board_along(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", *words()) as running:
        running.wait_for("the board: telemetry 1:")
        assert len(running.boards()) == 1
        running.process.kill()
        running.process.wait(PATIENCE_S)
        until(lambda: not running.boards() and not marked_processes(running.mark), "every process to end")


# ---- what is missing or broken -------------------------------------------------------------------


def test_without_micropython_it_says_what_to_do_before_anything_starts(tmp_path: Path) -> None:
    """A checkout into which nothing was fetched yet, on a machine that has none."""
    bare = tmp_path / "checkout"
    for folder in ("agent", "simulator", "firmware"):
        shutil.copytree(ROOT / folder, bare / folder, ignore=shutil.ignore_patterns("__pycache__"))
    environ = {
        "PYTHONPATH": os.pathsep.join([str(bare / "agent"), str(bare / "simulator")]),
        "PATH": str(tmp_path),
        "MICROPYTHON": "",
    }
    with demo(tmp_path / "tmp", "--board", **environ) as running:
        assert running.end() == 2
        assert running.text.startswith("pairlet: There is no MicroPython 1.24 or newer here: ")
        assert "./run test" in running.text and "MICROPYTHON" in running.text
        assert running.text.count("\n") == 1
        running.leaves_nothing()
    with demo(tmp_path / "without", "--for", "1s", **environ) as running:
        assert running.end() == 4, running.text


def test_an_interpreter_that_dies_ends_the_demo_in_clear_words(tmp_path: Path) -> None:
    """It answers all that is asked before, and makes a flash, but no board stays alive on it."""
    broken = tmp_path / "micropython"
    real = micropython.required()
    broken.write_text(f'#!/bin/sh\ncase "$*" in *board.py*) exit 1 ;; esac\nexec {real} "$@"\n')
    broken.chmod(0o755)
    with demo(tmp_path / "tmp", *words(), MICROPYTHON=str(broken)) as running:
        assert running.end() == 5
        assert "pairlet: the board has died: The interpreter ends again and again" in running.text
        running.leaves_nothing()


# ---- at a terminal -------------------------------------------------------------------------------


def codes_on(screen: Terminal) -> list[str]:
    """What can be scanned on a complete picture, each address once."""
    return sorted(set(read_qr(screen.picture())))


def both_codes(screen: Terminal) -> tuple[list[str], str] | None:
    """The two of them, and the text beside; None while they are not there."""
    addresses = codes_on(screen)
    return (addresses, screen.text()) if len(addresses) == 2 else None


def approve_both(session: Session) -> None:
    """A person scans what is on the screen and says yes, twice."""
    addresses, text = session.wait_for(both_codes)
    account = re.search(r"Sign in as (\S+) with the password (\S+) and approve both devices", text)
    assert account, text
    for address in addresses:
        user_code = address.rpartition("=")[2]
        assert user_code in text or " ".join(user_code) in text
        walk(address, user_code, account[1], account[2])


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 40), (140, 45)])
def test_both_codes_are_scanned_from_the_screen(tmp_path: Path, columns: int, rows: int) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    environ, mark = marked_environment(TMPDIR=str(folder))
    start = ["demo", "--board", "--no-browser", "--port", str(free_port())]
    with at_terminal(start, columns=columns, rows=rows, screen=CursorTerminal, environ=environ) as session:
        approve_both(session)
        arrived = re.compile(r"online, [1-9]\d* samples arrived")
        session.wait_for(lambda screen: len(arrived.findall(screen.text())) == 2)
        session.wait_for(lambda screen: "chip_temperature_celsius" in screen.text())
        if columns > 80:
            session.wait_for(lambda screen: "the board's display, 128x64" in screen.text())
        session.type("\x03")
        assert session.end() == 130
        assert "nothing is left running" in session.screen.text() and session.screen.cursor_visible
        assert "Traceback" not in session.screen.text() + session.screen.history()
    until(lambda: not marked_processes(mark) and not holders(folder), "every process of the demo to end")
    assert list(folder.iterdir()) == []


def test_the_board_s_own_display_is_scanned_where_it_has_room(tmp_path: Path) -> None:
    """Half blocks are pixels: what the firmware drew on its panel can be read off the terminal."""
    start = ["demo", "--board", "--no-browser", "--port", str(free_port())]
    with at_terminal(start, columns=140, rows=60, screen=CursorTerminal) as session:
        session.wait_for(is_scanned_thrice)
        session.type("\x03")
        assert session.end() == 130


def is_scanned_thrice(screen: Terminal) -> bool:
    """The agent's code once, and the board's on its console and on its display."""
    found = read_qr(screen.picture())
    return len(found) == 3 and len(set(found)) == 2
