"""A real authorization server for each test, in a thread of its own, with a clock that the test moves."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from pairlet_sim.person import walk

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
START = 1_700_000_000.0


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Site:
    """A server that answers at `base`, and short ways to talk to it."""

    def __init__(self, server: AuthorizationServer, clock: Clock):
        self.server = server
        self.clock = clock
        self.base = server.settings.base
        self.http = requests.Session()
        self.http.trust_env = False

    def post(self, place: str, data: Any = None, **options: Any) -> requests.Response:
        return self.http.post(self.base + place, data=data, timeout=30, **options)

    def get(self, place: str, **options: Any) -> requests.Response:
        return self.http.get(self.base + place, timeout=30, allow_redirects=False, **options)

    def start_pairing(self, **data: Any) -> dict[str, Any]:
        answer = self.post("/device_authorization", {"client_id": "tv", **data})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def poll(self, device_code: str, client_id: str = "tv") -> requests.Response:
        form = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": client_id}
        return self.post("/token", form)

    def decide(self, codes: dict[str, Any], decision: str = "approve") -> None:
        walk(codes["verification_uri"], codes["user_code"], "ada", "correct horse", decision)  # type: ignore[arg-type]

    def pair(self, **data: Any) -> dict[str, Any]:
        codes = self.start_pairing(**data)
        self.decide(codes)
        answer = self.poll(codes["device_code"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, refresh_token: str, **data: Any) -> requests.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "tv", **data}
        return self.post("/token", form)

    def introspect(self, token: str, **data: Any) -> dict[str, Any]:
        answer = self.post("/introspect", {"token": token, **data}, auth=("broker", "broker-secret"))
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def running(path: str = "", clock: Clock | None = None, **options: Any) -> Iterator[Site]:
    """Serve in a thread until the block ends."""
    clock = clock or Clock()
    listener = listening_socket()
    defaults: dict[str, Any] = {
        "people": [Person("ada", "correct horse", name="Ada Lovelace"), Person("bob", "battery staple")],
        "clients": [
            Client("tv", name="Living room TV", scopes=("telemetry:write", "profile")),
            Client("kiosk", secret="kiosk-secret", device_id="kiosk-7"),
            Client("broker", secret="broker-secret", introspects=True, grant_types=()),
        ],
    }
    settings = Settings(f"http://127.0.0.1:{port_of(listener)}{path}", **(defaults | options))
    server = AuthorizationServer(settings, clock)
    site, ready, failure = Site(server, clock), threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with serve(server.app, sock=listener):
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(main())
        except BaseException as error:
            failure.append(error)
        finally:
            loop.close()
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    try:
        yield site
    finally:
        site.http.close()
        if not failure:
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        server.close()
        assert not failure and not thread.is_alive()


@pytest.fixture
def start() -> Iterator[Callable[..., Site]]:
    """A factory of sites; all stop at the end of the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(running(*args, **options))


@pytest.fixture
def site(start: Callable[..., Site]) -> Site:
    """A site with the usual people and clients."""
    return start()


@pytest.fixture
def error() -> Callable[..., None]:
    """error(answer, code, status=400): check an OAuth error response (RFC 6749 section 5.2)."""

    def check(answer: requests.Response, code: str, status: int = 400) -> None:
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["error_description"].isascii()

    return check
