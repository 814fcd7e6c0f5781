"""`from pairlet import ...`: a device's token in somebody's own program, against the simulator's server."""

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from pairlet import (
    AccessToken,
    BearerAuth,
    ConfigError,
    Device,
    HttpxBearerAuth,
    OAuthError,
    PairletError,
    Screen,
    UnpairedError,
)
from pairlet.core.secret import Secret
from pairlet.linux.clock import SystemClock
from pairlet.linux.dpop.key import DeviceKey
from pairlet.linux.dpop.prover import Prover
from pairlet.linux.library.challenge import challenge_error
from pairlet.linux.store import FileStore
from pairlet_sim.authserver import Client, Person
from pairlet_sim.person import walk
from support.agent_process import run
from support.authserver_thread import RunningServer, authserver
from support.proofs import opened
from support.qr_reader import read_qr
from support.resource_server import INVALID_TOKEN, Resource, resource_server

USERNAME, PASSWORD = "grace", "compiler-1952"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    clients = [Client("tv")]
    with authserver([Person(USERNAME, PASSWORD)], clients, interval_s=1, refresh_grace_s=60) as running:
        yield running


@pytest.fixture(scope="module")
def folder(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a device that is paired; each refresh in it goes on from the last one."""
    folder = tmp_path_factory.mktemp("device") / "state"
    Device(tables(server, folder)).pair(approver(server))
    return folder


@pytest.fixture
def device(server: RunningServer, folder: Path) -> Device:
    """The device, with a token that has just come, and a server in good health."""
    server.answers.deliver()
    age(folder, HOUR_MS)
    return Device(tables(server, folder))


@pytest.fixture
def resource() -> Iterator[Resource]:
    with resource_server() as running:
        yield running


def tables(server: RunningServer, folder: Path) -> dict[str, dict[str, Any]]:
    oauth = {"issuer": server.issuer, "client_id": "tv", "insecure_http": True}
    return {"oauth": oauth, "store": {"dir": str(folder)}}


def approver(server: RunningServer, seen: list[Screen] | None = None, decision: str = "approve") -> Any:
    """A callback for the screen, beside which a person opens the address."""
    started: list[threading.Thread] = []

    def show(screen: Screen) -> None:
        if seen is not None:
            seen.append(screen)
        if screen.kind == "code" and not started:
            words = (screen.qr_text, screen.user_code, USERNAME, PASSWORD)
            started.append(threading.Thread(target=walk, args=words, kwargs={"decision": decision}))
            started[0].start()

    return show


def age(folder: Path, left_ms: int) -> None:
    """As if so much was left of the stored token's life of an hour."""
    record = json.loads((folder / "token").read_bytes())
    record["expires_at"] = SystemClock().now() + left_ms
    (folder / "token").write_text(json.dumps(record))


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "token").read_bytes())
    return record


def refreshes(server: RunningServer) -> int:
    return sum(event.outcome == "refreshed" for event in server.server.events)


def asked_for_tokens(server: RunningServer) -> int:
    return sum(event.endpoint == "token" for event in server.server.events)


def text(token: AccessToken) -> str:
    return token.access_token.reveal()


# ---- pairing ---------------------------------------------------------------------------------


def test_a_program_pairs_with_a_screen_of_its_own(server: RunningServer, tmp_path: Path) -> None:
    seen: list[Screen] = []
    events: list[str] = []
    device = Device(tables(server, tmp_path / "state"), lambda event, **fields: events.append(event))
    assert not device.is_paired()
    with pytest.raises(UnpairedError):
        device.token()
    token = device.pair(approver(server, seen))
    assert text(token) == text(device.token()) == record_of(tmp_path / "state")["access_token"]
    assert device.is_paired() and 3590 <= (token.expires_in or 0) <= 3600
    assert seen[0].kind == "starting" and seen[-1].kind == "paired"
    assert [event for event in events if event != "waiting"] == ["code", "paired"]
    code = next(screen for screen in seen if screen.kind == "code")
    assert code.verification_uri.startswith(server.issuer) and len(code.user_code) >= 8
    assert 0 < code.remaining_s <= 600
    picture = [[255 * (not dark) for dark in row] for row in quiet(code.qr_modules())]
    assert read_qr(enlarged(picture)) == [code.verification_uri_complete]
    assert len(code.qr_lines()) > 10 and code.qr_lines() != code.qr_lines(dark_background=False)
    assert seen[-1].qr_modules() == [] and seen[-1].qr_lines() == []
    assert "secret" in repr(token) and text(token) not in repr(token) + str(token)
    assert device.unpair() is None and not device.is_paired()
    with pytest.raises(UnpairedError, match="not paired"):
        device.token()


