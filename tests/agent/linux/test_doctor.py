"""`pairlet doctor` in this process, against servers that are wrong in one way each."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk
from pairlet.core.client import Client
from pairlet.core.http import Response
from pairlet.core.secret import Secret
from pairlet.core.token import Kept, Token
from pairlet.core.token_record import to_record
from pairlet.core.wall import SYNCED, Wall
from pairlet.linux import commands_doctor_broker, commands_doctor_server
from pairlet.linux.cli import main
from pairlet.linux.clock import SystemClock
from pairlet.linux.commands_doctor import CHECKS
from pairlet.linux.doctor import places
from pairlet.linux.doctor.asking import judge_client, judge_clock
from pairlet.linux.dpop.key import DeviceKey
from pairlet.linux.store import FileStore
from pairlet_sim.faultproxy import FaultProxy
from support.certificates import CertificateAuthority, Issued, self_signed
from support.fake_broker import (
    CONNECT,
    PUBLISH,
    SUBSCRIBE,
    FakeBroker,
    Peer,
    connack,
    puback,
    publish,
    suback,
)
from support.https_server import Connection, HttpsServer, Script, answer, silence
from support.ports import closed_port
from support.proofs import opened
from support.thread_loop import kept_open

NOW = datetime.now(UTC)
JSON = [("content-type", "application/json")]
ACCESS_TOKEN = "access-token-of-this-device"
Found = dict[str, list[dict[str, Any]]]


class Doctor:
    """Runs the command. `found`: its findings by check, after the last run."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        self.state = folder / "state"
        self.options = ["--state-dir", str(self.state), "--client-id", "tv", "--display", "none", "--json"]
        self.output = ""
        self.found: Found = {}
        self._capsys = capsys

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        exit_code = main(["doctor", *self.options, *words])
        captured = self._capsys.readouterr()
        assert captured.err == ""
        self.output = captured.out
        begun, *events, ended = [json.loads(line) for line in captured.out.splitlines()]
        assert begun["event"] == "doctor" and ended["event"] == "examined"
        assert ended["exit_code"] == exit_code
        self.found = {}
        for event in events:
            assert event["event"] == "check" and event["check"] in CHECKS
            # What is not right says how to mend it, or why it was not looked at.
            assert event["result"] in ("ok", "skipped") or event["advice"], event
            self.found.setdefault(event["check"], []).append(event)
        assert set(self.found) == set(CHECKS) or exit_code == 1
        first = next((event for event in events if event["result"] == "fail"), None)
        assert exit_code == (first["exit_code"] if first else 0)
        return exit_code

    def results(self, check: str) -> list[str]:
        """What came of each look at `check`."""
        return [finding["result"] for finding in self.found[check]]

    def said(self, check: str) -> str:
        """What is said of `check`, with the advice."""
        return " | ".join(f"{each['words']} -> {each['advice']}" for each in self.found[check])

    def pair(self, issuer: str) -> None:
        """Put a token into the state folder, as if this device had been paired."""
        clock = SystemClock()
        token = Token(
            Secret(ACCESS_TOKEN),
            expires_in=3600,
            expires_at=clock.now() + 3_600_000,
            refresh_token=Secret("refresh-token-of-this-device"),
            scope="telemetry",
        )
        now = Wall(SYNCED, int(time.time()))
        record = to_record(Kept(token, None, None), clock.now(), now, clock.boot_id())
        record["issuer"], record["client_id"] = issuer, "tv"
        store = FileStore(self.state)
        store.save("token", json.dumps(record).encode())
        store.save("device", b'{"device_id": "kitchen"}')


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """The command, which takes over signals; afterwards they are as before."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    yield Doctor(tmp_path, capsys)
    for number, action in before:
        signal.signal(number, action)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def trusting(doctor: Doctor, authority: CertificateAuthority, tmp_path: Path) -> Doctor:
    """One that trusts `authority` and nobody else."""
    doctor.options += ["--ca-file", authority.write(tmp_path / "ca.pem")]
    return doctor


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets limits that a test can wait for.

    Only where it waits for them: what is to come in time has to do so on a busy machine as well.
    """

    def limits(*, line_s: float = 0, server_s: float = 0, broker_s: float = 0, echo_s: float = 0) -> None:
        for module, name, limit_s in (
            (places, "LIMIT_S", line_s),
            (commands_doctor_server, "LIMIT_S", server_s),
            (commands_doctor_broker, "LIMIT_S", broker_s),
            (commands_doctor_broker, "_ECHO_S", echo_s),
        ):
            if limit_s:
                monkeypatch.setattr(module, name, limit_s)

    return limits


