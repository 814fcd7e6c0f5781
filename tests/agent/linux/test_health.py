"""The local endpoint: what it answers, whom it answers, and that nobody can hold it up."""

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError
from pairlet.linux.health.answers import respond
from pairlet.linux.health.asking import ask
from pairlet.linux.health.metrics import exposition
from pairlet.linux.health.place import SOCKET_NAME, Place, UnixListener, open_tcp, parse
from pairlet.linux.health.serving import Answer, LocalServer
from pairlet.linux.standing.facts import Facts
from pairlet.linux.standing.judgement import FAILING, OK, WAITING, Verdict
from prometheus_client.parser import text_string_to_metric_families

Talk = Callable[[bytes], Awaitable[bytes]]

# ---- where it listens ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:9000", Place("127.0.0.1", 9000, "")),
        ("127.9.9.9:1", Place("127.9.9.9", 1, "")),
        ("localhost:9000", Place("127.0.0.1", 9000, "")),
        ("[::1]:9000", Place("::1", 9000, "")),
        ("/run/pairlet/health", Place("", 0, "/run/pairlet/health")),
        ("unix:/run/health", Place("", 0, "/run/health")),
    ],
)
def test_loopback_and_unix_sockets_are_places(text: str, place: Place) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((f"{host}:9000", f"'{host}' is not this machine alone") for host in ("0.0.0.0", "192.168.1.5", "")),
        ("[::]:9000", "'::' is not this machine alone"),
        ("[2001:db8::1]:80", "'2001:db8::1' is not this machine alone"),
        ("pi.local:9000", "'pi.local' is not this machine alone"),
        ("localhost.evil.test:9000", "'localhost.evil.test' is not this machine alone"),
        ("::1:9000", "'::1' is not this machine alone"),
        ("[127.0.0.1]:9000", "'127.0.0.1' is not this machine alone"),
        *((text, "is neither HOST:PORT nor a path") for text in ("9000", "127.0.0.1", "127.0.0.1:")),
        *(
            (f"127.0.0.1:{port}", "neither HOST:PORT")
            for port in ("x", "65536", "-1", "٣", "1e3", "9" * 5000)
        ),
        *((text, "is no absolute path") for text in ("unix:health", "unix:", "/run/")),
    ],
)
def test_all_else_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert said in str(caught.value) and caught.value.advice


# ---- serving ---------------------------------------------------------------------------------


def answer(target: str) -> Answer:
    path = target.partition("?")[0]
    if path == "/large":
        return Answer(200, "text/plain", b"x" * 20_000_000)
    return Answer(200 if path == "/health" else 404, "application/json", b'{"path": "%s"}' % path.encode())


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, LocalServer]]:
    server = LocalServer(answer)
    listening = open_tcp(parse("127.0.0.1:0"))
    port = listening.getsockname()[1]
    await server.listen(listening, checks_host=True)
    try:
        yield port, server
    finally:
        server.close()
        listening.close()


