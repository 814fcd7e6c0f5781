"""Obligations of tests/conformance.toml that belong to an edge: real TLS, a real terminal, a real store.

One pairing against a server on loopback is enough: what it asked, what it showed, what it kept.
"""

import asyncio
import io
import json
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zxingcpp
from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.core.errors import ConfigError, OAuthError, TlsError
from pairlet.core.http import Request
from pairlet.core.token import Kept, Token
from pairlet.core.token_record import to_record
from pairlet.core.wall import SYNCED, Wall
from pairlet.device import Device
from pairlet.drive import Patience
from pairlet.linux.clock import SystemClock
from pairlet.linux.drawing.look import Look
from pairlet.linux.entropy import SystemEntropy
from pairlet.linux.http import RequestsHttp
from pairlet.linux.plain_display import PlainDisplay
from pairlet.linux.store import FileStore
from pairlet.linux.terminal import TerminalDisplay
from support.certificates import CertificateAuthority
from support.https_server import HttpsServer, answer
from support.vt100 import BLACK, Terminal

DEVICE_CODE = "d3v1ce-c0de-hidden"
TOKEN = {
    "access_token": "acc3ss-hidden",
    "token_type": "Bearer",
    "refresh_token": "r3fresh-hidden",
    "expires_in": 60,
}
JSON = [("content-type", "application/json")]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of whoever runs the tests stays out of them."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def ca_file(authority: CertificateAuthority, tmp_path: Path) -> str:
    return authority.write(tmp_path / "ca.pem")


@pytest.fixture
def server(authority: CertificateAuthority) -> Iterator[HttpsServer]:
    with HttpsServer(authority.issue()) as running:
        code = {
            "device_code": DEVICE_CODE,
            "user_code": "WDJBMJHT",
            "verification_uri": "https://auth.example/device",
            "verification_uri_complete": "https://auth.example/device?user_code=WDJBMJHT",
            "expires_in": 600,
            "interval": 1,
        }
        running.script["/device"] = answer(200, JSON, json.dumps(code).encode())
        running.script["/token"] = answer(200, JSON, json.dumps(TOKEN).encode())
        yield running


Events = list[tuple[str, dict[str, object]]]


def pair(server: HttpsServer, ca_file: str, display: object) -> tuple[Token, Events]:
    """Pair once with the real edges; returns the token and the events."""
    events: Events = []
    endpoints = {
        "device_authorization_endpoint": server.url("/device"),
        "token_endpoint": server.url("/token"),
    }
    with tempfile.TemporaryDirectory() as folder:
        ports = Ports(
            clock=SystemClock(),
            http=RequestsHttp(ca_file=ca_file),
            display=display,
            store=FileStore(Path(folder) / "state"),
            entropy=SystemEntropy(),
            sensors=None,
            button=None,
            mqtt=None,
            logs=None,
        )
        agent = Agent(
            Config.from_tables({"oauth": endpoints}, "test"),
            Client("tv"),
            Device("d1", "Kitchen"),
            ports,
            lambda event, **fields: events.append((event, fields)),
        )
        return asyncio.run(agent.pair(Patience(1))), events


