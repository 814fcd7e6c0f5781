"""`pairlet demo` as a process, and what is left of it.

with demo(tmp_path / "tmp", "--approve", "auto") as running:
    running.wait_for("telemetry 1:")
    ...
    running.leaves_nothing()
"""

import contextlib
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from support.agent_process import PROGRAM
from support.processes import PATIENCE_S, holders, marked_environment, marked_processes, send_signal


class Demo:
    """A running demo without a terminal: a line for each thing that happens."""

    def __init__(self, folder: Path, *words: str, **changes: str):
        folder.mkdir(parents=True)
        self.folder = folder
        environ, self.mark = marked_environment(TMPDIR=str(folder), **changes)
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [*PROGRAM, "demo", "--no-browser", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            # A process group of its own, as a shell gives it: what is in it after the end is an orphan.
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._new.put(line)
        self._new.put(None)

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """The first new line in which `pattern` is found; AssertionError if the demo ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._new.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r}: {self.lines}") from None
            assert line is not None, f"ended without {pattern!r}: {self.lines}"
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def end(self) -> int:
        """Wait for the end; the exit code. `lines` is complete then."""
        exit_code = self.process.wait(PATIENCE_S)
        while (line := self._new.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return exit_code

    @property
    def text(self) -> str:
        """Everything it has said."""
        return "".join(self.lines)

    def boards(self) -> list[int]:
        """The processes that are this demo's board. They know nothing of the mark, but hold the flash."""
        # The agent beside the board holds its outbox there, too; that one bears the mark.
        others = {self.process.pid, *marked_processes(self.mark)}
        return [pid for pid in holders(self.folder) if pid not in others]

    def leaves_nothing(self) -> None:
        """No process, no folder, no traceback."""
        assert marked_processes(self.mark) == {} and self.boards() == []
        assert list(self.folder.iterdir()) == []
        assert "Traceback" not in self.text, self.text

    def close(self) -> None:
        """Kill what is left."""
        for pid in [self.process.pid, *marked_processes(self.mark), *self.boards()]:
            if self.process.poll() is None or pid != self.process.pid:
                send_signal(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def demo(folder: Path, *words: str, **changes: str) -> Iterator[Demo]:
    """Start a demo, its environment with `changes`; whatever is left of it is killed at the end."""
    running = Demo(folder, *words, **changes)
    try:
        yield running
    finally:
        running.close()