def document(server_url: str, **changes: Any) -> Script:
    """Metadata, dated now unless `date` says otherwise; `age`: for how many seconds it was stored."""
    headers = [*JSON, ("date", formatdate(changes.pop("date", time.time()), usegmt=True))]
    headers.append(("age", str(changes.pop("age", 0))))
    members = {"issuer": server_url, "token_endpoint": server_url + "/token"}
    members |= {"device_authorization_endpoint": server_url + "/device", **changes}
    return answer(200, headers, json.dumps(members).encode())


def refusal(code: str, status: int = 400) -> Script:
    return answer(status, JSON, json.dumps({"error": code}).encode())


@pytest.fixture
def server(authority: CertificateAuthority) -> Iterator[HttpsServer]:
    """One with which nothing is wrong."""
    with HttpsServer(authority.issue()) as running:
        running.script["/.well-known/oauth-authorization-server"] = document(running.url(""))
        running.script["/token"] = refusal("invalid_grant")
        yield running


# ---- what is on this machine ---------------------------------------------------------------------


def test_a_configuration_that_can_not_be_used(doctor: Doctor) -> None:
    assert doctor("--set", "oauth.isuer=https://a.example") == 2
    assert "Did you mean oauth.issuer?" in doctor.said("configuration")
    assert all(doctor.results(check) == ["skipped"] for check in CHECKS[1:])
    assert not doctor.state.exists()


def test_without_a_server_there_is_nothing_to_look_at(doctor: Doctor) -> None:
    assert doctor() == 2 and "no authorization server is configured" in doctor.said("metadata")


def test_nothing_is_made_where_nothing_is(trusting: Doctor, server: HttpsServer) -> None:
    assert trusting("--issuer", server.url("")) == 0
    assert "is not there yet" in trusting.said("store") and trusting.results("store") == ["ok"]
    assert trusting.results("pairing") == ["warn"] and "pairlet pair" in trusting.said("pairing")
    assert not trusting.state.exists()
    # Of the server nothing came to be either: it was asked for its metadata, and with a code of nobody.
    assert [request.target for request in server.requests][1:] == ["/token"]
    assert b"device_code=pairlet-doctor-" in server.requests[1].body


def test_a_folder_that_others_may_write_to(trusting: Doctor, server: HttpsServer) -> None:
    trusting.pair(server.url(""))
    trusting.state.chmod(0o777)
    assert trusting("--issuer", server.url("")) == 8
    assert "chmod go-w" in trusting.said("store")
    assert trusting.results("pairing") == trusting.results("introspection") == ["skipped"]


def test_a_damaged_token_stays_where_it_is(trusting: Doctor, server: HttpsServer) -> None:
    trusting.pair(server.url(""))
    (trusting.state / "token").write_bytes(b'{"version": 1, "access_to')
    # What a writer left behind that was killed: the next command that writes removes it.
    (trusting.state / ".token.0123456789abcdef.tmp").write_bytes(b"x")
    before = sorted(os.listdir(trusting.state))
    assert trusting("--issuer", server.url("")) == 8
    assert "is damaged" in trusting.said("pairing")
    assert sorted(os.listdir(trusting.state)) == before
    FileStore(trusting.state)
    assert sorted(os.listdir(trusting.state)) == before[1:]


