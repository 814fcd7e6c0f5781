"""The real MicroPython that portable code is tested on: where it is and how to run it.

`./run test` brings one into .cache if the machine has none. The reference is Debian's i386
build: its words have 4 bytes as on the boards, so heap figures hold there too.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.missing import missing

ROOT = Path(__file__).resolve().parents[2]
# Less than any board has left for programs beside a TLS session: what is tested by itself has to fit.
BOARD_HEAP = "128k"

_PROBE = """import sys
version = sys.implementation.version[:3]
print(sys.implementation.name, ".".join(str(n) for n in version), 32 if sys.maxsize == 2**31 - 1 else 64)
sys.exit(0 if sys.implementation.name == "micropython" and version[:2] >= (1, 24) else 1)
"""


def _candidates() -> Iterator[str]:
    if named := os.environ.get("MICROPYTHON"):
        yield named
    yield str(ROOT / ".cache/micropython/bin/micropython")
    if installed := shutil.which("micropython"):
        yield installed


def _probe(interpreter: str) -> str | None:
    """What `interpreter` says of itself ("micropython 1.25.0 32"), or None if it is not fit."""
    try:
        answer = subprocess.run([interpreter, "-c", _PROBE], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


@functools.cache
def find() -> Path | None:
    """MicroPython >= 1.24: $MICROPYTHON, the one in .cache, the one on PATH; None if there is none."""
    return next((Path(candidate) for candidate in _candidates() if _probe(candidate)), None)


def description() -> str:
    """One line about the interpreter in use, for the log of a test run."""
    interpreter = find()
    said = _probe(str(interpreter)) if interpreter else None
    if interpreter is None or said is None:
        return "no MicroPython 1.24 or newer"
    name, version, bits = said.split()
    return f"{name} {version}, {bits} bits, {interpreter}"


def required() -> Path:
    """The interpreter. Without one the test skips and says what to do; with CI=true it fails."""
    interpreter = find()
    if interpreter is not None:
        return interpreter
    missing("no MicroPython 1.24 or newer: ./run test fetches one, MICROPYTHON names one")


def run(
    arguments: Sequence[str | Path],
    *,
    path: Sequence[str | Path] = (),
    heap: str = BOARD_HEAP,
    folder: Path | None = None,
    timeout: float = 60,
) -> "subprocess.CompletedProcess[str]":
    """Run the required interpreter with `arguments`; returns its exit status and output as one text.

    `path`: folders to import from, before the frozen modules. `heap`: as for `-X heapsize`
    ("64k" or bytes). `folder`: the working directory. Exceeding `timeout` seconds raises
    subprocess.TimeoutExpired.
    """
    # The user's own ~/.micropython/lib stays out: only frozen modules and `path` are there.
    places = ":".join([*(str(place) for place in path), ".frozen"])
    return subprocess.run(
        [str(required()), "-X", f"heapsize={heap}", *(str(argument) for argument in arguments)],
        env={**os.environ, "MICROPYPATH": places},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )
