"""The board's MQTT client in a process of its own: on a real MicroPython, or on this Python.

with BoardDevice(folder, url, [["connect"], ["event"], ["disconnect"]], on_board=True) as device:
    assert device.answer() is False      # of connect, as soon as it is there
    ...                                  # the device is waiting for an event now
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pairlet.core import errors
from support import micropython

ROOT = micropython.ROOT
SCRIPT = ROOT / "tests/firmware/mqtt_device.py"
PLACES = ":".join(str(ROOT / name) for name in ("agent", "firmware"))
TIMEOUT_S = 60.0


class BoardDevice:
    """Runs mqtt_device.py with these `steps`; see there. `heap` as for -X heapsize of MicroPython."""

    def __init__(
        self,
        folder: Path,
        url: str,
        steps: Sequence[Any],
        *,
        on_board: bool,
        ca_file: str | None = None,
        client_id: str = "board",
        keep_alive: int = 60,
        republish: bool = False,
        will: str | None = None,
        heap: str = micropython.BOARD_HEAP,
    ):
        job: dict[str, Any] = {"url": url, "ca": ca_file, "client_id": client_id, "keep_alive": keep_alive}
        job |= {"republish": republish, "will": will, "steps": steps}
        file = folder / f"{client_id}.json"
        file.write_text(json.dumps(job))
        if on_board:
            self._command = [str(micropython.required()), "-X", f"heapsize={heap}", str(SCRIPT), str(file)]
        else:
            # Warnings are errors, so that a socket left to the garbage collector is noticed.
            self._command = [sys.executable, "-W", "error::ResourceWarning", str(SCRIPT), str(file)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            env={**os.environ, "MICROPYPATH": PLACES + ":.frozen", "PYTHONPATH": PLACES},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        process = self._running()
        if kind is not None:
            process.kill()
        try:
            # Whatever is left to say is what the device should not have said: tracebacks, warnings.
            rest, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, _ = process.communicate()
            raise AssertionError(f"the device did not come to its end: {rest}") from None
        assert kind is not None or (process.returncode, rest) == (0, ""), rest

    def kill(self) -> None:
        """A power cut. What the device would have said is lost; the `with` block has to end with it."""
        process = self._running()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.read()
        process.returncode = 0

    def answer(self) -> Any:
        """What came of the next step; an error of ours is raised. Waits for it."""
        stdout = self._running().stdout
        assert stdout is not None
        line = stdout.readline()
        try:
            said = json.loads(line)
        except ValueError:
            raise AssertionError(f"the device said: {line}{stdout.read()}") from None
        if "error" in said:
            raise _error(said)
        return said["answer"]

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process


def _error(said: dict[str, str]) -> errors.PairletError:
    if said["error"] == "BrokerError":
        return errors.BrokerError(said["message"], 0)
    kind = getattr(errors, said["error"])
    error = kind(said["message"])
    assert isinstance(error, errors.PairletError)
    return error
