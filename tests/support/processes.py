"""Processes of a test and of everything that they start: waiting for conditions, looking for orphans.

environ, mark = marked_environment()
... start something with `environ` ...
until(lambda: not marked_processes(mark), "every process to end")
"""

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from support.agent_process import environment

# Reached only when something is broken; a loaded machine is not.
PATIENCE_S = 60.0
_MARK = "E2E_FAMILY"

Result = TypeVar("Result")


def until(condition: Callable[[], Result], what: str, timeout: float = PATIENCE_S) -> Result:
    """The first true value of `condition()`; AssertionError that names `what` after `timeout` seconds."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        pause.wait(0.05)
    return value


def end_politely(process: "subprocess.Popen[Any]", patience: float = PATIENCE_S) -> None:
    """SIGTERM, so that it can put things in order; SIGKILL if it has not ended `patience` seconds later."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def marked_environment(**changes: str) -> tuple[dict[str, str], str]:
    """An environment whose processes can be told from all others, grandchildren included, and its mark."""
    mark = f"{_MARK}={uuid.uuid4().hex}"
    name, _, value = mark.partition("=")
    return environment(**{name: value}, **changes), mark


def marked_processes(mark: str) -> dict[int, str]:
    """The living processes that were started with `mark`: pid to command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = command_line(int(folder.name))
        except OSError:  # ended meanwhile, or not ours
            continue
    return found


def holders(folder: Path) -> list[int]:
    """The processes that have a file below `folder` open, be it deleted or not."""
    found = []
    for files in Path("/proc").glob("[0-9]*/fd"):
        try:
            opened = [os.readlink(file) for file in files.iterdir()]
        except OSError:  # ended meanwhile, or not ours
            continue
        if any(name.startswith(f"{folder}/") for name in opened):
            found.append(int(files.parent.name))
    return found


def command_line(pid: int) -> str:
    """What everybody on the machine can see of a process; "" for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def all_command_lines() -> str:
    """Every command line on this machine, one a line."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return "\n".join(command_line(pid) for pid in pids)


def has_loaded(pid: int, library: str) -> bool:
    """Whether a process has mapped a file whose name holds `library`: how far a starting program has come."""
    try:
        return library in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
