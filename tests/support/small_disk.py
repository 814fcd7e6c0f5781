"""A file system of a test's own: small, to be filled or made read-only. Only root can mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, to be filled or made read-only; skips the test where that is forbidden."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here: " + done.stderr.decode("utf-8", "replace").strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def read_only(folder: Path, on: bool) -> None:
    """Remount a small disk."""
    subprocess.run(["mount", "-o", "remount," + ("ro" if on else "rw"), str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up every byte of a small disk; the file that did it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            return ballast
