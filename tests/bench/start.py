"""Cold start: what it costs the processor until the first device authorization request is at the server."""

import json
import os
import statistics
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, Setting, Spread, in_turns
from bench.processes import PEERS, cpu_until
from bench.trust import write_bundle
from support.agent_process import PROGRAM, environment
from support.certificates import CertificateAuthority
from support.https_server import Connection, HttpsServer, answer

_ROUNDS = 15
_AIM = 1.15
_CLIENT_ID = "bench"
_HEADERS = [("content-type", "application/json"), ("connection", "close")]
_NAMES = {
    "imports": "importing requests and paho-mqtt",
    "no display": "pairlet pair, no display",
    "terminal": "pairlet pair on a terminal",
    "by hand": "requests by hand",
    "TLS": "pairlet pair over TLS",
    "TLS by hand": "requests by hand over TLS",
}


class _Server(HttpsServer):
    """Answers the metadata (RFC 8414) and says when a device authorization request has arrived."""

    def __init__(self, authority: CertificateAuthority | None):
        super().__init__(authority.issue() if authority else None)
        self.arrived = threading.Event()
        issuer = self.url("")
        metadata = {
            "issuer": issuer,
            "device_authorization_endpoint": issuer + "/device_authorization",
            "token_endpoint": issuer + "/token",
            "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_methods_supported": ["none"],
        }
        well_known = "/.well-known/oauth-authorization-server"
        self.script[well_known] = answer(200, _HEADERS, json.dumps(metadata).encode())
        self.script["/device_authorization"] = self._note

    def _note(self, connection: Connection) -> None:
        # No answer: the client shall rest until it is looked at.
        self.arrived.set()
        connection.wait_for_end()


class _Starts:
    """Starts processes that ask one server. All methods return CPU milliseconds."""

    def __init__(self, folder: Path, server: _Server, ca_file: str):
        self._folder, self._server, self._ca_file = folder, server, ca_file
        self._count = 0

    def imports(self) -> float:
        """A process that imports requests and paho-mqtt, and nothing more."""
        with (self._folder / "said").open("w+b") as log:
            return cpu_until([sys.executable, str(PEERS / "imports.py")], None, log)

    def requests(self) -> float:
        """The shortest program on the same two packages that asks for a code."""
        return self._first_request(
            [sys.executable, str(PEERS / "first_request.py"), self._server.url(""), _CLIENT_ID, self._ca_file]
        )

    def pair(self, *words: str, **popen: Any) -> float:
        """`pairlet pair` with a state folder that was never used."""
        self._count += 1
        state = self._folder / f"state-{self._server.port}-{self._count}"
        trust = ["--ca-file", self._ca_file] if self._ca_file else ["--insecure-http"]
        command = [*PROGRAM, "pair", "--issuer", self._server.url(""), "--client-id", _CLIENT_ID]
        return self._first_request([*command, "--state-dir", str(state), *trust, *words], **popen)

    def pair_dark(self) -> float:
        """The same without a display."""
        return self.pair("--display", "none")

    def pair_on_terminal(self) -> float:
        """The same as a person starts it: on a terminal, where the display is a drawing one."""
        master, slave = os.openpty()  # what is drawn by then fits into its buffer: nobody need read
        try:
            return self.pair(stdout=slave, env=environment(TERM="xterm-256color", LC_ALL="C.UTF-8"))
        finally:
            os.close(master)
            os.close(slave)

    def _first_request(self, command: list[str], **popen: Any) -> float:
        self._server.arrived.clear()
        with (self._folder / "said").open("w+b") as log:
            return cpu_until(command, self._server.arrived, log, **popen)


def measure(setting: Setting) -> Iterator[Figure]:
    """Compare `pairlet pair` with the imports that nobody who uses these packages can do without."""
    authority = CertificateAuthority()
    bundle = write_bundle(authority, setting.folder)
    with _Server(None) as plain, _Server(authority) as secure:
        http, https = _Starts(setting.folder, plain, ""), _Starts(setting.folder, secure, bundle)
        candidates = {
            "imports": http.imports,
            "no display": http.pair_dark,
            "terminal": http.pair_on_terminal,
            "by hand": http.requests,
            "TLS": https.pair_dark,
            "TLS by hand": https.requests,
        }
        values = in_turns(setting, candidates, setting.rounds(_ROUNDS))
    for name, floor, aim in (
        ("no display", "imports", _AIM),
        ("terminal", "imports", _AIM),
        ("by hand", "imports", None),
        ("no display", "by hand", None),
        ("TLS", "TLS by hand", None),
    ):
        ours, theirs = values[name], values[floor]
        note = f"{statistics.median(ours):.0f} ms against {statistics.median(theirs):.0f} ms"
        yield Figure(f"{_NAMES[name]} / {_NAMES[floor]}", Spread.of_ratios(ours, theirs), aim=aim, note=note)
