"""Types, three times: against CPython, and against what a Pico W and an ESP32 have in its place.

`python tests/house_types.py` checks and prints the findings; with `install` it brings the boards' stubs
into .cache. A board's stubs replace the whole standard library, so that a module, function or keyword
that boards lack is an error. They know too little to be the judge: that is the real MicroPython.
"""

import argparse
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from house_finding import Finding
from house_shape import portable_files, sources

ROOT = Path(__file__).resolve().parents[1]
CPYTHON = "cpython"
BOARDS = ("rp2-rpi_pico_w", "esp32")
CHECKS = (CPYTHON, *BOARDS)
_VERSION = "1.25.0"
# Newer ones of these describe a newer MicroPython, and pip would take the newest.
_STANDARD_LIBRARY = "micropython-stdlib-stubs==1.25.0"
_STAMP = "made-of"
# What pairlet/__init__.py names for type checkers has no place on a board, and no stubs to be judged by.
_BOARD_CONFIG = "[mypy]\n[mypy-pairlet.linux.*]\nfollow_imports = skip\n"


class Missing(Exception):
    """What a check needs is not on this machine; the text says how to get it."""


class FalseAlarm(NamedTuple):
    """A complaint about good code: in files like `path`, with `words` in it, made `of` CPython or boards."""

    of: str
    path: str
    words: str
    why: str


_BOARD = "board"
FALSE_ALARMS = (
    FalseAlarm(_BOARD, "*", 'module named "contextlib"', "for type checkers alone, who have no stub of it"),
    FalseAlarm(_BOARD, "*/tls.py", '"_tls" already defined', "tls on a board, ssl elsewhere"),
    FalseAlarm(_BOARD, "*/tls.py", 'no attribute "verify_mode"', "it has one: tests/firmware shows it"),
    FalseAlarm(_BOARD, "*/tls.py", 'no attribute "TLSVersion"', "asked for where there is one: on CPython"),
    FalseAlarm(_BOARD, "*/clock.py", '"monotonic_ns"', "the stand-in for ticks_ms on CPython"),
    FalseAlarm(_BOARD, "*/clock.py", "Returning Any from function", "the same"),
    FalseAlarm(_BOARD, "*/clock.py", "conditional function variants", "the same"),
    FalseAlarm(CPYTHON, "firmware/*", 'module named "framebuf"', "CPython has none; the tests bring one"),
    FalseAlarm(CPYTHON, "*/ssd1306.py", 'Class cannot subclass "FrameBuffer"', "the same"),
)


def stubs(board: str) -> Path:
    """The folder of the stubs of `board`, whether it is there or not."""
    return ROOT / ".cache" / f"typings-{board}"


def _wanted(board: str) -> list[str]:
    return [f"micropython-{board}-stubs=={_VERSION}.*", _STANDARD_LIBRARY]


def is_installed(board: str) -> bool:
    """Whether the stubs of `board` are there, whole, and the ones that are wanted now."""
    stamp = stubs(board) / _STAMP
    return stamp.is_file() and stamp.read_text() == " ".join(_wanted(board))


def install(board: str) -> None:
    """Bring the stubs of `board` from Python's package index. Raises Missing with pip's words."""
    target = stubs(board)
    target.parent.mkdir(exist_ok=True)
    # Made aside and renamed: a folder under its name is complete.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=target.name) as aside:
        new = Path(aside) / "new"
        words = ["install", "-q", "--disable-pip-version-check", "--no-input", "--target", str(new)]
        ran = subprocess.run(
            [sys.executable, "-m", "pip", *words, *_wanted(board)], capture_output=True, text=True
        )
        if ran.returncode != 0:
            raise Missing(f"pip can't install the stubs of {board}:\n{ran.stdout}{ran.stderr}")
        (new / _STAMP).write_text(" ".join(_wanted(board)))
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)


def files_of(check: str) -> list[Path]:
    """The sources that `check` is about: what a board carries, or what CPython runs."""
    if check == CPYTHON:
        return sources(ROOT, ("agent", "simulator", "firmware/pairlet_board"))
    return [*portable_files(ROOT), *sources(ROOT, ("firmware",))]