def test_an_agent_that_does_not_answer(
    trusting: Doctor, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting.pair(server.url(""))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(trusting.state / ".agent.sock"))
        listening.listen()
        # It hangs up on whoever asks, and is there all the same.
        threading.Thread(
            target=lambda: [listening.accept()[0].close() for _ in range(6)], daemon=True
        ).start()
        assert trusting("--issuer", server.url("")) == 0
        assert trusting.results("agent") == ["warn"] and "does not answer" in trusting.said("agent")
        assert trusting.results("store") == ["ok"]
        trusting.state.chmod(0o777)
        assert trusting("--issuer", server.url("")) == 8
        # Root may ask beside a service whose folder is another user's.
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert trusting("--issuer", server.url("")) == 0
    assert trusting.results("store") == ["warn"] and "another user" in trusting.said("store")
    assert trusting.results("pairing") == ["skipped"]


def test_the_serial_port_is_looked_for_and_not_opened(doctor: Doctor) -> None:
    serial = ["--set", "display.name=serial", "--set"]
    assert doctor(*serial, "display.port=/dev/no-such-port") == 2
    assert "no such file" in doctor.said("display")
    main_end, port = os.openpty()
    try:
        doctor(*serial, f"display.port={os.ttyname(port)}")
        assert doctor.results("display") == ["ok"] and os.ttyname(port) in doctor.said("display")
    finally:
        os.close(main_end)
        os.close(port)


@pytest.mark.parametrize(
    ("ahead_s", "is_set", "is_kept", "result", "words"),
    [
        (0.4, True, True, "ok", "as that of a.example"),
        (-4.9, True, False, "ok", "nothing is known to keep it"),
        (5.2, True, True, "warn", "5 s ahead of that of a.example"),
        (-7200.0, True, False, "warn", "2 h behind"),
        (3e6, True, False, "warn", "35 days ahead"),
        (None, True, True, "ok", "kept by a time service"),
        (None, True, False, "warn", "nothing is known to keep it"),
        (0.0, False, False, "warn", "never set"),
    ],
)
def test_the_clock(ahead_s: float | None, is_set: bool, is_kept: bool, result: str, words: str) -> None:
    found = judge_clock(ahead_s, is_set, is_kept, "a.example")
    assert found.result == result and words in found.words
    assert bool(found.advice) == (result == "warn")


# ---- the way there -------------------------------------------------------------------------------


def _issued(kind: str, authority: CertificateAuthority) -> Issued:
    day = timedelta(days=1)
    if kind == "unknown CA":
        return CertificateAuthority("Somebody Else").issue()
    if kind == "self-signed":
        return self_signed(("router.lan",))
    if kind == "wrong name":
        return authority.issue(names=("other.example",), addresses=("127.0.0.9",))
    if kind == "expired":
        return authority.issue(not_before=NOW - 91 * day, not_after=NOW - day)
    if kind == "not yet valid":
        return authority.issue(not_before=NOW + day, not_after=NOW + 91 * day)
    return authority.issue(not_after=NOW + 10 * day)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown CA", ("CA that this machine does not know", "from Somebody Else", "ca_file")),
        ("self-signed", ("self-signed", "router.lan")),
        ("wrong name", ("not for 127.0.0.1", "it is for other.example, 127.0.0.9")),
        ("expired", ("has expired", f"clock says {NOW:%Y-%m-%d}", f"to {NOW - timedelta(days=1):%Y-%m-%d}")),
        ("not yet valid", ("is not valid yet", f"{NOW + timedelta(days=1):%Y-%m-%d}", "clock")),
        ("soon", ("good for 10 days", "renewed")),
    ],
)
def test_certificates(
    trusting: Doctor, authority: CertificateAuthority, kind: str, words: tuple[str, ...]
) -> None:
    with HttpsServer(_issued(kind, authority)) as server:
        server.script["/.well-known/oauth-authorization-server"] = document(server.url(""))
        server.script["/token"] = refusal("invalid_grant")
        exit_code = trusting("--issuer", server.url(""))
    assert exit_code == (0 if kind == "soon" else 7)
    assert trusting.results("tls") == ["warn" if kind == "soon" else "fail"]
    assert all(word in trusting.said("tls") for word in words), trusting.said("tls")
    if kind != "soon":
        assert server.requests == [] and trusting.results("metadata") == trusting.results("client") == [
            "skipped"
        ]


