"""A fault server for each test, in a thread of its own, and a client of a few lines that knows no mercy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from pairlet_sim.faults.evidence import Evidence
from pairlet_sim.faults.serving import Wanted, cast_of, open_faults
from support.thread_loop import kept_open

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

_numbers = count()


class Client:
    """Asks one issuer, without waiting for anything."""

    def __init__(self, issuer: str, client_id: str = "conformance", **options: Any):
        self.issuer = issuer
        self.client_id = client_id
        self._options = {"timeout": 30, "allow_redirects": False, **options}
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, address: str) -> requests.Response:
        return self.http.get(address, **self._options)

    def post(self, place: str, **form: Any) -> requests.Response:
        form.setdefault("client_id", self.client_id)
        return self.http.post(self.issuer + place, form, **self._options)

    def ask(self) -> dict[str, Any]:
        answer = self.post("/device_authorization")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def poll(self, codes: dict[str, Any]) -> requests.Response:
        return self.post("/token", grant_type=DEVICE_CODE, device_code=codes["device_code"])

    def settle(self, codes: dict[str, Any]) -> requests.Response:
        """The answer to the first poll that finds the person's decision made."""
        while (answer := self.poll(codes)).text == '{"error": "authorization_pending"}':
            pass
        return answer

    def refresh(self, tokens: dict[str, Any]) -> requests.Response:
        return self.post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])


class Faults:
    """The server and its sites; with a `label` sites that nobody else has used."""

    def __init__(self, server: Any, loop: Any, label: str = ""):
        self.server = server
        self._loop = loop
        self._label = label

    def labelled(self) -> "Faults":
        return Faults(self.server, self._loop, f"~{next(_numbers)}")

    def client(self, name: str, **options: Any) -> Client:
        return Client(self.server.issuer(name + self._label), **options)

    def evidence(self, name: str) -> Evidence:
        return self._loop.call(lambda: self.server.site(name + self._label).evidence())


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Faults]]:
    """A factory of servers; all stop at the end of the module."""
    with ExitStack() as stack:

        def started(ca_file: Path | None = None, secret: str | None = None, simulated: bool = True) -> Faults:
            cast = cast_of("conformance", secret, "more")
            wanted = Wanted(cast, ca_file=ca_file, simulated=simulated)
            return Faults(*stack.enter_context(kept_open(lambda: open_faults(wanted), "faults")))

        yield started


@pytest.fixture(scope="module")
def server(start: Callable[..., Faults]) -> Faults:
    """One server for all tests of the module."""
    return start()


@pytest.fixture
def faults(server: Faults) -> Faults:
    """The server with sites of this test's own."""
    return server.labelled()