async def exchange(port: int, request: bytes) -> bytes:
    """Everything that comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def told(*requests: bytes) -> list[bytes]:
    """The answers to `requests`, one connection each."""

    async def talk() -> list[bytes]:
        async with serving() as (port, _):
            return [await exchange(port, request) for request in requests]

    return asyncio.run(talk())


def status(reply: bytes) -> int:
    return int(reply.split(b" ")[1])


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_get_and_head_are_answered() -> None:
    got, head = told(GET, GET.replace(b"GET", b"HEAD"))
    assert got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b'\r\n\r\n{"path": "/health"}')
    assert b"\r\nContent-Length: 19\r\n" in got and b"\r\nConnection: close\r\n" in got
    assert head == got.removesuffix(b'{"path": "/health"}')


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9000", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9000"],
)
def test_loopback_is_the_host(host: str) -> None:
    (reply,) = told(f"GET /health HTTP/1.1\r\nhOsT:  {host}\r\n\r\n".encode())
    assert status(reply) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:9000",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "[::2]",
        "",
        "192.168.1.5:9000",
    ],
)
def test_a_page_that_rebinds_its_name_to_this_machine_gets_nothing(host: str) -> None:
    (reply,) = told(f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert status(reply) == 421 and b"path" not in reply


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /health?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 421),
        (b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n", 405),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", 400),
        (b"GET /health HTTP/2\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health\r\n\r\n", 400),
        (b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\xff\xfe HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000, 431),
    ],
)
def test_each_request_has_its_status(request_: bytes, code: int) -> None:
    (reply,) = told(request_)
    assert status(reply) == code


def test_a_request_may_come_byte_by_byte_and_a_second_one_is_not_read() -> None:
    async def talk() -> bytes:
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in GET + GET:
                writer.write(bytes([byte]))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                await asyncio.sleep(0)
            with contextlib.suppress(ConnectionResetError):
                return await reader.read()
            return b"HTTP/1.1 reset"

    reply = asyncio.run(talk())
    assert reply.count(b"HTTP/1.1") == 1


def test_whoever_is_slow_is_left_alone_and_costs_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pairlet.linux.health.serving._LONGEST_S", 0.5)

    async def talk() -> None:
        async with serving() as (port, server):
            # Says nothing; says half; takes nothing of what it asked for.
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            slow[1][1].write(GET[:10])
            slow[2][1].write(GET.replace(b"/health", b"/large"))
            assert status(await exchange(port, GET)) == 200
            for reader, _ in slow[:2]:
                assert await reader.read() == b""
            while server._open:
                await asyncio.sleep(0)
            for _, writer in slow:
                writer.close()

    asyncio.run(asyncio.wait_for(talk(), 60))


def test_there_is_an_end_to_connections() -> None:
    async def talk() -> None:
        async with serving() as (port, server):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(72)]
            while len(server._waiting) < 64:
                await asyncio.sleep(0)
            assert await exchange(port, GET) == b""
            # What waits has its turn as soon as another one ends; who has nothing more to say has none.
            held[8][1].write(GET)
            held[9][1].write_eof()
            while len(server._waiting) == 64:
                await asyncio.sleep(0)
            assert await held[9][0].read() == b""
            held[0][1].close()
            assert status(await held[8][0].read()) == 200
            # And to the server: whoever is connected then is let go.
            server.close()
            assert await held[1][0].read() == b""
            for _, writer in held:
                writer.close()

    asyncio.run(asyncio.wait_for(talk(), 60))


# ---- Unix sockets ----------------------------------------------------------------------------


async def asked(folder: Path) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, ask, folder)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder whose path is longer than a socket's address can be."""
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True)
    return folder


def test_an_agent_is_asked_by_its_folder(deep: Path) -> None:
    def say(path: str) -> Answer:
        return respond(path, Facts(backlog=3), Verdict(OK, "all is well", ()))

    async def talk() -> None:
        assert await asked(deep) is None
        listener = UnixListener(str(deep / SOCKET_NAME), 0o600)
        mode = (deep / SOCKET_NAME).stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        server = LocalServer(say)
        await server.listen(listener.socket, checks_host=False)
        said = await asked(deep)
        assert said["why"] == "all is well" and Facts.from_json(said["facts"]) == Facts(backlog=3)
        with pytest.raises(OSError, match="in use"):
            UnixListener(str(deep / SOCKET_NAME), 0o600)
        server.close()
        listener.socket.close()
        listener.remove()
        assert list(deep.iterdir()) == []

    asyncio.run(talk())


def test_what_a_dead_agent_left_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME
    dead = UnixListener(str(path), 0o600)
    dead.socket.close()
    assert path.exists() and ask(tmp_path) is None
    alive = UnixListener(str(path), 0o660)
    dead.remove()  # by now it is another one's
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    alive.socket.close()
    alive.remove()
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        UnixListener(str(path), 0o600)
    assert path.read_text() == "precious"


def test_who_is_too_busy_to_answer_keeps_its_socket(tmp_path: Path) -> None:
    path = str(tmp_path / SOCKET_NAME)
    busy = UnixListener(path, 0o600)
    with contextlib.ExitStack() as waiting:
        while True:
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            if client.connect_ex(path) == errno.EAGAIN:
                break
        with pytest.raises(OSError, match="in use"):
            UnixListener(path, 0o600)
    busy.socket.close()