class Watched:
    """A TerminalDisplay, what it wrote, and the picture at every moment that it showed something."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.display = TerminalDisplay(self.stream, look=Look(exact=True), size=lambda: (80, 24))
        self.terminal = Terminal(80, 24)
        self.pictures: list[tuple[str, str]] = []
        self.qr: list[str] = []
        self._read = 0

    def show(self, screen: object) -> None:
        self.display.show(screen)  # type: ignore[arg-type]
        written = self.stream.getvalue()
        self.terminal.feed(written[self._read :])
        self._read = len(written)
        self.pictures.append((screen.kind, self.terminal.text()))  # type: ignore[attr-defined]
        if not self.qr:
            picture = self.terminal.picture(ink=(200, 200, 200), paper=BLACK)
            self.qr = [code.text for code in zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormat.QRCode)]

    def close(self) -> None:
        self.display.close()


@pytest.fixture
def watched(server: HttpsServer, ca_file: str) -> Watched:
    display = Watched()
    pair(server, ca_file, display)
    assert [kind for kind, _ in display.pictures].count("code") >= 1
    return display


def code_pictures(watched: Watched) -> list[str]:
    return [text for kind, text in watched.pictures if kind == "code"]


@pytest.mark.item(10, 13, 14)
def test_code_and_address_are_on_the_screen_as_text_all_the_time(watched: Watched) -> None:
    for text in code_pictures(watched):
        assert "https://auth.example/device" in text
        assert "WDJB-MJHT" in text or re.search(r"W\s*D\s*J\s*B", text)


@pytest.mark.item(12)
def test_the_qr_code_on_the_screen_holds_the_complete_address(watched: Watched) -> None:
    assert watched.qr == ["https://auth.example/device?user_code=WDJBMJHT"]


@pytest.mark.item(11)
def test_the_device_code_is_nowhere_in_what_was_written(server: HttpsServer, ca_file: str) -> None:
    watched, plain = Watched(), io.StringIO()
    _, events = pair(server, ca_file, watched)
    pair(server, ca_file, PlainDisplay(plain))
    assert "WDJB" in plain.getvalue() and DEVICE_CODE.encode() in server.requests[-1].body
    for text in (watched.stream.getvalue(), plain.getvalue(), repr(events), *watched.qr):
        assert DEVICE_CODE not in text


@pytest.mark.item(24)
def test_the_code_leaves_the_picture_with_its_use(watched: Watched) -> None:
    kind, text = watched.pictures[-1]
    assert kind == "paired" and "WDJB" not in text and "https://auth.example" not in text


@pytest.mark.item(4, 37, 43)
@pytest.mark.parametrize("wrong", ["unknown authority", "other name", "expired"])
def test_a_server_that_can_not_prove_itself_gets_nothing(
    wrong: str, authority: CertificateAuthority, ca_file: str
) -> None:
    now = datetime.now(UTC)
    issued = {
        "unknown authority": lambda: CertificateAuthority("Somebody else").issue(),
        "other name": lambda: authority.issue(names=("other.example",), addresses=("127.0.0.2",)),
        "expired": lambda: authority.issue(not_before=now - timedelta(9), not_after=now - timedelta(1)),
    }[wrong]()
    with HttpsServer(issued) as impostor:
        request = Client("tv").request(impostor.url("/token"), [("device_code", DEVICE_CODE)])
        with pytest.raises(TlsError):
            asyncio.run(RequestsHttp(ca_file=ca_file).exchange(request))
        assert not impostor.requests


@pytest.mark.item(4)
def test_plain_http_to_others_is_refused_even_with_the_flag() -> None:
    request = Request("POST", "http://192.0.2.1/token", [], b"x")
    with pytest.raises(ConfigError, match="https"):
        asyncio.run(RequestsHttp(insecure_http=True).exchange(request))


@pytest.mark.item(35)
def test_tokens_are_kept_for_this_user_only(server: HttpsServer, ca_file: str, tmp_path: Path) -> None:
    token, events = pair(server, ca_file, PlainDisplay(io.StringIO()))
    store = FileStore(tmp_path / "state")
    record = to_record(Kept(token, None, None), 0, Wall(SYNCED, 1_700_000_000))
    store.save("token", json.dumps(record).encode())
    for path in (tmp_path / "state").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    assert "hidden" not in repr(token) + repr(events)


@pytest.mark.item(19)
def test_a_denial_is_told_to_the_person(server: HttpsServer, ca_file: str) -> None:
    server.script["/token"] = answer(400, JSON, b'{"error":"access_denied"}')
    watched = Watched()
    with pytest.raises(OAuthError):
        pair(server, ca_file, watched)
    assert watched.pictures[-1][0] == "denied" and watched.pictures[-1][1].strip()
    polls = [request for request in server.requests if request.target == "/token"]
    assert len(polls) == 1
