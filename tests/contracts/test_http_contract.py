"""What every Http keeps to. To add an implementation: one line in IMPLEMENTATIONS.

An implementation comes with a World: an Http and, for each scenario, an address where that happens. The
worlds of linux and of boards are real servers; that of a fake may be a table.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError, TlsError, TransportError
from pairlet.core.http import FORM, Request, Response
from pairlet.linux.clock import SystemClock
from pairlet.linux.http import RequestsHttp
from pairlet.linux.log.ports import LoggedHttp
from pairlet.ports import Http
from pairlet_board import tls
from pairlet_board.http import BoardHttp
from support.board_http import BoardProcess
from support.certificates import CertificateAuthority
from support.https_server import HttpsServer, answer, flood, hang_up, raw, silence
from support.ports import closed_port

BODY = b'{"error": "authorization_pending"}'


class World:
    """`http` under test; `urls`: scenario to address; `seen()`: bodies that reached a server, in order."""

    def __init__(self, http: Http, urls: dict[str, str], seen: Callable[[], list[bytes]]):
        self.http = http
        self.urls = urls
        self.seen = seen

    def exchange(self, scenario: str, body: bytes = b"a=1", method: str = "POST") -> Response:
        """One exchange with the address of `scenario`."""
        request = Request(method, self.urls[scenario], [("Content-Type", FORM)], body)
        return asyncio.run(self.http.exchange(request))


# A context manager, because a world may have servers to end; it gets a folder for its files.
Factory = Callable[[Path], contextlib.AbstractContextManager[World]]


@contextlib.contextmanager
def real_servers(folder: Path, make: Callable[[str], Http]) -> Iterator[World]:
    """make(CA file), a server that it trusts, one that it does not, and a port where nobody is."""
    authority = CertificateAuthority()
    http = make(authority.write(folder / "ca.pem"))
    stranger = CertificateAuthority("Stranger").issue()
    with HttpsServer(authority.issue()) as server, HttpsServer(stranger) as other, closed_port() as port:
        other.script["/"] = answer(200)
        server.script |= {
            "/answer": answer(400, [("Content-Type", "application/json"), ("RETRY-AFTER", "3")], BODY),
            "/empty": answer(204),
            "/redirect": answer(307, [("Location", server.url("/target"))]),
            "/full": answer(200, body=bytes(1 << 20)),
            "/large": flood(b"HTTP/1.1 200 OK\r\n\r\n", 4 << 20),
            "/cut": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
            "/hang-up": hang_up,
            "/garbage": raw(b"\x00\xff garbage\r\n\r\n"),
            "/silence": silence,
        }
        urls = {target[1:]: server.url(target) for target in server.script}
        urls |= {"nobody": f"https://127.0.0.1:{port}/", "stranger": other.url("/")}
        urls |= {"plain": "http://192.0.2.1/", "no address": "token"}
        yield World(http, urls, lambda: [got.body for got in server.requests + other.requests])


def linux(folder: Path) -> contextlib.AbstractContextManager[World]:
    """RequestsHttp."""
    return real_servers(folder, lambda ca_file: RequestsHttp(ca_file=ca_file, read_timeout_s=1))


def logged(folder: Path) -> contextlib.AbstractContextManager[World]:
    """RequestsHttp with a log."""
    return real_servers(folder, lambda ca_file: LoggedHttp(RequestsHttp(ca_file=ca_file, read_timeout_s=1)))


# The port's cap; a board's own is smaller.
ON_BOARDS: dict[str, Any] = {"timeouts_s": (15, 40, 1, 90), "max_body": 1 << 20}


def board(folder: Path) -> contextlib.AbstractContextManager[World]:
    """BoardHttp on this Python."""

    def make(ca_file: str) -> BoardHttp:
        return BoardHttp(SystemClock(), tls.context(Path(ca_file).read_bytes()), **ON_BOARDS)

    return real_servers(folder, make)


def micropython(folder: Path) -> contextlib.AbstractContextManager[World]:
    """BoardHttp on a real MicroPython, a process for each exchange; with a heap for the cap of the port."""
    return real_servers(folder, lambda ca_file: BoardProcess(folder, ca_file, heap="8m", **ON_BOARDS))


IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": linux,
    "linux, with a log": logged,
    "board": board,
    "board on micropython": micropython,
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    factory: Factory = request.param
    with factory(tmp_path) as made:
        yield made


def test_any_status_is_an_answer(world: World) -> None:
    response = world.exchange("answer")
    assert (response.status, response.body) == (400, BODY)
    assert response.header("content-type") == "application/json"
    assert response.header("retry-after") == "3"
    assert all(name == name.lower() and type(value) is str for name, value in response.headers)


def test_no_body_is_an_answer(world: World) -> None:
    response = world.exchange("empty")
    assert (response.status, response.body) == (204, b"")


@pytest.mark.parametrize("body", [b"", b"a=1&b=%20", bytes(range(256)), b"x" * 100_000])
def test_the_body_arrives_as_it_is(world: World, body: bytes) -> None:
    world.exchange("answer", body)
    assert world.seen() == [body]


def test_get_is_a_method_too(world: World) -> None:
    assert world.exchange("answer", b"", "GET").body == BODY


def test_redirects_are_answers(world: World) -> None:
    response = world.exchange("redirect")
    assert response.status == 307 and response.header("location") == world.urls["redirect"].replace(
        "redirect", "target"
    )
    assert world.seen() == [b"a=1"]


def test_answers_are_capped_at_one_mebibyte(world: World) -> None:
    assert len(world.exchange("full").body) == 1 << 20
    with pytest.raises(TransportError):
        world.exchange("large")


@pytest.mark.parametrize("scenario", ["cut", "hang-up", "garbage", "silence", "nobody"])
def test_no_answer_that_counts(world: World, scenario: str) -> None:
    with pytest.raises(TransportError) as caught:
        world.exchange(scenario, b"token=s3cr3t")
    assert str(caught.value).isprintable() and "s3cr3t" not in str(caught.value) + repr(caught.value)
    assert len(world.seen()) <= 1  # what became of it can't be known, so it was not sent again


def test_a_stranger_gets_nothing(world: World) -> None:
    with pytest.raises(TlsError):
        world.exchange("stranger")
    assert world.seen() == []


@pytest.mark.parametrize("scenario", ["plain", "no address"])
def test_addresses_that_must_not_be_asked(world: World, scenario: str) -> None:
    with pytest.raises(ConfigError):
        world.exchange(scenario)
    assert world.seen() == []


def test_it_goes_on_after_failures(world: World) -> None:
    for scenario in ("hang-up", "nobody", "stranger"):
        with pytest.raises((TransportError, TlsError)):
            world.exchange(scenario)
    assert world.exchange("answer").body == BODY


def test_exchanges_side_by_side(world: World) -> None:
    request = Request("POST", world.urls["answer"], [], b"1")

    async def scenario() -> list[Response]:
        return list(await asyncio.gather(*[world.http.exchange(request) for _ in range(5)]))

    assert [response.status for response in asyncio.run(scenario())] == [400] * 5


def test_an_exchange_can_be_cancelled(world: World) -> None:
    async def scenario() -> None:
        task = asyncio.ensure_future(world.http.exchange(Request("POST", world.urls["silence"], [], b"")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)

    asyncio.run(scenario())
