"""The command `pairlet` as a real process that a test reads line by line."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PROGRAM = [sys.executable, "-m", "pairlet.linux"]


def environment(**changes: str) -> dict[str, str]:
    """This environment without what would make a run differ from machine to machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAIRLET")}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "STATE_DIRECTORY"):
        kept.pop(name, None)
    kept.update(changes)
    return kept


def run(*words: str, timeout: float = 60, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, timeout=timeout, env=environment(**changes)
    )


class AgentProcess:
    """A running command with --json; `events` holds what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self._stderr = threading.Thread(target=self._read_errors, daemon=True)
        self._stderr.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def wait_for(
        self, name: str, timeout: float = 60, check: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """The next event called `name` (that passes `check`); AssertionError if the process ends first."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name} in {timeout} s; seen: {self.events}") from None
            if line is None:
                raise AssertionError(f"ended without {name}; seen: {self.events}; stderr: {self.errors}")
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == name and (check is None or check(event)):
                return event

    def end(self, timeout: float = 30) -> int:
        """Wait for the process to end by itself; return its exit code. All events are in `events` then."""
        exit_code = self.process.wait(timeout)
        while (line := self._lines.get(timeout=timeout)) is not None:
            self.events.append(json.loads(line))
        self._stderr.join(timeout)
        return exit_code


@contextmanager
def started(*words: str, **changes: str) -> Iterator[AgentProcess]:
    """Start `pairlet WORDS --json`; it is killed at the end if it still runs."""
    with started_by([*PROGRAM, *words, "--json"], **changes) as agent:
        yield agent


@contextmanager
def started_by(line: list[str], **changes: str) -> Iterator[AgentProcess]:
    """As started(), with the whole command line."""
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(**changes),
    )
    try:
        yield AgentProcess(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
