"""Who answers in place of the authorization server: certificates that prove nothing, and strange answers."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import run
from support.certificates import CertificateAuthority, Issued, self_signed
from support.https_server import HttpsServer, Script, answer, flood, raw
from support.missing import missing

NOW = datetime.now(UTC)
LONG_AGO, YESTERDAY = NOW - timedelta(days=400), NOW - timedelta(days=1)
TOMORROW, LATER = NOW + timedelta(days=1), NOW + timedelta(days=400)
METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
JSON = [("content-type", "application/json")]
HTML = [("content-type", "text/html")]


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """The CA that the device is told to trust."""
    return CertificateAuthority()


def pairing(authority: CertificateAuthority, folder: Path, issuer: str) -> subprocess.CompletedProcess[str]:
    """`pairlet pair` that trusts `authority` and nobody else."""
    ca_file = authority.write(folder / "ca.pem")
    options = ["--issuer", issuer, "--client-id", "tv", "--ca-file", ca_file]
    return run("pair", *options, "--state-dir", str(folder / "state"), "--json")


def said(done: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """What a person reads of the failure: two sentences and the right exit code, not a traceback."""
    assert done.returncode == exit_code, done.stderr
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["event"] == "error" and event["exit_code"] == exit_code
    assert event["error_description"] in done.stderr and event["advice"] in done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "Starting" not in line]) == 2, done.stderr
    return " | ".join([event["error"], event["error_description"], event["advice"]])


def _issued(kind: str, authority: CertificateAuthority) -> Issued:
    if kind == "unknown CA":
        return CertificateAuthority("somebody else").issue()
    if kind == "self-signed":
        return self_signed()
    if kind == "wrong name":
        return authority.issue(names=("other.example",), addresses=("127.0.0.9",))
    if kind == "expired":
        return authority.issue(not_before=LONG_AGO, not_after=YESTERDAY)
    return authority.issue(not_before=TOMORROW, not_after=LATER)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown CA", ("CA that this machine does not know", "ca_file")),
        ("self-signed", ("self-signed", "ca_file")),
        ("wrong name", ("not for 127.0.0.1", "name that is in the server's certificate")),
        ("expired", ("has expired", f"clock says {NOW:%Y-}", "renew")),
        ("not yet valid", ("is not valid yet", f"clock says {NOW:%Y-}", "clock")),
    ],
)
def test_a_server_that_can_not_prove_who_it_is(
    authority: CertificateAuthority, tmp_path: Path, kind: str, words: tuple[str, ...]
) -> None:
    with HttpsServer(_issued(kind, authority)) as server:
        sentence = said(pairing(authority, tmp_path, server.url("")), 7)
        assert all(word in sentence for word in words), sentence
        # Once is enough: trying again does not make a certificate better, and nothing was ever asked.
        assert server.connections == 1 and server.requests == []


def test_a_plain_server_behind_an_https_address(authority: CertificateAuthority, tmp_path: Path) -> None:
    with HttpsServer(None) as server:
        issuer = server.url("").replace("http:", "https:")
        assert "does not speak TLS" in said(pairing(authority, tmp_path, issuer), 7)


def test_the_clock_of_a_board_that_lost_its_power(authority: CertificateAuthority, tmp_path: Path) -> None:
    """With a real clock that stands in 1999, where libfaketime is there to set it."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        missing("libfaketime is missing: install the Debian package faketime")
    ca_file = authority.write(tmp_path / "ca.pem")
    fake: dict[str, Any] = {
        "LD_PRELOAD": str(library),
        "FAKETIME": "1999-12-31 12:00:00",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with HttpsServer(authority.issue()) as server:
        options = ["--issuer", server.url(""), "--client-id", "tv", "--ca-file", ca_file, "--json"]
        done = run("pair", *options, "--state-dir", str(tmp_path / "state"), **fake)
    sentence = said(done, 7)
    assert "clock says 1999-12-31, which is wrong" in sentence and "Set the clock first" in sentence


def metadata(issuer: str, **changes: Any) -> Script:
    """An answer with metadata (RFC 8414); None takes a member out."""
    members = {
        "issuer": issuer,
        "device_authorization_endpoint": issuer + "/device_authorization",
        "token_endpoint": issuer + "/token",
        **changes,
    }
    body = {name: value for name, value in members.items() if value is not None}
    return answer(200, JSON, json.dumps(body).encode())


PORTAL = answer(200, HTML, b"<!doctype html><title>Hotel</title>Welcome<script>alert(1)</script>")


def _server_trouble(kind: str, issuer: str) -> dict[str, Script]:
    """What the server answers at each of its addresses."""
    if kind == "60 MB":
        return {METADATA: flood(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", 60 << 20)}
    if kind == "captive portal":
        return {METADATA: PORTAL, OPENID: PORTAL}
    if kind == "captive portal later":
        return {METADATA: metadata(issuer), "/device_authorization": PORTAL}
    if kind == "redirect":
        moved = answer(302, [("location", "https://127.0.0.9/login")])
        return {METADATA: moved, OPENID: moved}
    if kind == "no endpoint":
        return {METADATA: metadata(issuer, device_authorization_endpoint=None)}
    if kind == "another issuer":
        return {METADATA: metadata("https://evil.example")}
    if kind == "plain endpoint":
        return {METADATA: metadata(issuer, token_endpoint="http://evil.example/token")}
    if kind == "not JSON":
        return {METADATA: answer(200, JSON, b"\xff\x00{")}
    if kind == "garbage":
        return {METADATA: raw(b"SSH-2.0-OpenSSH_9.2p1\r\n")}
    if kind == "broken":
        return {METADATA: answer(500)}
    answered = b'{"error": "unauthorized_client", "error_description": "no \\u001b[31mdevice\\u202e flow"}'
    return {METADATA: metadata(issuer), "/device_authorization": answer(400, JSON, answered)}


@pytest.mark.parametrize(
    ("kind", "exit_code", "words"),
    [
        ("60 MB", 5, ("larger than 1 MiB",)),
        ("captive portal", 6, ("captive portal",)),
        ("captive portal later", 6, ("captive portal",)),
        ("redirect", 6, ("302",)),
        ("no endpoint", 2, ("device_authorization_endpoint",)),
        ("another issuer", 7, ("another issuer", "evil.example")),
        ("plain endpoint", 6, ("token_endpoint",)),
        ("not JSON", 6, ("HTTP 200 but the answer is not UTF-8",)),
        ("garbage", 5, ("not HTTP",)),
        ("broken", 6, ("500",)),
        ("refusal", 6, ("unauthorized_client | no", "device authorization grant")),
    ],
)
def test_answers_that_no_authorization_server_gives(
    authority: CertificateAuthority, tmp_path: Path, kind: str, exit_code: int, words: tuple[str, ...]
) -> None:
    with HttpsServer(authority.issue()) as server:
        server.script.update(_server_trouble(kind, server.url("")))
        done = pairing(authority, tmp_path, server.url(""))
        sentence = said(done, exit_code)
        assert all(word in sentence for word in words), sentence
        assert not any(sign in done.stdout + done.stderr for sign in ("\x1b", "\u202e", "<title", "alert"))
        assert all("evil" not in request.target for request in server.requests)