@pytest.mark.parametrize(
    "said",
    [
        b"", b"nonsense", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\n\r\n{"why": 5}', b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000,
    ],
)  # fmt: skip
def test_whatever_answers_there_it_is_an_agent_or_nothing(tmp_path: Path, said: bytes) -> None:
    async def talk() -> None:
        listener = UnixListener(str(tmp_path / SOCKET_NAME), 0o600)

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(speak, sock=listener.socket)
        assert await asked(tmp_path) is None
        server.close()

    asyncio.run(talk())


def test_an_agent_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pairlet.linux.health.asking._TIMEOUT_S", 0.1)
    listener = UnixListener(str(tmp_path / SOCKET_NAME), 0o600)
    assert ask(tmp_path) is None
    listener.socket.close()


# ---- what it says ----------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "code"), [(OK, 200), (WAITING, 200), (FAILING, 503)])
def test_health_says_why(state: str, code: int) -> None:
    stuck = ("measuring",) if state == FAILING else ()
    reply = respond("/health", Facts(backlog=3), Verdict(state, "because", stuck))
    assert (reply.status, reply.content_type) == (code, "application/json")
    said = json.loads(reply.body)
    assert said["status"] == state and said["why"] == "because" and said["stuck"] == list(stuck)
    assert said["facts"]["backlog"] == 3


def test_there_is_nothing_else() -> None:
    for path in ("/", "", "/health/", "/metrics2", "health"):
        assert respond(path, Facts(), Verdict(OK, "", ())).status == 404


FULL = Facts(
    paired=True,
    token_left_ms=41_500,
    refresh_in_ms=-2000,
    broker=True,
    connected_ms=1,
    backlog=312,
    acknowledged_ms=3000,
    published=10,
    dropped=4,
    samples=20,
    refreshes=2,
    connections=3,
    errors=1,
    sensors_in_trouble=("a",),
)
NUMBERS = {
    "pairlet_info": 1,
    "pairlet_healthy": 1,
    "pairlet_paired": 1,
    "pairlet_token_seconds_left": 41.5,
    "pairlet_refresh_due_seconds": -2,
    "pairlet_refreshes_total": 2,
    "pairlet_samples_total": 20,
    "pairlet_published_samples_total": 10,
    "pairlet_dropped_samples_total": 4,
    "pairlet_backlog_samples": 312,
    "pairlet_sensors_failing": 1,
    "pairlet_errors_total": 1,
    "pairlet_mqtt_connected": 1,
    "pairlet_mqtt_reconnects_total": 2,
    "pairlet_last_acknowledged_seconds": 3,
}


def numbers(facts: Facts, verdict: str = OK) -> dict[str, float]:
    families = text_string_to_metric_families(exposition(facts, Verdict(verdict, "", ())))
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_are_prometheus_s_format() -> None:
    families = list(text_string_to_metric_families(exposition(FULL, Verdict(OK, "", ()))))
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    assert len({family.name for family in families}) == len(families)
    found = numbers(FULL)
    assert {name: found[name] for name in NUMBERS} == NUMBERS
    own = set(found) - set(NUMBERS)
    assert own == {"pairlet_wakeups_total", "process_cpu_seconds_total", "process_resident_memory_bytes"}
    assert all(found[name] > 0 for name in own)
    reply = respond("/metrics", FULL, Verdict(FAILING, "", ()))
    assert (reply.status, reply.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")


def test_what_is_not_known_is_left_out_of_the_metrics() -> None:
    found = numbers(Facts(), FAILING)
    assert found["pairlet_healthy"] == 0 and found["pairlet_paired"] == 0
    assert "pairlet_token_seconds_left" not in found and "pairlet_mqtt_connected" not in found


def test_the_socket_s_address_is_short_whatever_its_folder(deep: Path) -> None:
    assert len(str(deep / SOCKET_NAME)) > 108
    with socket.socket(socket.AF_UNIX) as plain, pytest.raises(OSError, match="too long"):
        plain.bind(str(deep / SOCKET_NAME))
    before = len(os.listdir("/proc/self/fd"))
    listener = UnixListener(str(deep / SOCKET_NAME), 0o600)
    listener.socket.close()
    assert len(os.listdir("/proc/self/fd")) == before