def findings(
    check: str, files: Sequence[Path] | None = None, alarms: Sequence[FalseAlarm] = FALSE_ALARMS
) -> list[Finding]:
    """What mypy finds in `files` (those of `check` unless given) and no false alarm explains.

    A false alarm that is not raised any more is a finding, too, when all files are looked at. Raises
    Missing where mypy or the stubs are not installed, RuntimeError if mypy itself fails.
    """
    kind = CPYTHON if check == CPYTHON else _BOARD
    left = []
    raised = set()
    for finding in _complaints(check, files_of(check) if files is None else files):
        explained = [alarm for alarm in alarms if alarm.of == kind and _explains(alarm, finding)]
        raised.update(explained)
        if not explained:
            left.append(finding)
    if files is None:
        stale = [alarm for alarm in alarms if alarm.of == kind and alarm not in raised]
        words = "is a false alarm of house_types.py that nobody raises any more"
        left += [Finding("types", alarm.path, 1, f"{alarm.words!r} {words}") for alarm in stale]
    return left


def _explains(alarm: FalseAlarm, finding: Finding) -> bool:
    return fnmatch(finding.path, alarm.path) and alarm.words in finding.words


def _complaints(check: str, files: Sequence[Path]) -> list[Finding]:
    """All errors that mypy reports in our own files."""
    if importlib.util.find_spec("mypy") is None:
        raise Missing("mypy is not installed: ./run test and ./run lint bring it")
    command = [sys.executable, "-m", "mypy", "--output", "json", "--cache-dir", f".mypy_cache/{check}"]
    path = "firmware"
    if check != CPYTHON:
        if not is_installed(check):
            raise Missing(f"there are no type stubs of {check}: ./run test and ./run lint bring them")
        config = ROOT / ".mypy_cache" / "boards.ini"
        command += [f"--config-file={config}", "--strict", "--explicit-package-bases", "--no-site-packages"]
        # What CPython needs an `ignore` for may be right here, and the other way round.
        command += ["--no-warn-unused-ignores", "--custom-typeshed-dir", str(stubs(check))]
        path = os.pathsep.join(["agent", "firmware", str(stubs(check))])
    command += [str(file) for file in files]
    with _alone(check):
        (ROOT / ".mypy_cache" / "boards.ini").write_text(_BOARD_CONFIG)
        ran = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "MYPYPATH": path}, capture_output=True, text=True
        )
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"mypy failed on {check}:\n{ran.stdout}{ran.stderr}")
    reports = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return [_finding(report) for report in reports if report["severity"] == "error" and _is_ours(report)]


@contextmanager
def _alone(check: str) -> Iterator[None]:
    """No two of mypy at a time write to the same cache."""
    cache = ROOT / ".mypy_cache"
    cache.mkdir(exist_ok=True)
    with open(cache / f"{check}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_ours(report: dict[str, object]) -> bool:
    """Stubs have errors of their own."""
    return "/typings-" not in str(report["file"])


def _finding(report: dict[str, object]) -> Finding:
    file = Path(str(report["file"]))
    path = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.as_posix()
    return Finding("types", path, int(str(report["line"])), f"{report['message']} [{report['code']}]")


def main(words: list[str]) -> int:
    """Install, or check everything. Returns 0 when nothing was found, 1 for findings, 2 without the means."""
    parser = argparse.ArgumentParser(prog="house_types.py", description=__doc__)
    parser.add_argument("verb", nargs="?", choices=["check", "install"], default="check")
    verb = parser.parse_args(words).verb
    try:
        if verb == "install":
            for board in BOARDS:
                if not is_installed(board):
                    install(board)
            return 0
        count = 0
        for check in CHECKS:
            found = findings(check)
            print(f"types on {check}: {len(files_of(check))} files, {len(found)} findings")
            print("".join(f"  {finding}\n" for finding in found), end="", flush=True)
            count += len(found)
        return 1 if count else 0
    except (Missing, RuntimeError) as trouble:
        print(trouble, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
