"""What tests of `pairlet flash` share: small firmwares, and boards at a real mpremote's other end."""

from pathlib import Path
from typing import Any

from pairlet.linux.flash.install import Done, Installation, Settings
from pairlet.linux.flash.serial_board import SerialBoard
from pairlet_sim.board import VirtualBoard
from support import micropython

_MAIN = """\
import pairlet_part
def main():
    try:
        with open("config.json") as file:
            config = file.read().strip()
    except OSError:
        config = "none"
    print("firmware", {version!r}, pairlet_part.version, "with", config, "runs")
"""


class Silence:
    """Progress that nobody watches."""

    def begin(self, what: str, total: int) -> None:
        """Nothing."""

    def add(self, size: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def firmware(version: str) -> dict[str, bytes]:
    """Some files of a firmware that says its version twice, from two modules; one file never changes."""
    return {
        "pairlet_main.py": _MAIN.format(version=version).encode(),
        "pairlet_part.py": f"version = {version!r}\n".encode(),
        "pairlet/core/same.py": b"# always the same\n" * 80,
        f"pairlet/core/only_{version}.py": f"x = {version!r}\n".encode(),
    }


def settings(name: str) -> Settings:
    """Settings that a firmware above repeats."""
    return Settings(b'{"%s"}\n' % name.encode(), {})


def said(version: str, config: str) -> str:
    """What such a firmware prints with such settings."""
    return f'firmware {version} {version} with {{"{config}"}} runs\n'


def install(port: str, version: str, config: str) -> Done:
    """Flash it as the command does; returns when the board has been told to restart."""
    board = SerialBoard(port)
    try:
        board.connect()
        board.prepare()
        done = Installation(board, firmware(version), settings(config), Silence()).run()
        board.reset()
    finally:
        board.close()
    return done


def virtual_board(flash: Path, **fields: Any) -> VirtualBoard:
    """A board to enter; its flash is kept."""
    return VirtualBoard(micropython=micropython.required(), flash=flash, **fields)
