"""The board's Http against real servers, on this Python and on a real MicroPython. See also the contract."""

import datetime
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError, PairletError, TlsError, TransportError
from pairlet.core.http import Request, Response
from pairlet.linux.clock import SystemClock
from pairlet_board import tls
from pairlet_board.http import BoardHttp
from support.board_http import BoardProcess
from support.certificates import CertificateAuthority, Issued, self_signed
from support.https_server import (
    Connection,
    HttpsServer,
    MuteServer,
    Script,
    answer,
    chunked,
    drip,
    hang_up,
    raw,
    silence,
)
from support.ports import closed_port

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
# Larger than anything that a loaded machine needs, smaller than the time-out of a test.
LONG = {"connect_s": 50.0, "handshake_s": 50.0, "read_s": 50.0, "total_s": 60.0}

Outcome = Response | PairletError | None


class Bench:
    """An Http of the board in a process, a CA that it trusts, and a server that has a certificate of that."""

    def __init__(self, folder: Path, on_board: bool, server: HttpsServer, authority: CertificateAuthority):
        self.folder = folder
        self.on_board = on_board
        self.server = server
        self.authority = authority
        self.ca_file: str | None = authority.write(folder / "ca.pem")

    def process(self, **options: Any) -> BoardProcess:
        """The board's Http with `options`, generous time-outs unless they say otherwise."""
        timeouts = [options.pop(name, long) for name, long in LONG.items()]
        return BoardProcess(self.folder, self.ca_file, on_board=self.on_board, timeouts_s=timeouts, **options)

    def get(self, url: str, **options: Any) -> Outcome:
        """What comes of one request to `url`."""
        return self.process(**options).run([post(url)]).outcomes[0]

    def script(self, script: Script, **options: Any) -> Outcome:
        """What comes of one request that `script` answers."""
        self.server.script["/"] = script
        return self.get(self.server.url("/"), **options)


def post(url: str, body: bytes = b"code=s3cr3t") -> Request:
    """A request as the core makes them."""
    return Request("POST", url, [("Authorization", "Basic s3cr3t")], body)


def refused(outcome: Outcome, kind: type[PairletError], *words: str) -> None:
    """Check that `outcome` is an error of `kind` whose sentence has the `words` and no secret."""
    assert type(outcome) is kind, outcome
    assert isinstance(outcome, PairletError)
    for word in words:
        assert word in outcome.message
    assert "s3cr3t" not in outcome.message + outcome.advice
    assert outcome.message.isprintable()