def quiet(modules: list[list[bool]]) -> list[list[bool]]:
    side = [False] * 4
    blank = [False] * (len(modules) + 8)
    return [blank] * 4 + [side + row + side for row in modules] + [blank] * 4


def enlarged(rows: list[list[int]]) -> Any:
    from PIL import Image

    picture = Image.new("L", (len(rows), len(rows)))
    picture.putdata([pixel for row in rows for pixel in row])
    return picture.resize((8 * len(rows), 8 * len(rows)), Image.Resampling.NEAREST)


def test_a_callback_that_raises_ends_it_and_the_next_call_shows_the_same_code(
    server: RunningServer, tmp_path: Path
) -> None:
    codes: list[str] = []
    told = tables(server, tmp_path / "state")
    device = Device(told, lambda event, **fields: event == "code" and codes.append(fields["user_code"]))

    def give_up(screen: Screen) -> None:
        if screen.kind == "code":
            raise LookupError("the window was closed")

    with pytest.raises(LookupError, match="closed"):
        device.pair(give_up)
    with pytest.raises(OAuthError) as caught:
        device.pair(approver(server, decision="deny"))
    assert caught.value.error == "access_denied" and len(codes) == 2 and codes[0] == codes[1]


def test_what_can_t_be_used_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="client_id"):
        Device({"store": {"dir": str(tmp_path / "state")}})
    with pytest.raises(ConfigError, match="no setting 'oauth.isuer'"):
        Device({"oauth": {"isuer": "https://auth.example"}})
    with pytest.raises(ConfigError, match="can't be read"):
        Device(tmp_path / "pairlet.toml")
    (tmp_path / "pairlet.toml").write_text('[oauth]\nclient_id = "tv"\n[store]\ndir = "state"\n')
    assert not Device(tmp_path / "pairlet.toml").is_paired()
    assert (tmp_path / "state").is_dir()


# ---- the token -------------------------------------------------------------------------------


def test_a_provider_s_profile_counts_as_for_the_commands(
    server: RunningServer, folder: Path, device: Device, tmp_path: Path
) -> None:
    (tmp_path / "acme.toml").write_text(f'name = "Acme"\n[oauth]\nissuer = "{server.issuer}"\n')
    oauth = '[oauth]\nprovider = "acme.toml"\nclient_id = "tv"\ninsecure_http = true\n'
    (tmp_path / "pairlet.toml").write_text(f'{oauth}[store]\ndir = "{folder}"\n')
    assert text(Device(tmp_path / "pairlet.toml").token()) == text(device.token())
    given = {"provider": str(tmp_path / "acme.toml"), "client_id": "tv", "insecure_http": True}
    assert text(Device({"oauth": given, "store": {"dir": str(folder)}}).token()) == text(device.token())
    with pytest.raises(ConfigError, match="gitbuh"):
        Device({"oauth": {"provider": "gitbuh", "client_id": "tv"}, "store": {"dir": str(folder)}})


@pytest.mark.parametrize("given", [None, "tv", ["client_id"], 5])
def test_a_table_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="oauth"):
        Device({"oauth": given})


def test_a_good_token_costs_no_exchange_and_one_about_to_end_is_renewed_first(
    server: RunningServer, folder: Path, device: Device
) -> None:
    count = refreshes(server)
    first = text(device.token())
    assert text(device.token()) == first and refreshes(server) == count
    age(folder, MINUTE_MS)  # good, and due
    second = text(device.token())
    assert second != first and record_of(folder)["access_token"] == second
    age(folder, 5000)  # not worth handing out
    assert text(device.token()) not in (first, second) and refreshes(server) == count + 2


def test_another_process_s_token_is_taken_over(server: RunningServer, folder: Path, device: Device) -> None:
    first = text(device.token())
    age(folder, 0)
    options = ["--issuer", server.issuer, "--client-id", "tv", "--insecure-http", "--state-dir", str(folder)]
    by_other = run("token", *options).stdout.strip()
    count = refreshes(server)
    assert text(device.token()) == by_other != first and refreshes(server) == count
    assert text(device.token(Secret(first))) == by_other and refreshes(server) == count


def test_many_threads_and_processes_make_one_refresh(
    server: RunningServer, folder: Path, device: Device
) -> None:
    first, count = text(device.token()), refreshes(server)
    age(folder, 0)
    device = Device(tables(server, folder))
    program = "import sys, json, pairlet; print(pairlet.Device(json.load(sys.stdin)).token()[0].reveal())"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    with ThreadPoolExecutor(10) as pool:
        said = [pool.submit(other.communicate, json.dumps(tables(server, folder)), 60) for other in others]
        found = {text(token) for token in pool.map(lambda _: device.token(), range(8))}
        found |= {each.result()[0].strip() for each in said}
    assert len(found) == 1 and first not in found and refreshes(server) == count + 1


