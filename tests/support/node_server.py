"""A server on Node in a process of its own; tests/e2e/node_serving.mjs is its other half."""

import contextlib
import json
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.missing import missing
from support.processes import end_politely

SERVERS = Path(__file__).resolve().parent.parent / "e2e"
TIMEOUT = 30.0


class NodeServer:
    """Starts the server on entry, ends it on exit; skips the test where node or its packages are missing.

    `name` is its folder in tests/e2e, `settings` are those that the folder's server.mjs lists. `ready` is
    what it told when it listened.
    """

    def __init__(self, tmp_path: Path, name: str, settings: dict[str, Any]):
        self.ready: dict[str, Any] = {}
        self._server = SERVERS / name / "server.mjs"
        self._settings = settings
        self._log = tmp_path / f"{name.replace('_', '-')}.log"
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        node, folder = shutil.which("node"), self._server.parent
        if node is None:
            missing(f"node is not installed, so there is no {folder.name} to test against")
        if not (folder / "node_modules" / ".package-lock.json").is_file():
            missing(f"run `npm ci` in {folder.name}: its node_modules folder is missing")
        with self._log.open("wb") as log:
            command = [str(node), str(self._server)]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        try:
            self._begin(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the server reported under that name so far, e.g. `grant.error`; `at` is ms since 1970."""
        with self._changed:
            return [event for event in self._events if event["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it has reported `count` events of that name; AssertionError after half a minute."""
        with self._changed:
            enough = self._changed.wait_for(
                lambda: sum(event["event"] in (name, "ended") for event in self._events) >= count, TIMEOUT
            )
            found = [event for event in self._events if event["event"] == name]
        assert enough and len(found) >= count, f"{len(found)} of {count} {name}: {self._log.read_text()}"
        return found

    def _begin(self, process: subprocess.Popen[str]) -> None:
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        # A server that died at once is told apart by its log, in wait_for, not by the broken pipe.
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.write(json.dumps(self._settings) + "\n")
            process.stdin.flush()
        self.ready = self.wait_for("ready")[0]

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._record(json.loads(line))
        self._record({"event": "ended"})

    def _record(self, event: dict[str, Any]) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def _end(self) -> None:
        if self._process is None:
            return
        end_politely(self._process, TIMEOUT)
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