@pytest.mark.parametrize("fault", ["blackhole", "accept-then-reset"])
def test_a_bad_line(
    trusting: Doctor, server: HttpsServer, impatient: Callable[..., None], fault: str
) -> None:
    if fault == "blackhole":
        impatient(line_s=0.5)
    with kept_open(lambda: FaultProxy(("127.0.0.1", server.port)), "faultproxy") as (proxy, loop):
        loop.call(proxy.obey, fault)
        begun = time.monotonic()
        assert trusting("--issuer", f"https://127.0.0.1:{proxy.port}") == 5
        assert time.monotonic() - begun < 20
    # A reset may come before the connection counts as made.
    assert "fail" in trusting.results("tls") + trusting.results("tcp")
    assert trusting.results("metadata") == ["skipped"]
    words = trusting.said("tcp") + trusting.said("tls")
    assert ("does not answer within" if fault == "blackhole" else "reset") in words


def test_nobody_there(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as port:
        assert doctor("--issuer", f"https://127.0.0.1:{port}") == 5
    assert "refused" in doctor.said("tcp") and doctor.results("tls") == ["skipped"]

    def lost(host: str, *_arguments: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    assert doctor("--issuer", "https://auth.example") == 5
    assert "auth.example could not be resolved" in doctor.said("dns")
    assert doctor.results("tcp") == doctor.results("tls") == doctor.results("metadata") == ["skipped"]


def test_a_name_server_that_is_silent(
    doctor: Doctor, impatient: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(line_s=0.3)
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: over.wait(60))
    assert doctor("--issuer", "https://auth.example") == 5
    over.set()
    assert "no name server answers for auth.example" in doctor.said("dns")


def test_one_address_of_two_that_swallows_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reach(address: Any) -> float | str:
        return places._SILENT if address[1][0] == "2001:db8::1" else 4.0

    found = [(socket.AF_INET6, ("2001:db8::1", 443, 0, 0)), (socket.AF_INET, ("192.0.2.1", 443))]
    monkeypatch.setattr(places, "_resolve", lambda place: found)
    monkeypatch.setattr(places, "_reach", reach)
    way = places.Way(places.Place("auth.example", 443, True, None))

    async def tried() -> list[places.Finding]:
        return [await way.look_up(), await way.connect()]

    named, reached = asyncio.run(tried())
    assert named.words == "auth.example is 2001:db8::1, 192.0.2.1"
    assert reached.result == "warn" and "2001:db8::1 is silent" in reached.words


def test_what_a_proxy_leads_to_is_not_tried_directly(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://grace:hopper@127.0.0.1:{port}")
        assert doctor("--issuer", "https://auth.example") == 5
    assert doctor.results("dns") == ["skipped"] and "proxy" in doctor.said("metadata")
    assert "grace" not in doctor.output and "hopper" not in doctor.output


# ---- the server ----------------------------------------------------------------------------------


def test_a_server_whose_clock_is_another(trusting: Doctor, server: HttpsServer) -> None:
    where = "/.well-known/oauth-authorization-server"
    server.script[where] = document(server.url(""), date=time.time() - 3600)
    assert trusting("--issuer", server.url("")) == 0
    assert trusting.results("clock") == ["warn"] and "60 min ahead of" in trusting.said("clock")
    # An answer that was stored on the way says for how long.
    server.script[where] = document(server.url(""), date=time.time() - 3600, age=3600)
    assert trusting("--issuer", server.url("")) == 0 and trusting.results("clock") == ["ok"]


def test_endpoints_alone(trusting: Doctor, server: HttpsServer) -> None:
    date = formatdate(time.time() + 3600, usegmt=True)
    server.script["/token"] = answer(400, [*JSON, ("date", date)], b'{"error": "invalid_grant"}')
    for name, place in (("token", "/token"), ("device_authorization", "/device")):
        trusting.options += ["--set", f"oauth.{name}_endpoint={server.url(place)}"]
    assert trusting() == 0
    assert trusting.results("client") == trusting.results("metadata") == ["ok"]
    assert "60 min behind" in trusting.said("clock") and len(server.requests) == 1


@pytest.mark.parametrize(
    ("changes", "result", "words"),
    [
        ({"issuer": "https://evil.example"}, "fail", "names another issuer"),
        ({"device_authorization_endpoint": None}, "fail", "device_authorization_endpoint"),
        ({"grant_types_supported": ["authorization_code"]}, "warn", "does not name the grant device_code"),
        ({"scopes_supported": ["telemetry", "openid"]}, "warn", "Did you mean telemetry?"),
        ({"scopes_supported": ["openid"]}, "ok", "does not name telemetri"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, "ok", "grant device_code"),
    ],
)
def test_metadata(
    trusting: Doctor, server: HttpsServer, changes: dict[str, Any], result: str, words: str
) -> None:
    script = document(server.url(""), **changes)
    server.script["/.well-known/oauth-authorization-server"] = script
    trusting("--issuer", server.url(""), "--scope", "telemetri")
    assert trusting.results("metadata") == [result] and words in trusting.said("metadata")


def test_a_server_that_says_nothing(
    trusting: Doctor, server: HttpsServer, impatient: Callable[..., None]
) -> None:
    impatient(server_s=2.0)
    server.script["/token"] = silence
    assert trusting("--issuer", server.url("")) == 5
    assert trusting.results("metadata") == ["ok"] and "within" in trusting.said("client")


@pytest.mark.parametrize(
    ("code", "result", "words"),
    [
        ("invalid_grant", "ok", "knows the client tv"),
        ("expired_token", "ok", "knows the client tv"),
        ("invalid_client", "fail", "does not take the client tv"),
        ("unauthorized_client", "fail", "does not allow it the grant device_code"),
        ("unsupported_grant_type", "fail", "has no grant device_code"),
        ("invalid_target", "warn", "answers invalid_target"),
        ("invalid_dpop_proof", "skipped", "wants a DPoP proof"),
        ("use_dpop_nonce", "skipped", "wants a DPoP proof"),
        ("device_not_found", "skipped", "leaves open whether it knows the client tv"),
        ("access_denied", "skipped", "leaves open whether it knows the client tv"),
    ],
)
def test_what_an_answer_says_of_the_client(code: str, result: str, words: str) -> None:
    response = Response(400, JSON, json.dumps({"error": code}).encode())
    found = judge_client(response, Client("tv"), "device_code")
    assert found.result == result and words in found.words and bool(found.exit_code) == (result == "fail")


@pytest.mark.parametrize(
    ("status", "body", "result", "words"),
    [
        (400, b"", "skipped", "HTTP 400 without a word, which leaves open whether it knows the client tv"),
        (401, b"", "fail", "HTTP 401 without a word, and does not seem to take the client tv"),
        (403, b"", "fail", "HTTP 403 without a word, and does not seem to take the client tv"),
        (403, b"Forbidden", "fail", "the token endpoint: the server answered HTTP 403"),
        (404, b"", "fail", "the token endpoint: the server answered HTTP 404"),
    ],
)
def test_what_a_bare_status_says_of_the_client(status: int, body: bytes, result: str, words: str) -> None:
    found = judge_client(Response(status, [], body), Client("tv"), "client_credentials")
    assert found.result == result and words in found.words
    assert ("client secret" in found.advice) == ("seem" in words)
    assert found.exit_code == (6 if result == "fail" else 0)


def test_what_no_server_says_of_a_client() -> None:
    page = Response(200, [("content-type", "text/html")], b"<html>Hotel</html>")
    assert "captive portal" in judge_client(page, Client("tv"), "device_code").words
    taken = Response(200, JSON, b'{"access_token": "x"}')
    assert judge_client(taken, Client("tv"), "device_code").result == "warn"
    refused = Response(400, JSON, b'{"error": "unauthorized_client"}')
    assert judge_client(refused, Client("tv"), "client_credentials").result == "ok"


def demanding(connection: Connection) -> None:
    """A token endpoint that looks at nothing without a DPoP proof that has its nonce."""
    text = connection.request.header("dpop")
    claims = opened(text)[1] if text else {}
    wanted = "invalid_request" if text is None else "use_dpop_nonce"
    if claims.get("nonce") == "n1":
        url = connection.server.url("/token")
        wanted = "invalid_grant" if (claims["htm"], claims["htu"]) == ("POST", url) else "invalid_dpop_proof"
    body = json.dumps({"error": wanted}).encode()
    answer(400, [*JSON, ("dpop-nonce", "n1")], body)(connection)


def test_a_server_that_demands_proofs_gets_them_and_the_key_stays_at_home(
    trusting: Doctor, server: HttpsServer
) -> None:
    server.script["/token"] = demanding
    words = ["--issuer", server.url(""), "--set"]
    assert trusting(*words, "oauth.dpop=false") == 0 and "invalid_request" in trusting.said("client")
    assert trusting(*words, "oauth.dpop=true") == 0
    assert trusting.results("client") == ["ok"] and not trusting.state.exists()
    assert [request.target for request in server.requests][-2:] == ["/token", "/token"]
    trusting.pair(server.url(""))
    record = json.loads((trusting.state / "token").read_text())
    (trusting.state / "token").write_text(json.dumps({**record, "token_type": "DPoP"}))
    assert trusting(*words, "oauth.dpop=true") == 8 and "dpop-key, is gone" in trusting.said("pairing")
    DeviceKey(FileStore(trusting.state), "dpop-key", lambda: False).thumbprint()
    before = {file.name: file.read_bytes() for file in trusting.state.iterdir()}
    assert trusting(*words, "oauth.dpop=true") == 0, trusting.output
    assert trusting.results("client") == trusting.results("pairing") == ["ok"]
    assert {file.name: file.read_bytes() for file in trusting.state.iterdir()} == before
    proofs = [text for request in server.requests if (text := request.header("dpop"))]
    used = {opened(text)[0]["jwk"]["x"] for text in proofs}
    assert len(proofs) == 6 and len(used) == 3, "a key for each run, and two requests"
    assert jwk.import_key(before["dpop-key"], "EC").as_dict()["x"] not in used
    sent = b"".join(request.body for request in server.requests)
    assert b"refresh" not in sent and ACCESS_TOKEN.encode() not in sent
    assert "eyJ" not in trusting.output and ACCESS_TOKEN not in trusting.output


def test_a_server_that_takes_no_proof_of_ours(trusting: Doctor, server: HttpsServer) -> None:
    where = "/.well-known/oauth-authorization-server"
    script = document(server.url(""), dpop_signing_alg_values_supported=["RS256"])
    words = ["--issuer", server.url(""), "--set", "oauth.dpop=true"]
    server.script["/token"] = refusal("invalid_dpop_proof")
    assert trusting(*words) == 0 and trusting.results("client") == ["warn"]
    assert "takes ES256" in trusting.said("client")
    server.script[where] = script
    assert trusting(*words) == 2 and "with RS256" in trusting.said("metadata")
    assert trusting.results("client") == ["skipped"]


@pytest.mark.parametrize(
    ("secret", "client_auth", "told"),
    [
        ("k9!x", "client_secret_basic", True),
        ("k9-x", "client_secret_basic", False),
        ("k9!x", "client_secret_post", False),
    ],
)
def test_a_server_that_may_not_decode_a_secret(secret: str, client_auth: str, told: bool) -> None:
    response = Response(401, [], b'{"error": "invalid_client"}')
    found = judge_client(response, Client("tv", Secret(secret), client_auth), "client_credentials")
    assert found.result == "fail" and ("client_secret_post" in (found.advice or "")) == told
    assert secret not in found.words + (found.advice or "")


# ---- the broker ----------------------------------------------------------------------------------


async def connects(peer: Peer) -> bool:
    """Whether this is a client of MQTT, and not the one that looks at TLS and says nothing."""
    packet = await peer.receive()
    return packet is not None and packet.type == CONNECT


def taking(*, subscribe: int = 0, acknowledge: int | None = 0, echo: bool = True) -> Callable[[Peer], Any]:
    """A broker that takes CONNECT, and answers the rest so; acknowledge None: it hangs up."""

    async def script(peer: Peer) -> None:
        if not await connects(peer):
            return
        await peer.send(connack(0))
        while (packet := await peer.receive()) is not None:
            if packet.type == SUBSCRIBE:
                await peer.send(suback(packet.packet_id, subscribe))
            elif packet.type == PUBLISH:
                if acknowledge is None:
                    return
                if packet.qos:
                    await peer.send(puback(packet.packet_id, acknowledge))
                if echo:
                    await peer.send(publish(packet.topic_name, b'{"ok": true}'))

    return script


async def forgetful(peer: Peer) -> None:
    """Takes CONNECT, and acknowledges nothing after that."""
    if await connects(peer):
        await peer.send(connack(0))
    await peer.closed()


async def mute(peer: Peer) -> None:
    await peer.closed()


def refusing(code: int) -> Callable[[Peer], Any]:
    async def script(peer: Peer) -> None:
        if await connects(peer):
            await peer.send(connack(code))
            await peer.closed()

    return script


@pytest.mark.parametrize(
    ("script", "exit_code", "broker", "topics", "words"),
    [
        (taking(), 0, "ok", "ok", "devices/kitchen/reply/doctor, which comes back"),
        (taking(echo=False), 0, "ok", "warn", "does not come back"),
        (taking(acknowledge=0x87), 6, "ok", "fail", "not authorized"),
        (taking(acknowledge=None), 6, "ok", "fail", "hangs up"),
        (taking(subscribe=0x87), 6, "ok", "ok", "refuses the subscription to devices/kitchen/cmd/+"),
        (refusing(0x87), 6, "fail", "skipped", "not authorized, from the client_id kitchen/doctor"),
        (refusing(0x85), 0, "warn", "skipped", "not the agent's"),
        (mute, 5, "fail", "skipped", "within 2 s"),
        # That it takes as long as may be is no fault of the connection.
        (forgetful, 5, "ok", "fail", "within 2 s"),
    ],
)
def test_brokers(
    trusting: Doctor, server: HttpsServer, authority: CertificateAuthority, tmp_path: Path,
    impatient: Callable[..., None], script: Callable[[Peer], Any], exit_code: int, broker: str, topics: str,
    words: str,
) -> None:  # fmt: skip
    impatient(broker_s=2.0 * ("within" in words), echo_s=0.1 * ("come back" in words))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue().write(tmp_path))
    trusting.pair(server.url(""))
    before = {name: (trusting.state / name).read_bytes() for name in ("token", "device")}
    with kept_open(lambda: FakeBroker(script, tls=context), "broker") as (running, _):
        url = f"mqtts://127.0.0.1:{running.port}"
        done = trusting("--issuer", server.url(""), "--set", f"mqtt.url={url}")
    assert done == exit_code, trusting.output
    assert trusting.results("broker") == [broker] and trusting.results("topics")[-1] == topics
    assert words in trusting.said("broker") + trusting.said("topics")
    assert trusting.results("sensors") == trusting.results("backlog") == ["ok"]
    assert {name: (trusting.state / name).read_bytes() for name in before} == before
    assert ACCESS_TOKEN not in trusting.output


def test_sensors_that_fail_and_samples_that_wait(trusting: Doctor, tmp_path: Path) -> None:
    (tmp_path / "house.py").write_text("def read_air(): return 1 / 0\n")
    config = tmp_path / "pairlet.toml"
    config.write_text('[telemetry]\nsensors = ["uptime_seconds", "house:read_air"]\n')
    with closed_port() as port:
        words = ["--config", str(config), "--issuer", f"https://127.0.0.1:{port}"]
        words += ["--set", f"mqtt.url=mqtts://127.0.0.1:{port}"]
        assert trusting(*words, "--set", f"telemetry.buffer_bytes={10**12 - 1}") == 5
    assert trusting.results("store") == ["warn"] and "Make room: up to" in trusting.said("store")
    assert trusting.results("sensors") == ["warn"] and "ZeroDivisionError" in trusting.said("sensors")
    assert "nothing waits" in trusting.said("backlog")
    assert trusting.results("broker") == ["skipped"]


@pytest.mark.parametrize(
    ("setting", "results", "word"),
    [
        ("telemetry.sensors=house:read_water", ["fail"], "read_water"),
        ("commands.handlers=house:on_air", ["fail", "ok"], "house:on_air"),
    ],
)
def test_what_run_would_end_with_fails(
    trusting: Doctor, tmp_path: Path, setting: str, results: list[str], word: str
) -> None:
    (tmp_path / "house.py").write_text("")
    (tmp_path / "pairlet.toml").touch()
    with closed_port() as port:
        words = ["--config", str(tmp_path / "pairlet.toml"), "--issuer", f"https://127.0.0.1:{port}"]
        trusting(*words, "--set", f"mqtt.url=mqtts://127.0.0.1:{port}", "--set", setting)
    assert trusting.results("sensors") == results and word in trusting.said("sensors")


# ---- what is printed -----------------------------------------------------------------------------


def test_for_people_a_line_each_and_homes_are_nobody_s(
    doctor: Doctor, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with closed_port() as port:
        options = [word for word in doctor.options if word != "--json"]
        assert main(["doctor", *options, "--issuer", f"https://127.0.0.1:{port}"]) == 5
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("pairlet ") and "OpenSSL" in lines[0]
    assert lines[-1].endswith("exit code 5") and " 1 FAIL," in lines[-1]
    assert any(line.startswith("FAIL     tcp            127.0.0.1:") for line in lines)
    assert any("-> Nothing listens at that port" in line for line in lines)
    assert any("~/state is not there yet" in line for line in lines)
    assert str(tmp_path) not in "\n".join(lines)


def test_every_check_is_in_the_readme_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "agent/README.md").read_text()
    table = text.split("| check | looks at |")[1].split("\n\n")[0].splitlines()[2:]
    assert re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table)) == list(CHECKS)


