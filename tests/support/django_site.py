"""A Django site in a process of its own, and how a test talks to it with no code of Pairlet."""

import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from support.missing import missing
from support.processes import end_politely

SITES = Path(__file__).resolve().parent.parent / "e2e"
TIMEOUT = 30.0


class DjangoSite:
    """Starts a site on entry, ends it on exit. `base` is its URL.

    `site`: its folder in tests/e2e, `needs`: the module that it can't be without; without it the test is
    skipped. `given`: what the folder's server.py asks for. `tls`: certificate file and key file.
    """

    def __init__(self, folder: Path, site: str, needs: str, tls: tuple[str, str], ca_file: str, **given: Any):
        self.ca_file = ca_file
        self.base = ""
        self._site = site
        self._needs = needs
        self._folder = folder
        self._log = folder / "django.log"
        self._given = {"folder": str(folder), "cert_file": tls[0], "key_file": tls[1], **given}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if importlib.util.find_spec(self._needs) is None:
            missing(f"{self._needs} is not installed, so there is no {self._site} to test against")
        command = [sys.executable, "-m", f"{self._site}.server"]
        pipe = subprocess.PIPE
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=SITES
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        # A server that died at once is told by its log, not by the broken pipe.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(self._given) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._end()
            raise AssertionError(f"{self._site} did not start: {self._log.read_text()}")
        self.base = json.loads(line)["base"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def request(self, method: str, address: str, **more: Any) -> requests.Response:
        """An HTTP request that trusts the server's CA."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, address, verify=self.ca_file, timeout=TIMEOUT, **more)

    def change(self, statement: str, *values: str) -> int:
        """What a site's administrator could do in the database: one SQL statement; how many rows it met."""
        database = sqlite3.connect(self._folder / "django.sqlite3", timeout=TIMEOUT)
        with contextlib.closing(database), database:
            return database.execute(statement, values).rowcount

    def _end(self) -> None:
        if self._process is None:
            return
        end_politely(self._process, TIMEOUT)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
