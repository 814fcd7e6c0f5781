"""`mpremote mip install` of both packages onto a board, from a server, as their package.json lists them."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from house_shape import PACKAGES
from pairlet_sim.board import VirtualBoard
from support import micropython

ROOT = micropython.ROOT


HASH = """
import hashlib, binascii
with open("{path}", "rb") as file:
    print(binascii.hexlify(hashlib.sha256(file.read()).digest()).decode())
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Leave the test's output alone."""


@pytest.fixture
def address() -> Iterator[str]:
    """The checkout as a web server has it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=ROOT))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def mpremote(board: VirtualBoard, folder: Path, *words: str) -> str:
    """Run `mpremote connect PORT WORDS...`; what it printed."""
    answer = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", board.serial_path, *words],
        capture_output=True, text=True, timeout=100, cwd=folder, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert answer.returncode == 0, (answer.stdout[-2000:], answer.stderr, board.console[-2000:])
    return answer.stdout


def listed(package: str) -> list[str]:
    """The files of `package` by the place where they land below /lib."""
    return [target for target, _ in json.loads((ROOT / package / "package.json").read_text())["urls"]]


@pytest.mark.timeout(240)
def test_both_packages_install_and_import(address: str, tmp_path: Path) -> None:
    # Roomier than a Pico W: sources are compiled there, and all of it at once. `pairlet flash` compiles here.
    with VirtualBoard(micropython=micropython.required(), heap=1024 * 1024) as board:
        board.wait_for_boot()
        for package in PACKAGES:
            said = mpremote(board, tmp_path, "mip", "install", f"{address}/{package}/package.json")
            assert "Done" in said and "Exists" not in said
        names = [*listed("agent"), *listed("firmware")]
        assert len(names) == len(set(names)) > 40
        modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
        code = (
            f"import sys\nfor name in {modules!r}:\n  __import__(name)\n  print(sys.modules[name].__file__)\n"
        )
        places = mpremote(board, tmp_path, "exec", code).split()
        assert places == [f"/lib/{name}" for name in names]
        for file in (ROOT / "agent/pairlet/agent.py", ROOT / "firmware/pairlet_board/http.py"):
            code = HASH.format(path=f"/lib/{file.parent.name}/{file.name}")
            assert board.execute(code).strip() == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_that_is_not_there_is_told(address: str, tmp_path: Path) -> None:
    with VirtualBoard(micropython=micropython.required()) as board:
        board.wait_for_boot()
        with pytest.raises(AssertionError, match="not found"):
            mpremote(board, tmp_path, "mip", "install", f"{address}/firmware/nothing/package.json")
