"""The real mpremote on the board's serial port, command by command, as on hardware."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pairlet_sim.board import VirtualBoard
from pairlet_sim.board.device import _layout as layout

Remote = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def remote(board: VirtualBoard, tmp_path: Path) -> Remote:
    """Runs `mpremote connect PORT ...` in the folder `here`, which it makes."""
    (tmp_path / "here").mkdir()

    def run(*words: str, status: int | None = 0) -> "subprocess.CompletedProcess[str]":
        try:
            answer = subprocess.run(
                [sys.executable, "-m", "mpremote", "connect", board.serial_path, *words],
                capture_output=True, text=True, timeout=60, cwd=tmp_path / "here", stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"no answer to {words}; {board.state()}, it said:\n{board.console}"
            ) from None
        if status is not None:
            assert answer.returncode == status, (answer.stdout, answer.stderr, board.console)
        return answer

    return run


@pytest.fixture
def here(remote: Remote, tmp_path: Path) -> Path:
    """The folder that mpremote runs in."""
    return tmp_path / "here"


def test_exec_and_eval(remote: Remote) -> None:
    assert remote("exec", "print(6 * 7)").stdout == "42\n"
    assert remote("eval", "[2**70, 'a']").stdout == "[1180591620717411303424, 'a']\n"


def test_exec_of_an_error_tells_it_and_fails(remote: Remote) -> None:
    answer = remote("exec", "print('before')\n1/0", status=1)
    assert answer.stdout.startswith("before\nTraceback")
    assert "ZeroDivisionError: divide by zero" in answer.stdout + answer.stderr


def test_run_a_file(remote: Remote, here: Path) -> None:
    (here / "hello.py").write_text("# a long one, over many windows\n" * 100 + "print('hello', __name__)\n")
    assert remote("run", "hello.py").stdout == "hello __main__\n"


def test_files_go_there_and_back(remote: Remote, here: Path) -> None:
    data = bytes(range(256)) * 80
    (here / "data.bin").write_bytes(data)
    remote("fs", "mkdir", "folder")
    remote("fs", "cp", "data.bin", ":folder/copy.bin")
    remote("fs", "cp", ":folder/copy.bin", "back.bin")
    assert (here / "back.bin").read_bytes() == data
    assert hashlib.sha256(data).hexdigest() in remote("fs", "sha256sum", "folder/copy.bin").stdout
    assert remote("fs", "ls", "folder").stdout.split() == ["ls", ":folder", "20480", "copy.bin"]
    remote("fs", "rm", "folder/copy.bin")
    remote("fs", "rmdir", "folder")
    assert remote("fs", "ls").stdout == "ls :\n"


def test_cat(remote: Remote, here: Path) -> None:
    (here / "a.txt").write_text("line one\nline two\n")
    remote("fs", "cp", "a.txt", ":a.txt")
    assert remote("fs", "cat", "a.txt").stdout == "line one\nline two\n"


def test_a_whole_folder(remote: Remote, here: Path) -> None:
    (here / "package/sub").mkdir(parents=True)
    (here / "package/__init__.py").write_text("from .sub.deep import x\n")
    (here / "package/sub/deep.py").write_text("x = 'from the deep'\n")
    remote("fs", "cp", "-r", "package", ":")
    assert remote("exec", "import package; print(package.x)").stdout == "from the deep\n"
    assert "deep.py" in remote("fs", "tree").stdout
    remote("fs", "rm", "-r", ":package")
    assert remote("fs", "ls").stdout == "ls :\n"


def test_df_is_a_pico_w(remote: Remote) -> None:
    lines = remote("df").stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["868352"]
    assert lines[1].split()[-1] == "/"


def test_soft_reset_forgets_and_keeps_main_away(remote: Remote, board: VirtualBoard, here: Path) -> None:
    (here / "main.py").write_text("print('main runs')\n")
    remote("fs", "cp", "main.py", ":")
    mark = board.mark()
    assert remote("exec", "x = 1", "soft-reset", "exec", "print('x' in globals())").stdout == "False\n"
    assert "main runs" not in board.since(mark)


def test_reset_runs_main(remote: Remote, board: VirtualBoard, here: Path) -> None:
    (here / "main.py").write_text("print('main runs')\n")
    remote("fs", "cp", "main.py", ":")
    boots, mark = board.boots, board.mark()
    remote("reset")
    board.wait_for_boot(boots + 1)
    board.wait_for_console("main runs\n", since=mark)
    assert (
        remote("exec", "import machine; print(machine.reset_cause() == machine.WDT_RESET)").stdout == "True\n"
    )


def test_a_running_program_is_stopped(remote: Remote, board: VirtualBoard, here: Path) -> None:
    (here / "main.py").write_text("import time\nprint('main runs')\nwhile True:\n    time.sleep(1)\n")
    remote("fs", "cp", "main.py", ":")
    mark = board.mark()
    remote("reset")
    board.wait_for_console("main runs\n", since=mark)
    assert remote("exec", "print('in its place')").stdout == "in its place\n"
    assert "KeyboardInterrupt" in board.since(mark)


def test_many_connections_one_after_another(remote: Remote, board: VirtualBoard, here: Path) -> None:
    (here / "main.py").write_text("while True:\n    pass\n")
    remote("fs", "cp", "main.py", ":")
    for number in range(4):
        remote("reset")
        # mpremote leaves before the board resets; who comes at once is cut off in the middle, as on hardware.
        board.until(lambda: board.board.reset_cause == layout.HARD_RESET)
        assert remote("exec", f"print({number})").stdout == f"{number}\n"


def test_mount_a_folder_of_the_host(remote: Remote, here: Path) -> None:
    (here / "over_there.py").write_text("print('mounted')\n")
    (here / "lines.bin").write_bytes(b"\n\r\n\x03\x04\x00\xff" * 50)
    # Text and the bytes of the mount share the line: they must never change places.
    code = (
        "import over_there\nfor n in range(40):\n  print(n, end=' ')\n"
        "  assert open('lines.bin', 'rb').read() == bytes((10, 13, 10, 3, 4, 0, 255)) * 50"
    )
    said = remote("mount", ".", "exec", code).stdout
    assert said.endswith("mounted\n" + "".join(f"{n} " for n in range(40)))


def test_mip_install_from_a_server(remote: Remote, here: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "lib").mkdir(parents=True)
    (site / "lib/greeting.py").write_text("text = 'installed'\n")
    package = {"version": "1", "urls": [["greeting/__init__.py", "lib/greeting.py"]], "deps": []}
    (site / "package.json").write_text(json.dumps(package))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=site))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/package.json"
        assert "Done" in remote("mip", "install", url).stdout
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert remote("exec", "import greeting; print(greeting.text)").stdout == "installed\n"


def test_the_clock_can_be_set(remote: Remote) -> None:
    remote("rtc", "--set")
    assert int(remote("exec", "import time; print(time.gmtime()[0])").stdout) > 2021
