"""The command `pairlet` in a process a round, forked from an interpreter that has read in everything.

A cold start takes most of the time of a short command; without it a thousand rounds take a minute. A round
may be told to die as under kill -9: at a moment, or at one of the store's system calls.

    with ForkedAgent() as agent:
        round = agent.run(["token", ...], death=AtCall(7, BEFORE))
        assert round.exit_code == -9

The same file is the other side: a script that reads orders and answers, a line of JSON each.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

BEFORE, AFTER, TORN = "before", "after", "torn"
_LONGEST_S = 30.0


class AtCall(NamedTuple):
    """Death at the store's system call `number` (from 0): BEFORE it, AFTER it, or TORN (half is written)."""

    number: int
    moment: str


class AtTime(NamedTuple):
    """Death `after_s` seconds."""

    after_s: float


class Round(NamedTuple):
    """How a command ended: its exit code (-9: killed), what it wrote, and how long it took.

    calls: the names of the store's system calls, in order; empty when it was killed.
    """

    exit_code: int
    stdout: str
    stderr: str
    took_s: float
    calls: list[str]


class ForkedAgent:
    """The process that forks. See the module.

    pace: how many times as fast as this machine's the agent's clock is. sabotage: Python that breaks the
    agent, to show that it would be noticed.
    """

    def __init__(self, environ: dict[str, str], *, pace: int = 1, sabotage: str = ""):
        self._order = {"pace": pace, "sabotage": sabotage}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )

    def run(self, words: list[str], *, ahead_ms: int = 0, death: AtCall | AtTime | None = None) -> Round:
        """One command to its end; `ahead_ms` is how much its clocks are ahead of this machine's."""
        order = {**self._order, "words": words, "ahead_ms": ahead_ms}
        order["death"] = death and [type(death).__name__, *death]
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks has ended"
        return Round(**json.loads(answer))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def forked_agent(environ: dict[str, str], *, pace: int = 1, sabotage: str = "") -> Iterator[ForkedAgent]:
    """A ForkedAgent for a block."""
    agent = ForkedAgent(environ, pace=pace, sabotage=sabotage)
    try:
        yield agent
    finally:
        agent.close()


# ---- the other side --------------------------------------------------------------------------


class Watched:
    """A module whose functions are counted and, at the right one, fatal."""

    def __init__(self, module: Any, calls: list[str], death: AtCall | None):
        self._module = module
        self._calls = calls
        self._death = death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if not callable(found) or isinstance(found, type) or name in _NO_SYSTEM_CALLS:
            return found
        return self._watched(name, found)

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            number = len(self._calls)
            self._calls.append(name)
            death = self._death if self._death is not None and self._death.number == number else None
            if death is not None and death.moment == TORN and name == "write":
                function(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if death is not None and death.moment != AFTER:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*arguments, **options)
            finally:
                if death is not None:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call


_NO_SYSTEM_CALLS = ("fspath", "getpid", "geteuid")


def _child(order: dict[str, Any], files: list[int]) -> None:
    """The command; never returns."""
    for source, target in zip(files, (1, 2), strict=False):
        os.dup2(source, target)
    code, calls = 70, list[str]()
    try:
        from pairlet.linux import store
        from pairlet.linux.cli import main
        from support.shifted_clock import shift

        shift(ahead_ms=order["ahead_ms"], pace=order["pace"])
        exec(order["sabotage"], {})
        kind, *rest = order["death"] or [""]
        death = AtCall(*rest) if kind == "AtCall" else None
        store.os = Watched(os, calls, death)  # type: ignore[assignment]
        store.fcntl = Watched(store.fcntl, calls, death)  # type: ignore[assignment]
        code = main(order["words"])
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(files[2], json.dumps(calls).encode())
        os._exit(code)


def _round(order: dict[str, Any]) -> Round:
    files = [os.memfd_create(name) for name in ("stdout", "stderr", "calls")]
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(order, files)
    watch = os.pidfd_open(pid)
    kind, *rest = order["death"] or [""]
    limit_s = rest[0] if kind == "AtTime" else _LONGEST_S
    if not select.select([watch], [], [], limit_s)[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    took_s = time.monotonic() - began
    os.close(watch)
    texts = [_contents(file) for file in files]
    exit_code = os.waitstatus_to_exitcode(status)
    return Round(exit_code, texts[0], texts[1], took_s, json.loads(texts[2] or "[]"))


def _contents(file: int) -> str:
    with os.fdopen(file, "rb") as opened:
        opened.seek(0)
        return opened.read().decode("utf-8", "replace")


def _serve() -> None:
    import pairlet.linux.cli
    import pairlet.linux.commands
    import pairlet.linux.http_exchange  # noqa: F401

    gc.freeze()  # or the search for garbage in each child would copy all of it
    for line in sys.stdin:
        print(json.dumps(_round(json.loads(line))._asdict()), flush=True)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    _serve()
