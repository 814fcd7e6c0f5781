"""RequestsHttp against real servers on loopback: TLS, proxies, limits, time-outs, and what must not leak."""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairlet.core.answer import ERROR, read_answer
from pairlet.core.errors import ConfigError, PairletError, TlsError, TransportError
from pairlet.core.http import FORM, Request, Response
from pairlet.linux import tls
from pairlet.linux.http import FormHttp, RequestsHttp
from pairlet.linux.log.ports import LoggedHttp
from support.certificates import CertificateAuthority
from support.https_server import (
    WAIT_S,
    ConnectProxy,
    HttpsServer,
    MuteServer,
    answer,
    chunked,
    drip,
    flood,
    hang_up,
    raw,
    silence,
)
from support.ports import closed_port

SECRET = "s3cr3t-R3fr3sh-T0k3n"
OK = b'{"ok": true}'


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Whatever the first exchange of all reads in: that takes longer than some limits here."""
    importlib.import_module("pairlet.linux.http_exchange")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no CA setting of whoever runs the tests gets into them."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in tls._VARIABLES:
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def ca_file(authority: CertificateAuthority, tmp_path: Path) -> str:
    return authority.write(tmp_path / "ca.pem")


@pytest.fixture
def server(authority: CertificateAuthority) -> Iterator[HttpsServer]:
    with HttpsServer(authority.issue()) as running:
        running.script["/ok"] = answer(200, [("Content-Type", "application/json")], OK)
        yield running


@pytest.fixture
def http(ca_file: str) -> RequestsHttp:
    return RequestsHttp(ca_file=ca_file)


def post(url: str, body: bytes = b"a=1") -> Request:
    return Request("POST", url, [("Content-Type", FORM)], body)


def exchange(http: RequestsHttp | LoggedHttp, request: Request) -> Response:
    return asyncio.run(http.exchange(request))


def test_carries_method_target_headers_and_body(server: HttpsServer, http: RequestsHttp) -> None:
    headers = [("Content-Type", FORM), ("Authorization", "Basic eA=="), ("X-Two", "1"), ("X-Two", "2")]
    server.script["/ok?keep=this"] = server.script["/ok"]
    response = exchange(http, Request("POST", server.url("/ok?keep=this"), headers, b"a=1&b=2"))
    assert (response.status, response.body) == (200, OK)
    assert response.header("content-type") == "application/json"
    (got,) = server.requests
    assert (got.method, got.target, got.body) == ("POST", "/ok?keep=this", b"a=1&b=2")
    assert got.header("authorization") == "Basic eA=="
    assert got.header("x-two") == "1, 2"
    assert got.header("content-length") == "7"
    assert got.header("accept-encoding") == "identity"
    assert (got.header("user-agent") or "").startswith("pairlet/")


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 403, 429, 500, 503])
def test_any_status_is_an_answer(server: HttpsServer, http: RequestsHttp, status: int) -> None:
    server.script["/"] = answer(status, [("Retry-After", "7"), ("WWW-Authenticate", "Basic")])
    response = exchange(http, post(server.url("/")))
    assert (response.status, response.header("retry-after")) == (status, "7")
    assert len(server.requests) == 1  # nothing is sent again, whatever Retry-After says


def test_repeated_headers_all_come_back(server: HttpsServer, http: RequestsHttp) -> None:
    server.script["/"] = answer(200, [("X-A", "1"), ("x-a", "2"), ("X-LATIN", "\xe9")])
    response = exchange(http, post(server.url("/")))
    assert [pair for pair in response.headers if pair[0].startswith("x-")] == [
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-latin", "\xe9"),
    ]


def test_chunked_answers_are_joined(server: HttpsServer, http: RequestsHttp) -> None:
    server.script["/"] = chunked([b'{"a":', b" 1}"])
    assert exchange(http, post(server.url("/"))).body == b'{"a": 1}'


def test_every_exchange_has_its_own_connection(server: HttpsServer, http: RequestsHttp) -> None:
    server.keep_alive = True

    async def twice() -> None:
        await http.exchange(post(server.url("/ok")))
        await http.exchange(post(server.url("/ok")))

    asyncio.run(twice())
    assert server.connections == 2
    assert server.requests[0].header("connection") == "close"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    authority: CertificateAuthority, server: HttpsServer, http: RequestsHttp, status: int
) -> None:
    with HttpsServer(authority.issue()) as other:
        server.script["/"] = answer(status, [("Location", other.url("/stolen"))], b"moved")
        response = exchange(http, post(server.url("/")))
        assert (response.status, response.body) == (status, b"moved")
        assert response.header("location") == other.url("/stolen")
        assert other.connections == 0
    assert len(server.requests) == 1


def test_cookies_are_not_kept(server: HttpsServer, http: RequestsHttp) -> None:
    server.script["/"] = answer(200, [("Set-Cookie", "a=b; Path=/")], OK)
    exchange(http, post(server.url("/")))
    exchange(http, post(server.url("/")))
    assert server.requests[1].header("cookie") is None


def test_netrc_is_not_read(
    server: HttpsServer, http: RequestsHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password thief\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    exchange(http, Request("POST", server.url("/ok"), [("Authorization", "Bearer mine")], b""))
    exchange(http, post(server.url("/ok")))
    assert [got.header("authorization") for got in server.requests] == ["Bearer mine", None]


class TestTls:
    def refused(self, authority: CertificateAuthority, http: RequestsHttp, host: str = "127.0.0.1", **what):
        with HttpsServer(authority.issue(**what)) as server:
            with pytest.raises(TlsError) as caught:
                exchange(http, post(server.url("/ok", host), SECRET.encode()))
            assert not server.requests  # refused before anything was sent
        return caught.value

    def test_unknown_ca(self, http: RequestsHttp) -> None:
        error = self.refused(CertificateAuthority("Somebody else"), http)
        assert "does not know" in str(error) and "127.0.0.1" in str(error)

    def test_the_usual_cas_do_not_include_ours(self, authority: CertificateAuthority) -> None:
        assert "does not know" in str(self.refused(authority, RequestsHttp()))

    def test_wrong_host_name(self, authority: CertificateAuthority, http: RequestsHttp) -> None:
        error = self.refused(authority, http, "localhost", names=("other.example",), addresses=())
        assert "not for localhost" in str(error)

    def test_wrong_address(self, authority: CertificateAuthority, http: RequestsHttp) -> None:
        assert "not for 127.0.0.1" in str(self.refused(authority, http, addresses=("127.0.0.2",)))

    def test_expired(self, authority: CertificateAuthority, http: RequestsHttp) -> None:
        error = self.refused(authority, http, not_before=days(-9), not_after=days(-1))
        assert "has expired" in str(error) and f"{days(0):%Y-%m-%d}" in str(error)

    def test_not_yet_valid(self, authority: CertificateAuthority, http: RequestsHttp) -> None:
        error = self.refused(authority, http, not_before=days(1), not_after=days(9))
        assert "not valid yet" in str(error) and "clock" in str(error)

    def test_plain_server_on_the_port(self, http: RequestsHttp) -> None:
        with HttpsServer(None) as server:
            server.script["/"] = answer(200)
            with pytest.raises(TlsError, match="does not speak TLS"):
                exchange(http, post(f"https://127.0.0.1:{server.port}/"))

    def test_old_version(self, authority: CertificateAuthority, http: RequestsHttp) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        words = "no version of TLS in common"
        with HttpsServer(authority.issue(), context=context) as server, pytest.raises(TlsError, match=words):
            exchange(http, post(server.url("/")))

    def test_name_and_address_of_the_certificate_work(self, server: HttpsServer, http: RequestsHttp) -> None:
        assert exchange(http, post(server.url("/ok", "localhost"))).status == 200
        assert exchange(http, post(server.url("/ok", "127.0.0.1"))).status == 200

    def test_environment_names_the_ca(
        self, server: HttpsServer, ca_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
        assert exchange(RequestsHttp(), post(server.url("/ok"))).status == 200

    def test_missing_ca_file(self, server: HttpsServer, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="can't be read"):
            exchange(RequestsHttp(ca_file=str(tmp_path / "none.pem")), post(server.url("/ok")))
        assert server.connections == 0

    def test_bundle_is_read_once(
        self, server: HttpsServer, ca_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads = []
        load, load_default = ssl.SSLContext.load_verify_locations, ssl.SSLContext.load_default_certs

        def counted(self: ssl.SSLContext, *args: object, **kwargs: object) -> None:
            reads.append((args, kwargs))
            load(self, *args, **kwargs)  # type: ignore[arg-type]

        def counted_default(self: ssl.SSLContext, *args: object) -> None:
            reads.append((args, {}))
            load_default(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
        monkeypatch.setattr(ssl.SSLContext, "load_default_certs", counted_default)
        for _ in range(3):
            http = RequestsHttp(ca_file=ca_file)
            assert exchange(http, post(server.url("/ok"))).status == 200
        assert server.connections == 3
        assert reads == [((), {"cafile": ca_file})]


class TestProxies:
    def test_https_goes_through_the_proxy_of_the_environment(
        self, server: HttpsServer, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ConnectProxy() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{proxy.port}")
            assert exchange(http, post(server.url("/ok"), SECRET.encode())).status == 200
        assert proxy.targets == [f"CONNECT 127.0.0.1:{server.port}"]
        assert proxy.authorizations == ["Basic bWU6cHc="]
        assert server.requests[0].header("proxy-authorization") is None
        assert server.requests[0].body == SECRET.encode()

    def test_certificates_are_checked_behind_a_proxy(
        self, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ConnectProxy() as proxy, HttpsServer(CertificateAuthority("Proxy CA").issue()) as server:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(TlsError, match="does not know"):
                exchange(http, post(server.url("/ok")))
            assert proxy.targets and not server.requests

    def test_no_proxy(self, server: HttpsServer, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch) -> None:
        with ConnectProxy() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
            assert exchange(http, post(server.url("/ok"))).status == 200
        assert proxy.connections == 0

    @pytest.mark.parametrize("status", [403, 407, 502])
    def test_refusal(
        self, server: HttpsServer, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        with ConnectProxy(status) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:{proxy.port}")
            with pytest.raises(TransportError, match=f"status {status}") as caught:
                exchange(http, post(server.url("/ok")))
        assert SECRET not in everything_about(caught.value)
        assert server.connections == 0

    @pytest.mark.parametrize(
        "value", ["http://", "http://[", "ftp://127.0.0.1:1", "http://127.0.0.1:x", "socks5://127.0.0.1:1"]
    )
    def test_unusable_address(
        self, server: HttpsServer, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", value)
        with pytest.raises(PairletError):
            exchange(http, post(server.url("/ok")))
        assert server.connections == 0

    def test_nobody_listens(
        self, server: HttpsServer, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closed_port() as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            with pytest.raises(TransportError, match="proxy"):
                exchange(http, post(server.url("/ok")))

    def test_plain_http_never_meets_a_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ConnectProxy() as proxy, HttpsServer(None) as server:
            server.script["/ok"] = answer(200)
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert exchange(RequestsHttp(insecure_http=True), post(server.url("/ok"))).status == 200
            assert proxy.connections == 0


class TestAddresses:
    def test_http_to_this_machine_needs_the_flag(self) -> None:
        with HttpsServer(None) as server:
            server.script["/ok"] = answer(200, body=OK)
            assert exchange(RequestsHttp(insecure_http=True), post(server.url("/ok"))).body == OK
            with pytest.raises(ConfigError, match="https"):
                exchange(RequestsHttp(), post(server.url("/ok")))
            assert server.connections == 1

    @pytest.mark.parametrize(
        "url",
        [
            "http://192.0.2.1/token",
            "http://device.example/token",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@192.0.2.1/",
            "http://127.0.0.1\\@192.0.2.1/",
            "http://0.0.0.0/",
            "http://2130706433/",
        ],
    )
    def test_http_to_others_is_refused_with_the_flag_too(self, url: str) -> None:
        with pytest.raises(ConfigError):
            exchange(RequestsHttp(insecure_http=True), post(url))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "token",
            "/token",
            "//127.0.0.1/token",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "https://",
            "https:///token",
            "https://127.0.0.1:99999/",
            "https://127.0.0.1:x/",
            "https://[::1/",
            "https://me:pw@127.0.0.1/",
            "https://me@127.0.0.1/",
            "https://\x00/",
            "https://*.example/",
            "https://exa mple/",
            "https://" + "a" * 300 + ".example/",
            "https://.example/",
            "\x1b[31mhttps://127.0.0.1/",
        ],
    )
    def test_unusable(self, http: RequestsHttp, url: str) -> None:
        with pytest.raises(ConfigError) as caught:
            exchange(http, post(url))
        assert str(caught.value).isprintable()
        assert "pw" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Authorization", f"Bearer {SECRET}\r\nX-Injected: 1"),
            ("Authorization", f"Bearer {SECRET}\n"),
            ("Authorization", f"Bearer {SECRET}\u20ac"),
            ("Authorization", f" {SECRET}"),
            ("X Y", SECRET),
            ("", SECRET),
        ],
    )
    def test_headers_that_can_not_be_sent(
        self, server: HttpsServer, http: RequestsHttp, name: str, value: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            exchange(http, Request("POST", server.url("/ok"), [(name, value)], b""))
        assert SECRET not in everything_about(caught.value)
        assert server.connections == 0


class TestLimits:
    def test_up_to_one_mebibyte(self, server: HttpsServer, http: RequestsHttp) -> None:
        server.script["/"] = answer(200, body=bytes(1 << 20))
        assert len(exchange(http, post(server.url("/"))).body) == 1 << 20

    def test_sixty_megabytes(self, server: HttpsServer, http: RequestsHttp) -> None:
        server.script["/length"] = flood(b"HTTP/1.1 200 OK\r\ncontent-length: 60000000\r\n\r\n", 60_000_000)
        server.script["/endless"] = flood(b"HTTP/1.1 200 OK\r\n\r\n", 60_000_000)
        server.script["/chunk"] = flood(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3938700\r\n", 60_000_000
        )
        for target in ("/length", "/endless", "/chunk"):
            with pytest.raises(TransportError, match="larger than 1 MiB"):
                exchange(http, post(server.url(target)))

    def test_gzip_bomb(self, server: HttpsServer, http: RequestsHttp) -> None:
        bomb = gzipped(bytes(60_000_000))
        assert len(bomb) < 100_000
        server.script["/"] = answer(200, [("content-encoding", "gzip")], bomb)
        exchange(http, post(server.url("/ok")))  # imports are not what is measured
        tracemalloc.start()
        try:
            with pytest.raises(TransportError, match="larger than 1 MiB"):
                exchange(http, post(server.url("/")))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20  # it never went off

    @pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "deflate"])
    def test_compression_nobody_asked_for_is_undone(
        self, server: HttpsServer, http: RequestsHttp, coding: str
    ) -> None:
        body = zlib.compress(OK) if coding == "deflate" else gzipped(OK)
        server.script["/"] = answer(200, [("content-encoding", coding)], body)
        response = exchange(http, post(server.url("/")))
        assert response.body == OK
        assert response.header("content-encoding") is None

    @pytest.mark.parametrize(
        ("coding", "body"),
        [("gzip", b"not gzip"), ("gzip", "cut"), ("br", OK), ("gzip, gzip", OK), ("\x1b[31m", OK)],
    )
    def test_compression_that_can_not_be_undone(
        self, server: HttpsServer, http: RequestsHttp, coding: str, body: bytes | str
    ) -> None:
        data = gzipped(OK)[:-9] if isinstance(body, str) else body
        server.script["/"] = answer(200, [("content-encoding", coding)], data)
        with pytest.raises(TransportError) as caught:
            exchange(http, post(server.url("/")))
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), "cut off"),
            (chunked([b"{"], end=False), "cut off"),
            (raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "cut off|not HTTP"),
            (raw(b"HTTP/1.1 200 OK\r\ncontent-le"), None),
            (hang_up, "closed the connection"),
            (raw(b"\x00\xff\x1b[31m garbage \r\n\r\n" * 9), "not HTTP"),
            (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP"),
            (raw(b"HTTP/1.1 banana\r\n\r\n"), "not HTTP"),
            (raw(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"), "not HTTP"),
            (raw(b"HTTP/1.1 200 OK\r\na: " + b"b" * 70000 + b"\r\n\r\n"), "not HTTP"),
            (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"), "not HTTP"),
        ],
    )
    def test_damaged_answers(
        self, server: HttpsServer, http: RequestsHttp, script: object, words: str | None
    ) -> None:
        server.script["/"] = script  # type: ignore[assignment]
        if words is None:  # header lines that end early are an empty answer to http.client
            with contextlib.suppress(TransportError):
                assert exchange(http, post(server.url("/"))).body == b""
            return
        with pytest.raises(TransportError, match=words) as caught:
            exchange(http, post(server.url("/")))
        assert str(caught.value).isprintable()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        head=st.sampled_from(
            [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"]
        ),
        data=st.binary(max_size=300),
    )
    def test_any_bytes_give_an_answer_or_a_typed_error(
        self, plain: tuple[HttpsServer, RequestsHttp], head: bytes, data: bytes
    ) -> None:
        server, http = plain
        server.script["/"] = raw(head + data)
        with contextlib.suppress(TransportError):
            assert isinstance(exchange(http, post(server.url("/"))), Response)

    @pytest.fixture
    def plain(self) -> Iterator[tuple[HttpsServer, RequestsHttp]]:
        with HttpsServer(None) as server:
            yield server, RequestsHttp(insecure_http=True)


class TestTime:
    def test_silence(self, server: HttpsServer, ca_file: str) -> None:
        server.script["/"] = silence
        http = RequestsHttp(ca_file=ca_file, read_timeout_s=0.2)
        with pytest.raises(TransportError, match="did not answer in time"):
            exchange(http, post(server.url("/")))
        assert server.client_left.wait(WAIT_S)

    def test_silence_within_the_body(self, server: HttpsServer, ca_file: str) -> None:
        def script(connection):
            connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
            connection.wait_for_end()

        server.script["/"] = script
        http = RequestsHttp(ca_file=ca_file, read_timeout_s=0.2)
        with pytest.raises(TransportError, match="did not answer in time"):
            exchange(http, post(server.url("/")))

    @pytest.mark.parametrize(
        ("head", "drop"),
        [
            (b"", b"H"),
            (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        ],
    )
    def test_slow_drip(self, server: HttpsServer, ca_file: str, head: bytes, drop: bytes) -> None:
        server.script["/"] = drip(head, drop)
        http = RequestsHttp(ca_file=ca_file, total_timeout_s=1.2)
        with pytest.raises(TransportError, match=r"in full within 1\.2 s"):
            exchange(http, post(server.url("/")))
        # The connection ended too: no thread is left reading drops for ever.
        assert server.client_left.wait(WAIT_S)

    def test_no_handshake(self, ca_file: str) -> None:
        http = RequestsHttp(ca_file=ca_file, connect_timeout_s=0.3)
        with MuteServer() as server:
            with pytest.raises(TransportError, match="in time"):
                exchange(http, post(f"https://127.0.0.1:{server.port}/"))
            assert server.client_left.wait(WAIT_S)

    def test_nobody_listens(self, http: RequestsHttp) -> None:
        with closed_port() as port, pytest.raises(TransportError, match="refused the connection"):
            exchange(http, post(f"https://127.0.0.1:{port}/"))

    def test_unknown_name(self, http: RequestsHttp, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*args: object, **kwargs: object) -> list[object]:
            # In the place of the resolver, because a real question would leave this machine.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(TransportError, match="could not be resolved"):
            exchange(http, post("https://no-such-host.invalid/"))

    def test_cancelling_returns_at_once_and_ends_the_connection(
        self, server: HttpsServer, ca_file: str
    ) -> None:
        server.script["/"] = silence
        http = RequestsHttp(ca_file=ca_file, read_timeout_s=600, total_timeout_s=600)

        async def scenario() -> None:
            task = asyncio.ensure_future(http.exchange(post(server.url("/"))))
            while not server.asked.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, WAIT_S)

        asyncio.run(scenario())
        assert server.client_left.wait(WAIT_S)

    def test_cancelling_works_during_the_handshake(self, ca_file: str) -> None:
        http = RequestsHttp(ca_file=ca_file, connect_timeout_s=600, total_timeout_s=600)
        with MuteServer() as server:

            async def scenario() -> None:
                task = asyncio.ensure_future(http.exchange(post(f"https://127.0.0.1:{server.port}/")))
                while not server.asked.is_set():
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            asyncio.run(scenario())

    def test_interrupt_ends_the_process(self, server: HttpsServer, ca_file: str) -> None:
        server.script["/"] = silence
        program = """
            import asyncio, sys
            from pairlet.core.http import Request
            from pairlet.linux.http import FormHttp, RequestsHttp
            http = RequestsHttp(ca_file=sys.argv[1], read_timeout_s=600, total_timeout_s=600)
            try:
                asyncio.run(http.exchange(Request("POST", sys.argv[2], [], b"")))
            except KeyboardInterrupt:
                sys.exit(130)
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program), ca_file, server.url("/")]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
            try:
                assert server.asked.wait(WAIT_S)
                process.send_signal(signal.SIGINT)
                _, told = process.communicate(timeout=WAIT_S)
            finally:
                process.kill()
        assert (process.returncode, told) == (130, b"")

    def test_interrupt_does_not_wait_for_a_call_that_nothing_can_end(self) -> None:
        """Such as a name lookup: its thread has to stay behind."""
        program = """
            import asyncio, sys, threading
            from pairlet.linux.worker import in_thread
            def stuck():
                print("stuck", flush=True)
                threading.Event().wait()
            try:
                asyncio.run(in_thread(stuck))
            except KeyboardInterrupt:
                sys.exit(130)
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"stuck\n"
                process.send_signal(signal.SIGINT)
                _, told = process.communicate(timeout=WAIT_S)
            finally:
                process.kill()
        assert (process.returncode, told) == (130, b"")

    def test_exchanges_do_not_wait_for_each_other(self, server: HttpsServer, http: RequestsHttp) -> None:
        both = threading.Barrier(2, timeout=WAIT_S)

        def script(connection):
            both.wait()  # neither is answered before the other one has come, too
            answer(200)(connection)

        server.script["/"] = script

        async def scenario() -> list[int]:
            pair = (http.exchange(post(server.url("/"))), http.exchange(post(server.url("/"))))
            return [response.status for response in await asyncio.gather(*pair)]

        assert asyncio.run(scenario()) == [200, 200]


class TestSecrets:
    @pytest.mark.parametrize(
        "script", [hang_up, raw(SECRET.encode()), raw(b"HTTP/1.1 200 OK\r\n"), answer(200), answer(302)]
    )
    def test_neither_error_nor_log_shows_one(
        self, server: HttpsServer, http: RequestsHttp, caplog: pytest.LogCaptureFixture, script: object
    ) -> None:
        caplog.set_level(logging.DEBUG)
        target = f"/t?secret={SECRET}"
        server.script[target] = script  # type: ignore[assignment]
        request = Request(
            "POST", server.url(target), [("Authorization", f"Bearer {SECRET}")], SECRET.encode()
        )
        told = ""
        try:
            exchange(LoggedHttp(http), request)
        except PairletError as error:
            told = everything_about(error)
        assert server.requests[0].body == SECRET.encode()
        assert SECRET not in told + caplog.text
        assert "pairlet.http" in caplog.text  # that there is something to look into

    def test_log_of_urllib3_shows_neither_body_nor_headers(
        self, server: HttpsServer, http: RequestsHttp, caplog: pytest.LogCaptureFixture
    ) -> None:
        exchange(http, post(server.url("/ok")))  # imports urllib3 and quietens it
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, logger="urllib3")
        request = Request("POST", server.url("/ok"), [("Authorization", f"Bearer {SECRET}")], SECRET.encode())
        exchange(http, request)
        assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
        assert SECRET not in caplog.text

    def test_failed_exchanges_keep_no_reference_to_the_request(
        self, server: HttpsServer, http: RequestsHttp
    ) -> None:
        server.script["/"] = hang_up
        with pytest.raises(TransportError) as caught:
            exchange(http, post(server.url("/"), SECRET.encode()))
        assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_import_does_not_import_requests() -> None:
    program = (
        "import sys, pairlet.linux.http; sys.exit('requests' in sys.modules or 'urllib3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def everything_about(error: BaseException) -> str:
    """All that a log, a crash report or a curious person could print of an error."""
    parts = [str(error), repr(error), repr(vars(error))]
    parts += traceback.format_exception(error)
    parts += [repr(link) for link in (error.__cause__, error.__context__)]
    return "".join(parts)


def days(count: int):
    import datetime

    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=count)


def gzipped(data: bytes) -> bytes:
    stream = zlib.compressobj(9, wbits=31)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("method", "status", "body", "error"),
    [
        ("POST", 415, b'{"code": "UNSUPPORTED_MEDIA_TYPE"}', "invalid_request"),
        ("POST", 415, b"", "invalid_request"),
        ("POST", 415, b'{"error": "slow_down"}', "slow_down"),
        ("POST", 400, b"", None),
        ("GET", 415, b"", None),
    ],
)
def test_a_server_that_takes_no_forms(method: str, status: int, body: bytes, error: str | None) -> None:
    class Answering:
        needs_room = False

        async def exchange(self, request: Request) -> Response:
            return Response(status, [], body)

    request = Request(method, "https://auth.example/token", [("Content-Type", FORM)], b"")
    found = read_answer(asyncio.run(FormHttp(Answering()).exchange(request)))
    assert (found.kind == ERROR) == (error is not None)
    if error == "invalid_request":
        assert 'format = "json"' in str(found.error)
    assert error is None or found.error.error == error
