"""The board's Http in a process of its own: on a real MicroPython, or on this Python.

http = BoardProcess(folder, ca_file)
response = await http.exchange(request)          # the Http port, as seen from outside
report = http.run([request, request])            # several in one process, with its use of resources
"""

import asyncio
import binascii
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pairlet.core import errors
from pairlet.core.http import Request, Response
from support import micropython

ROOT = micropython.ROOT
SCRIPT = ROOT / "tests/firmware/board_exchanges.py"
PLACES = (ROOT / "agent", ROOT / "firmware")
TIMEOUT_S = 100.0


class Report:
    """What came of a process: `outcomes` (Response, PairletError, or None for a cancelled exchange).

    `descriptors` and `heap` (bytes in use): after the first and after the last exchange; `ticks`: turns of
    a task beside the exchanges.
    """

    def __init__(self, outcomes: list[dict[str, Any]], answer: dict[str, Any]):
        self.outcomes = [_outcome(each) for each in outcomes]
        self.descriptors: tuple[int, int] = tuple(answer["descriptors"])
        self.heap: tuple[int, int] = tuple(answer["heap"])
        self.ticks: int = answer["ticks"]


class BoardProcess:
    """Runs board_exchanges.py with `options` of BoardHttp; `heap` as for -X heapsize of MicroPython.

    `on_board`: on MicroPython, and skipped without one; otherwise on this Python. `folder`: for its files.
    """

    def __init__(
        self,
        folder: Path,
        ca_file: str | None,
        *,
        on_board: bool = True,
        heap: str = micropython.BOARD_HEAP,
        **options: Any,
    ):
        self._folder = folder
        self._ca_file = ca_file
        self._options = options
        self._names = itertools.count()
        if on_board:
            self._command = [str(micropython.required()), "-X", f"heapsize={heap}", str(SCRIPT)]
        else:
            # Warnings are errors, so that a socket left to the garbage collector is noticed.
            self._command = [sys.executable, "-W", "error::ResourceWarning", str(SCRIPT)]
        places = ":".join(map(str, PLACES))
        self._environment = {**os.environ, "MICROPYPATH": places + ":.frozen", "PYTHONPATH": places}

    needs_room = True

    async def exchange(self, request: Request) -> Response:
        """One exchange in a process of its own. Cancelling it ends the process."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            self._job([request], None),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            limit=1 << 24,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        outcome = _report(output.decode()).outcomes[0]
        if isinstance(outcome, errors.PairletError):
            raise outcome
        assert isinstance(outcome, Response)
        return outcome

    def run(self, requests: Sequence[Request], cancel_ms: Sequence[int] | None = None) -> Report:
        """All `requests` after each other in one process, each cancelled after `cancel_ms` if given."""
        answer = subprocess.run(
            [*self._command, self._job(requests, cancel_ms)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert answer.returncode == 0, answer.stdout
        return _report(answer.stdout)

    def _job(self, requests: Sequence[Request], cancel_ms: Sequence[int] | None) -> str:
        exchanges: list[dict[str, Any]] = []
        for request in requests:
            body = binascii.hexlify(request.body).decode()
            exchanges.append({"method": request.method, "url": request.url, "body": body})
            exchanges[-1]["headers"] = request.headers
        for exchange, moment in zip(exchanges, cancel_ms or (), strict=False):
            exchange["cancel_ms"] = moment
        file = self._folder / f"job{next(self._names)}.json"
        file.write_text(json.dumps({"ca": self._ca_file, "options": self._options, "exchanges": exchanges}))
        return str(file)


def _report(output: str) -> Report:
    """What the script prints. Anything else, such as a lost exception, is a failure."""
    try:
        *outcomes, answer = [json.loads(line) for line in output.splitlines()]
        return Report(outcomes, answer)
    except (ValueError, KeyError):
        raise AssertionError(f"the exchanges did not end well:\n{output[:4000]}") from None


def _outcome(said: dict[str, Any]) -> Response | errors.PairletError | None:
    if "cancelled" in said:
        return None
    if "error" in said:
        kind = getattr(errors, said["error"])
        error = kind(said["message"], said["advice"])
        assert isinstance(error, errors.PairletError)
        return error
    return Response(said["status"], [(k, v) for k, v in said["headers"]], binascii.unhexlify(said["body"]))