@pytest.fixture(params=[True, False], ids=["micropython", "cpython"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    authority = CertificateAuthority()
    with HttpsServer(authority.issue(("localhost", "as.example"))) as server:
        server.script["/"] = answer(200, [], b"{}")
        yield Bench(tmp_path, request.param, server, authority)


# ---- who is trusted ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_good_certificate_is_accepted(bench: Bench, host: str) -> None:
    outcome = bench.get(bench.server.url("/", host))
    assert isinstance(outcome, Response) and outcome.body == b"{}"


CERTIFICATES: dict[str, tuple[Callable[[CertificateAuthority], Issued], str]] = {
    "wrong name": (lambda ca: ca.issue(("other.example",), ()), "127.0.0.1 is for another name"),
    "wrong address": (lambda ca: ca.issue(("localhost",), ("127.0.0.2",)), "127.0.0.1 is for another name"),
    "foreign CA": (lambda ca: CertificateAuthority().issue(), "not from the CA"),
    "foreign CA of that name": (
        lambda ca: CertificateAuthority("Pairlet test CA").issue(),
        "not from the CA",
    ),
    "self-signed": (lambda ca: self_signed(), "not from the CA"),
    "expired": (lambda ca: ca.issue(not_before=NOW - 9 * DAY, not_after=NOW - DAY), "expired"),
    "not yet valid": (lambda ca: ca.issue(not_before=NOW + DAY, not_after=NOW + 9 * DAY), "clock is behind"),
    "all of it": (
        lambda ca: CertificateAuthority().issue(
            ("x.example",), (), not_before=NOW + DAY, not_after=NOW + 9 * DAY
        ),
        "127.0.0.1",
    ),
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_other_certificates_are_refused(bench: Bench, name: str, version: ssl.TLSVersion) -> None:
    make, words = CERTIFICATES[name]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    with HttpsServer(make(bench.authority), context=context) as server:
        refused(bench.get(server.url("/")), TlsError, words)
        assert server.connections == 1 and server.requests == []


def test_a_ca_in_der_or_after_words_is_as_good(bench: Bench) -> None:
    der = ssl.PEM_cert_to_DER_cert(bench.authority.pem.decode())
    for data in (der, b"# our CA\n\n" + bench.authority.pem, bench.authority.pem.replace(b"\n", b"\r\n")):
        (bench.folder / "other").write_bytes(data)
        bench.ca_file = str(bench.folder / "other")
        assert isinstance(bench.get(bench.server.url("/")), Response)
    with HttpsServer(CertificateAuthority().issue()) as stranger:
        refused(bench.get(stranger.url("/")), TlsError)


def test_of_several_cas_each_counts(bench: Bench) -> None:
    other = CertificateAuthority("Other")
    (bench.folder / "both").write_bytes(other.pem + bench.authority.pem)
    bench.ca_file = str(bench.folder / "both")
    with HttpsServer(other.issue()) as server:
        outcomes = bench.process().run([post(server.url("/")), post(bench.server.url("/"))]).outcomes
    assert [getattr(outcome, "status", outcome) for outcome in outcomes] == [404, 200]


def test_verification_is_set_by_us() -> None:
    authority = CertificateAuthority()
    for data in (authority.pem, ssl.PEM_cert_to_DER_cert(authority.pem.decode())):
        context = tls.context(data)
        assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.cert_store_stats()["x509_ca"] == 1


def test_tls_1_2_alone_will_do(bench: Bench) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with HttpsServer(bench.authority.issue(), context=context) as server:
        server.script["/"] = answer(200)
        assert isinstance(bench.get(server.url("/")), Response)


def test_a_server_without_tls(bench: Bench) -> None:
    with HttpsServer(None) as plain:
        url = plain.url("/").replace("http:", "https:")
        refused(bench.get(url), TlsError, "does not speak TLS")
        assert plain.requests == []


def test_a_server_that_wants_a_certificate_of_ours(bench: Bench) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(bench.ca_file)
    with HttpsServer(bench.authority.issue(), context=context) as server:
        outcome = bench.get(server.url("/"))
    assert isinstance(outcome, (TlsError, TransportError)), outcome


# ---- what is sent ------------------------------------------------------------------------------


def test_the_request_as_it_arrives(bench: Bench) -> None:
    url = bench.server.url("/token?a=1&b", "localhost")
    bench.process().run([post(url), Request("GET", url, [], b""), Request("POST", url, [], b"")])
    first, second, third = bench.server.requests
    assert (first.method, first.target, first.body) == ("POST", "/token?a=1&b", b"code=s3cr3t")
    for received in (first, second, third):
        assert received.header("host") == f"localhost:{bench.server.port}"
        assert received.header("connection") == "close"
        assert str(received.header("user-agent")).startswith("pairlet/")
        assert len({name for name, _ in received.headers}) == len(received.headers)
    assert first.header("authorization") == "Basic s3cr3t"
    assert [each.header("content-length") for each in (first, second, third)] == ["11", None, "0"]
    assert bench.server.connections == 3


def test_an_address_without_a_path(bench: Bench) -> None:
    bench.get(bench.server.url(""))
    bench.get(bench.server.url("?a=b"))
    assert [received.target for received in bench.server.requests] == ["/", "/?a=b"]


def test_addresses_and_headers_that_can_not_be_used(bench: Bench) -> None:
    bad = ["", "token", "ftp://127.0.0.1/", "https://user:s3cr3t@127.0.0.1/", "https://127.0.0.1:99999/"]
    bad += ["http://127.0.0.1/", "http://192.0.2.1/", "https://a b/", "https://127.0.0.1/\r\nX: y"]
    url = bench.server.url("/")
    requests = [post(address) for address in bad]
    for name, value in [
        ("X", "a\r\nY: b"),
        ("X y", "b"),
        ("X:", "b"),
        ("X\n", "b"),
        ("X", "\x00"),
        ("X", "ä"),
    ]:
        requests.append(Request("POST", url, [(name, value)], b""))
    for outcome in bench.process().run(requests).outcomes:
        refused(outcome, ConfigError)
    assert bench.server.connections == 0


def test_without_a_ca_nobody_is_asked(bench: Bench) -> None:
    bench.ca_file = None
    refused(bench.get(bench.server.url("/")), ConfigError, "no CA")
    assert bench.server.connections == 0


def test_plain_http_on_this_machine_with_the_flag(bench: Bench) -> None:
    bench.ca_file = None
    with HttpsServer(None) as plain:
        plain.script["/"] = answer(200, [], b"plain")
        refused(bench.get(plain.url("/")), ConfigError, "https")
        outcome = bench.get(plain.url("/"), insecure_http=True)
        assert isinstance(outcome, Response) and outcome.body == b"plain"
        assert len(plain.requests) == 1
    refused(bench.get("http://192.0.2.1/", insecure_http=True), ConfigError, "192.0.2.1")


# ---- what comes back ---------------------------------------------------------------------------


def reset(connection: Connection) -> None:
    """Break the connection as a crashed machine does."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sock.close()


def test_chunks(bench: Bench) -> None:
    outcome = bench.script(chunked([b"a" * 3000, b"b", b"c" * 2000]))
    assert isinstance(outcome, Response) and outcome.body == b"a" * 3000 + b"b" + b"c" * 2000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_body_that_ends_with_the_connection(bench: Bench, version: ssl.TLSVersion, size: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    with HttpsServer(bench.authority.issue(), context=context) as server:
        server.script["/"] = raw(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * size)
        outcome = bench.get(server.url("/"))
    assert isinstance(outcome, Response) and outcome.body == b"x" * size


def test_a_body_byte_by_byte(bench: Bench) -> None:
    def script(connection: Connection) -> None:
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nbyte by byte":
            connection.send(bytes([byte]))

    outcome = bench.script(script)
    assert isinstance(outcome, Response) and outcome.body == b"byte by byte"


def test_answers_are_capped(bench: Bench) -> None:
    full = bench.script(answer(200, [], b"x" * 16384))
    assert isinstance(full, Response) and len(full.body) == 16384
    refused(bench.script(answer(200, [], b"x" * 16385)), TransportError, "larger than 16384 bytes")
    refused(bench.script(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, 0)), TransportError, "larger than")
    refused(bench.script(drip(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0)), TransportError, "not HTTP")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "cut off"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{", "cut off"),
        (b"HTTP/1.1 200 OK\r\ncontent-", "cut off"),
        (b"", "cut off"),
        (b"\x00\xff garbage\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", "not HTTP"),
    ],
)
def test_answers_that_are_none(bench: Bench, data: bytes, words: str) -> None:
    outcome = bench.script(raw(data), read_s=2)
    if bench.on_board and words == "cut off":
        words = "127.0.0.1"  # MicroPython can miss the end of the connection; then its time is up
    refused(outcome, TransportError, "127.0.0.1", words)
    assert len(bench.server.requests) == 1


def test_connections_that_break(bench: Bench) -> None:
    for script in (hang_up, reset):
        refused(bench.script(script), TransportError)
    with closed_port() as port:
        refused(bench.get(f"https://127.0.0.1:{port}/"), TransportError, "127.0.0.1 refused")


@pytest.mark.parametrize("bench", [True], ids=["micropython"], indirect=True)
def test_too_little_memory_for_the_answer(bench: Bench) -> None:
    bench.server.script["/"] = answer(200, [], b"x" * 200_000)
    requests = [post(bench.server.url("/")), post(bench.server.url("/small"))]
    large, small = bench.process(max_body=1 << 20).run(requests).outcomes
    refused(large, TransportError, "memory")
    assert isinstance(small, Response)


# ---- time --------------------------------------------------------------------------------------


def test_silence_has_an_end(bench: Bench) -> None:
    refused(bench.script(silence, read_s=0.5), TransportError, "in time")
    assert bench.server.client_left.wait(30)


def test_a_handshake_without_an_answer(bench: Bench) -> None:
    with MuteServer() as mute:
        url = f"https://127.0.0.1:{mute.port}/"
        # CPython's asyncio makes the handshake with the connection.
        refused(bench.get(url, handshake_s=0.5, connect_s=0.5), TransportError, "in time")
        assert mute.asked.is_set() and mute.client_left.wait(30)


def test_a_connection_that_is_not_taken(bench: Bench) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        second.setblocking(False)
        second.connect_ex(full.getsockname())  # Linux keeps one more than asked for, or none
        url = f"https://127.0.0.1:{full.getsockname()[1]}/"
        refused(bench.get(url, connect_s=0.5), TransportError, "in time")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"HTTP/1.1 "]
)
def test_dripping_has_an_end(bench: Bench, head: bytes) -> None:
    refused(bench.script(drip(head, b"1"), total_s=1.5), TransportError)
    assert bench.server.client_left.wait(30)


def test_nothing_waits_for_an_exchange(bench: Bench) -> None:
    bench.server.script["/"] = silence
    report = bench.process(read_s=1).run([post(bench.server.url("/"))])
    refused(report.outcomes[0], TransportError)
    assert report.ticks > 10  # of a hundred


# ---- nothing is left behind --------------------------------------------------------------------


def test_every_end_closes_the_connection(bench: Bench) -> None:
    script = bench.server.script
    script["/"] = answer(200, [], b"{}")
    script["/old"] = raw(b"HTTP/1.0 200 OK\r\n\r\n{}")
    script["/cut"] = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
    script["/garbage"] = raw(b"garbage\r\n")
    script["/reset"] = reset
    script["/silence"] = silence
    with HttpsServer(CertificateAuthority().issue()) as stranger, closed_port() as port:
        urls = [bench.server.url(target) for target in script]
        urls += [stranger.url("/"), f"https://127.0.0.1:{port}/"]
        requests = [post(url) for url in urls]
        # Twice: the second round must need nothing that the first has not freed.
        report = bench.process(read_s=0.5).run(requests * 2)
    assert report.descriptors[1] <= report.descriptors[0]
    assert report.heap[1] - report.heap[0] < 2048, report.heap
    kinds = [type(outcome) for outcome in report.outcomes]
    assert kinds[: len(urls)] == kinds[len(urls) :]
    assert set(kinds) == {Response, TransportError, TlsError}


def test_a_cancelled_exchange_closes_the_connection(bench: Bench) -> None:
    bench.server.script["/"] = silence
    with MuteServer() as mute, socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        second.setblocking(False)
        second.connect_ex(full.getsockname())
        ports = [full.getsockname()[1], mute.port, bench.server.port]
        # Whatever it is doing at these moments: connecting, shaking hands, sending, waiting.
        moments = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
        requests = [post(f"https://127.0.0.1:{port}/") for port in ports for _ in moments]
        report = bench.process().run(requests, moments * len(ports))
        assert report.outcomes == [None] * len(requests)
        assert report.descriptors[1] <= report.descriptors[0]
        assert report.heap[1] - report.heap[0] < 2048, report.heap


# ---- on this Python alone ----------------------------------------------------------------------


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("pairlet_board.dial.socket.getaddrinfo", unknown)
    http = BoardHttp(SystemClock(), tls.context(CertificateAuthority().pem))
    with pytest.raises(TransportError, match="the name as.example could not be resolved"):
        http.exchange(post("https://as.example/")).send(None)