def test_the_readme_shows_what_is_printed(
    trusting: Doctor, server: HttpsServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text()
    shown = text.split("`pairlet doctor` disturbs")[1].split("```\n")[1].splitlines()
    look_up = socket.getaddrinfo

    def lost(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "broker.example.com":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    options = [word for word in trusting.options if word != "--json"]
    words = ["--issuer", server.url(""), "--client-id", "my-tv"]
    assert main(["doctor", *options, *words, "--set", "mqtt.url=mqtts://broker.example.com"]) == 5
    printed = capsys.readouterr().out.splitlines()
    assert len(shown) == 5 and set(shown) <= set(printed)


def test_a_fault_of_the_program_costs_one_check(
    trusting: Doctor, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: places.Way) -> None:
        raise KeyError("something that nobody expected")

    monkeypatch.setattr(places.Way, "connect", broken)
    assert trusting("--issuer", server.url("")) == 1
    assert "a fault in the program itself: KeyError at" in trusting.said("dns")
    assert "expected" not in trusting.output and trusting.results("display") == ["ok"]
    assert trusting.results("metadata") == ["skipped"]


def test_ctrl_c_ends_it_at_once(doctor: Doctor, server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Held(asyncio.Event):
        pass

    async def interrupt(self: places.Way) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await Held().wait()

    monkeypatch.setattr(places.Way, "look_up", interrupt)
    assert main(["doctor", *doctor.options, "--issuer", server.url("")]) == 130
