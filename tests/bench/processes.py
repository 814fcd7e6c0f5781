"""What the kernel tells about a process: its CPU time, its memory and how often it was woken (proc(5))."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from support.agent_process import environment

PEERS = Path(__file__).parent / "peers"
_BYTECODE = Path(__file__).resolve().parents[2] / ".cache" / "bytecode"
# Generous: reached only when something is broken.
PATIENCE_S = 60.0
_LOOK_S = 0.02
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_CPUCLOCK_SCHED = 2  # the scheduler's own count, in nanoseconds, threads that have ended included


def prepare_environment() -> None:
    """Let the processes to come start as they would on a device: with compiled bytecode, and nothing else.

    Without bytecode a start takes three times the CPU (PYTHONDONTWRITEBYTECODE is common where tests
    run). It goes into a folder of its own, so that the sources and the environment stay as they are, and
    is there for the next run.
    """
    for name in list(os.environ):
        # A CA bundle of the environment would win over the one that is given to a requests.Session.
        if name.startswith("PYTHON") or name in _CA_VARIABLES:
            del os.environ[name]
    os.environ["PYTHONPYCACHEPREFIX"] = str(_BYTECODE)


def check_warm() -> None:
    """RuntimeError if no process has left bytecode so far: every figure would be that of a compiler."""
    prefix = Path(os.environ["PYTHONPYCACHEPREFIX"])
    if not any(prefix.rglob("*.pyc")):
        raise RuntimeError(f"Python has written no bytecode into {prefix}: the figures would mean nothing.")


def cpu_s(pid: int) -> float:
    """CPU seconds (user and system) that the process `pid` has used so far, in all its threads."""
    # The kernel's own coding of a clock for another process (clock_getcpuclockid(3)).
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


class Memory(NamedTuple):
    """Of one process, in MiB (1024 of the kernel's kB): resident now, at its peak, and not shared."""

    resident: float
    peak: float
    private: float


def memory(pid: int) -> Memory:
    """The memory of the process `pid` as the kernel counts it at this moment."""
    status = _kilobytes(Path(f"/proc/{pid}/status"))
    rollup = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
    values = (status["VmRSS"], status["VmHWM"], rollup["Private_Clean"] + rollup["Private_Dirty"])
    return Memory(*(value / 1024 for value in values))


def _kilobytes(path: Path) -> dict[str, int]:
    fields = [line.split() for line in path.read_text().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) for words in fields if len(words) == 3 and words[2] == "kB"}


def switches(pid: int) -> dict[int, int]:
    """For each thread of `pid`, how often the processor was given to somebody else, by wish or not."""
    counts = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = [line.split() for line in (task / "status").read_text().splitlines()]
        counts[int(task.name)] = sum(
            int(words[1]) for words in fields if words and words[0].endswith("voluntary_ctxt_switches:")
        )
    return counts


def cpu_until(words: list[str], arrived: threading.Event | None, log: IO[bytes], **popen: Any) -> float:
    """Start `words`; return the CPU milliseconds from there until `arrived` is set, when it is killed.

    Without `arrived`, until the process has ended by itself. Killed rather than stopped, because the end
    of a Python process costs as much as a small part of its beginning, and none of it was asked for.
    RuntimeError with what it wrote to `log` if it ends or hangs instead.
    """
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=log, **{"stdout": log, "env": environment(), **popen}
    )
    try:
        reached = _wait(process.pid, arrived)
        os.kill(process.pid, signal.SIGKILL)
    except BaseException:
        process.kill()
        process.wait()
        raise
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not reached:
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
        raise RuntimeError(f"{' '.join(words[1:4])} ... did not get there: {said[-2000:]}")
    return 1000 * (usage.ru_utime + usage.ru_stime)


def _wait(pid: int, arrived: threading.Event | None) -> bool:
    """Whether what was waited for came; False after PATIENCE_S, or if the process ended before it."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (arrived or pause).wait(_LOOK_S):
            return True
        # WNOWAIT: wait4 shall still find it, with what it has used.
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            by_itself = ended.si_code == os.CLD_KILLED and ended.si_status == signal.SIGKILL
            return arrived is None and by_itself
    return False


class Peer:
    """A script of bench/peers that does what a line on its stdin asks for and answers with a line."""

    def __init__(self, script: str, process: "subprocess.Popen[str]"):
        self._script = script
        self._process = process
        self.pid = process.pid

    def ask(self, question: str) -> str:
        """Send `question`, return the answer. RuntimeError if the peer ends instead."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        """The next line that the peer says. RuntimeError if it ends instead."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench/peers/{self._script} ended; its words are above.")
        return line.rstrip("\n")


@contextmanager
def peer(script: str, *words: str) -> Iterator[Peer]:
    """Start bench/peers/`script`; it is killed at the end. It also ends by itself with its stdin."""
    process = subprocess.Popen(
        [sys.executable, str(PEERS / script), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        # Not in the foreground: Ctrl-C is for whoever measures, and would make every peer complain.
        process_group=0,
    )
    try:
        yield Peer(script, process)
    finally:
        process.kill()
        process.communicate()