def test_a_server_that_is_away_costs_a_good_token_one_try_and_an_ended_one_its_user_an_error(
    server: RunningServer, folder: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pairlet.linux.library.device.TRIES", 2)
    first, count = text(device.token()), refreshes(server)
    server.answers.go_away("/token")
    age(folder, MINUTE_MS)
    said: list[str] = []
    device = Device(tables(server, folder), lambda event, **fields: said.append(event))
    http = device._agent.ports.http
    asked, exchange = [], http.exchange
    http.exchange = lambda request: asked.append(request.url) or exchange(request)
    assert {text(device.token()) for _ in range(5)} == {first} and said == []
    assert [url for url in asked if url.endswith("/token")] == [server.issuer + "/token"]
    assert json.loads((folder / "token").read_bytes())["refreshing_since"] is not None
    age(folder, 0)
    device = Device(tables(server, folder))
    with ThreadPoolExecutor(4) as pool:
        failed = [pool.submit(device.token) for _ in range(4)]
    assert {str(each.exception()) for each in failed} == {
        "the server answered HTTP 503 but the answer is not JSON"
    }
    server.answers.deliver()
    assert refreshes(server) == count
    assert text(Device(tables(server, folder)).token()) != first and refreshes(server) == count + 1


def test_a_kill_in_the_middle_of_a_refresh_loses_nothing(
    server: RunningServer, folder: Path, device: Device
) -> None:
    first = text(device.token())
    age(folder, 0)
    server.answers.lose("/token")
    program = "import sys, json; from pairlet import Device; Device(json.load(sys.stdin)).token()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(tables(server, folder)))
    child.stdin.close()
    assert server.answers.made.wait(60)
    # The server has rotated the token, and its answer never comes.
    child.kill()
    child.wait(60)
    server.answers.deliver()
    assert record_of(folder)["refreshing_since"] is not None
    assert text(device.token()) != first and record_of(folder)["refreshing_since"] is None


# Ctrl-C in the very moment in which the server's answer has come.
INTERRUPTED = """
import json, os, signal, sys
from pairlet import Device
from pairlet.linux.http import RequestsHttp
exchange = RequestsHttp.exchange
async def interrupted(self, request):
    response = await exchange(self, request)
    if b"refresh_token" in (request.body or b""):
        os.kill(os.getpid(), signal.SIGINT)
    return response
RequestsHttp.exchange = interrupted
try:
    Device(json.load(sys.stdin)).token()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_in_the_middle_of_a_refresh_loses_nothing(
    server: RunningServer, folder: Path, device: Device
) -> None:
    first, count = text(device.token()), refreshes(server)
    age(folder, 0)
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], input=json.dumps(tables(server, folder)),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout == "interrupted\n", ran.stderr
    record = record_of(folder)
    assert record["access_token"] != first and record["refreshing_since"] is None
    assert text(device.token()) == record["access_token"] and refreshes(server) == count + 1


def test_it_works_in_a_coroutine_and_after_a_fork(
    server: RunningServer, folder: Path, device: Device
) -> None:
    first = text(device.token())
    age(folder, 0)

    async def ask() -> AccessToken:
        return device.token()

    second = text(asyncio.run(ask()))
    assert second != first
    age(folder, 0)
    # In the parent a thread is at it, for ever as far as the child can know.
    with device._turn:
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if text(device.token()) != second else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert text(device.token()) == record_of(folder)["access_token"] != second


# ---- requests and httpx ----------------------------------------------------------------------

Send = Callable[..., Any]


class ParentsTurn:
    """The turn of a thread that a fork has left behind: nobody here will ever release it."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        assert not blocking, "it waits for a thread of the parent"
        return False


def test_after_a_fork_nobody_uses_what_is_the_parent_s(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads of the child, one of them while the other opens the device anew."""
    joined, looked, second = device._joined, threading.Event(), ThreadPoolExecutor(1)
    asked: list[Future[AccessToken]] = []

    def getpid() -> int:
        if threading.current_thread() is not threading.main_thread():
            looked.set()
        return 4711

    def opening(*arguments: Any) -> Any:
        if not asked:
            asked.append(second.submit(device.token))
            assert looked.wait(30)
        return joined(*arguments)

    monkeypatch.setattr("pairlet.linux.library.device.os.getpid", getpid)
    monkeypatch.setattr(device, "_joined", opening)
    monkeypatch.setattr(device, "_turn", ParentsTurn())
    assert text(device.token()) == text(asked[0].result(30))


def with_requests(device: Any, method: str, url: str, **options: Any) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = BearerAuth(device)
        return session.request(method, url, **options)


def with_httpx(device: Any, method: str, url: str, data: Any = None) -> Any:
    with httpx.Client(auth=HttpxBearerAuth(device), follow_redirects=True, trust_env=False) as client:
        return client.request(method, url, content=data)


def with_async_httpx(device: Any, method: str, url: str, data: Any = None) -> Any:
    async def send() -> Any:
        async with httpx.AsyncClient(
            auth=HttpxBearerAuth(device), follow_redirects=True, trust_env=False
        ) as client:
            return await client.request(method, url, content=data)

    return asyncio.run(send())


every_library = pytest.mark.parametrize("send", [with_requests, with_httpx, with_async_httpx])


@every_library
def test_a_request_carries_the_token(device: Device, resource: Resource, send: Send) -> None:
    assert send(device, "GET", resource.address + "/me?" + "q" * 4000).status_code == 200
    assert resource.tokens == [text(device.token())]


@every_library
def test_a_refused_token_is_replaced_and_the_request_sent_once_more(
    server: RunningServer, device: Device, resource: Resource, send: Send
) -> None:
    first, count = text(device.token()), refreshes(server)
    resource.refused = {first}
    answer = send(device, "POST", resource.address + "/me", data=b"a body")
    assert answer.status_code == 200 and [each.status_code for each in answer.history] == [401]
    assert resource.tokens == [first, text(device.token())] and refreshes(server) == count + 1
    assert [asked.body for asked in resource.asked] == [b"a body"] * 2


@every_library
def test_a_server_that_refuses_every_token_is_asked_twice_and_then_once(
    server: RunningServer, device: Device, resource: Resource, send: Send
) -> None:
    count = refreshes(server)
    resource.refuses_all = True
    assert send(device, "GET", resource.address).status_code == 401 and len(resource.asked) == 2
    for _ in range(3):
        assert send(device, "GET", resource.address).status_code == 401
    assert len(resource.asked) == 5 and refreshes(server) == count + 1


@every_library
@pytest.mark.parametrize(
    "challenge", ["Bearer", 'Bearer error="insufficient_scope"', 'Basic realm="invalid_token"']
)
def test_any_other_401_is_the_answer(
    server: RunningServer, device: Device, resource: Resource, send: Send, challenge: str
) -> None:
    count = refreshes(server)
    resource.refuses_all, resource.challenge = True, challenge
    assert send(device, "GET", resource.address).status_code == 401
    assert len(resource.asked) == 1 and refreshes(server) == count


@every_library
def test_after_a_redirect_to_another_host_nobody_gets_a_token_by_refusing_one(
    server: RunningServer, device: Device, resource: Resource, send: Send
) -> None:
    first, count = text(device.token()), refreshes(server)
    assert send(device, "GET", resource.address + "/elsewhere").status_code == 401
    assert resource.tokens == [first, None] and refreshes(server) == count


@pytest.fixture
def bound(tmp_path: Path) -> Any:
    """The source of a token that is bound to a key."""
    prover = Prover(
        DeviceKey(FileStore(tmp_path / "bound"), "dpop-key", lambda: False), lambda: 1_700_000_000
    )

    class Bound:
        insecure_http = True

        def token(self, refused: Secret | None = None) -> AccessToken:
            return AccessToken(Secret("acc3ss"), None, "", "DPoP", prover)

    return Bound()


def proofs(resource: Resource) -> list[tuple[str, str | None]]:
    """Of each request, where it came and which nonce its proof has; for another address it counts as none."""
    found = []
    for asked in resource.asked:
        claims = opened(asked.proof or "")[1]
        found.append((asked.path, claims.get("nonce") if claims["htu"].endswith(asked.path) else "another's"))
    return found


@every_library
def test_a_nonce_is_of_the_host_that_has_sent_it(resource: Resource, send: Send, bound: Any) -> None:
    resource.nonces = {"/there": "theirs", "/me": "ours"}
    for path in ("/elsewhere", "/me", "/me"):
        assert send(bound, "GET", resource.address + path).status_code == 401
    assert [pair for pair in proofs(resource) if pair[0] == "/me"] == [("/me", None), ("/me", "ours")]


@every_library
def test_after_a_redirect_the_nonce_goes_to_where_it_was_asked_for(
    resource: Resource, send: Send, bound: Any
) -> None:
    resource.nonces, resource.challenge = {"/me": "ours"}, 'DPoP error="use_dpop_nonce"'
    assert send(bound, "GET", resource.address + "/moved").status_code == 401
    assert proofs(resource) == [("/moved", None), ("/me", "another's"), ("/me", "ours")]


@every_library
def test_a_body_that_is_gone_is_not_sent_again(device: Device, resource: Resource, send: Send) -> None:
    resource.refuses_all = True

    async def later() -> Any:
        yield b"piece"

    data = later() if send is with_async_httpx else iter([b"piece"])
    assert send(device, "POST", resource.address, data=data).status_code == 401
    assert [asked.body for asked in resource.asked] == [b"piece"]


def test_a_file_is_sent_again_from_where_it_began(device: Device, resource: Resource) -> None:
    resource.refused = {text(device.token())}
    file = io.BytesIO(b"head and body")
    file.seek(5)
    assert with_requests(device, "POST", resource.address, data=file).status_code == 200
    assert [asked.body for asked in resource.asked] == [b"and body"] * 2


@every_library
def test_the_token_goes_nowhere_in_the_clear(device: Device, resource: Resource, send: Send) -> None:
    device.insecure_http = False
    for address in (resource.address, "http://api.example.com/"):
        with pytest.raises(ConfigError, match="may not go to"):
            send(device, "GET", address)
    device.insecure_http = True
    with pytest.raises(ConfigError, match="may not go to"):
        send(device, "GET", "http://api.example.com/")
    assert not resource.asked


@every_library
def test_without_a_pairing_the_request_says_what_to_do(
    server: RunningServer, resource: Resource, send: Send, tmp_path: Path
) -> None:
    with pytest.raises(UnpairedError) as caught:
        send(Device(tables(server, tmp_path / "state")), "GET", resource.address)
    assert "pair" in caught.value.advice and not resource.asked


def test_the_401_is_the_answer_where_there_is_no_other_token(
    device: Device, resource: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    class Ending:
        insecure_http = True

        def token(self, refused: Secret | None = None) -> AccessToken:
            if refused is not None:
                raise UnpairedError("the server has ended the pairing")
            return AccessToken(Secret("acc3ss"), None, "")

    resource.refuses_all = True
    assert with_requests(Ending(), "GET", resource.address).status_code == 401
    assert "has ended the pairing" in caplog.text and "acc3ss" not in caplog.text


@pytest.mark.parametrize(
    ("field", "error"),
    [
        (INVALID_TOKEN, "invalid_token"),
        ("Bearer error=invalid_token", "invalid_token"),
        ('Bearer realm="x" error="invalid_token"', "invalid_token"),
        ('Basic realm="a, error=\\"x\\"", BEARER Error = "invalid\\_token"', "invalid_token"),
        ("Negotiate YWJj==, Bearer , error=invalid_token", "invalid_token"),
        ('Bearer scope="a b",error="insufficient_scope"', "insufficient_scope"),
        ('Bearer error_description="error=\\"invalid_token\\""', None),
        ('Bearer realm="x", DPoP error="invalid_token"', None),
        ('Basic realm="Bearer error=invalid_token"', None),
        ('Bearer error="invalid_token', None),
        ('error="invalid_token"', None),
        *((field, None) for field in ("", "Bearer", '"', "Bearer error=", ",,,", "=", "Bearer é")),
        *((field, None) for field in ("a=" * 4096, "Bearer " + "x" * 8185, '"\\' * 4096, "Bearer " * 1000)),
        ("Bearer error=invalid_token," + " " * 9000, None),
    ],
)
def test_the_challenge_is_read_as_it_is_meant(field: str, error: str | None) -> None:
    assert challenge_error(field, "bearer") == error


# ---- what is imported ------------------------------------------------------------------------


def test_each_name_is_there_and_is_read_in_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, pairlet\n"
        "print(sorted(name for name in sys.modules if name.startswith('pairlet')))\n"
        "from pairlet.linux.library import NAMES\n"
        "print(len(NAMES), [name for name in NAMES if not hasattr(pairlet, name)])\n"
        "assert 'httpx' in sys.modules and not hasattr(pairlet, 'anything')\n"
        "from pairlet import drive\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["['pairlet', 'pairlet.linux', 'pairlet.linux.library']", "14 []"]


def test_without_httpx_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\n"
        "from pairlet import BearerAuth, Device\n"
        "try: from pairlet import HttpxBearerAuth\n"
        "except ImportError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install httpx" in ran.stdout, ran.stderr


def test_every_error_is_a_pairlet_error() -> None:
    assert issubclass(UnpairedError, PairletError) and issubclass(ConfigError, PairletError)
