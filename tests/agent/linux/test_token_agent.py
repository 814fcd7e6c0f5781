"""The token agent's socket: whom it answers, what it says, and that nobody can hold it up."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pairlet.core.errors import (
    ConfigError,
    OAuthError,
    PairletError,
    ProtocolError,
    StoreError,
    TlsError,
    TransportError,
    UnpairedError,
)
from pairlet.core.secret import Secret
from pairlet.core.token import Token
from pairlet.linux.clock import SystemClock
from pairlet.linux.token_agent import asking, serving
from pairlet.linux.token_agent.access import Access, Peer, access, may_answer, may_ask
from pairlet.linux.token_agent.asking import NobodyThere, ask
from pairlet.linux.token_agent.serving import TokenAgent
from support.processes import until

WHOSE = {"issuer": "https://auth.example", "client_id": "tv", "state_dir": "/var/lib/pairlet"}
NOBODY = 65534


class Lender:
    """Lends `token`, or raises `error`; `hangs` until it is cancelled. `refused`: what it was told of."""

    def __init__(self, error: PairletError | None = None):
        self.token_ = Token(
            Secret("acc3ss"), expires_in=3600, expires_at=SystemClock().now() + 3_600_000,
            refresh_token=Secret("r3fresh"), scope="a b",
        )  # fmt: skip
        self.error = error
        self.hangs = False
        self.cancelled = 0
        self.refused: list[bytes | None] = []

    async def token(self, refused: bytes | None = None) -> Token:
        self.refused.append(refused)
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if self.error is not None:
            raise self.error
        return self.token_


class BusyLender(Lender):
    """Lends nothing before it is released, as in the middle of a refresh."""

    def __init__(self) -> None:
        super().__init__()
        self._renewed = asyncio.Event()

    async def token(self, refused: bytes | None = None) -> Token:
        self._loop = asyncio.get_running_loop()
        lent = await super().token(refused)
        await self._renewed.wait()
        return lent

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._renewed.set)


@contextmanager
def served(lender: Lender, path: Path, mode: int = 0o600, gid: int = -1) -> Iterator[str]:
    """A token agent in a thread."""
    agent = TokenAgent(lender, SystemClock(), Access(str(path), mode, gid), WHOSE)
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def work() -> None:
        await agent.start()
        await ended.wait()
        agent.stop()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),))
    thread.start()
    try:
        yield str(path)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()


def said(path: str, request: bytes) -> bytes:
    """All that comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(path)
        pieces = []
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                pieces.append(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return b"".join(pieces)


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def status(reply: bytes) -> int:
    return int(reply.split(b" ")[1])


def test_a_program_gets_the_access_token_and_never_the_refresh_token(tmp_path: Path) -> None:
    with served(Lender(), tmp_path / "token") as path:
        lent = ask(path)
        assert lent.token.access_token.reveal() == "acc3ss" and lent.token.refresh_token is None
        assert lent.token.scope == "a b" and 3590 <= (lent.token.expires_in or 0) <= 3600
        assert (lent.issuer, lent.client_id, lent.state_dir) == tuple(WHOSE.values())
        answers = [said(path, get(target)) for target in ("/token", "/access_token", "/", "/token?x=1")]
    head, _, body = answers[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head and b"Cache-Control: no-store" in head
    members = json.loads(body)
    assert set(members) == {"access_token", "token_type", "expires_in", "scope", *WHOSE}
    assert members["token_type"] == "Bearer"
    assert answers[1].endswith(b"\r\n\r\nacc3ss\n")
    assert [status(answer) for answer in answers[2:]] == [404, 400]
    assert not any(b"r3fresh" in answer for answer in answers)


def test_a_refused_token_goes_by_its_name_alone(tmp_path: Path) -> None:
    lender = Lender()
    with served(lender, tmp_path / "token") as path:
        ask(path, Secret("acc3ss"))
        named = lender.refused[0]
        assert named is not None and named.hex() == (
            subprocess.run(["sha256sum"], input=b"acc3ss", capture_output=True).stdout[:64].decode()
        )
        assert status(said(path, get("/token?refused=acc3ss"))) == 400


@pytest.mark.parametrize(
    "error",
    [
        UnpairedError("this device is not paired"),
        TransportError("no route", "Look at the cable."),
        TlsError("the certificate has run out"),
        StoreError("the disk is full"),
        ConfigError("the stored token belongs to another"),
        ProtocolError("the answer is not JSON"),
        OAuthError("invalid_client", "unknown client"),
    ],
)
def test_why_there_is_none_arrives_as_it_was(tmp_path: Path, error: PairletError) -> None:
    with served(Lender(error), tmp_path / "token") as path, pytest.raises(PairletError) as caught:
        ask(path)
    assert type(caught.value) is type(error)
    assert (str(caught.value), caught.value.advice) == (str(error), error.advice)
    assert caught.value.exit_code == error.exit_code


def test_the_socket_is_its_owners_alone_unless_there_is_a_group(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with served(Lender(), tmp_path / "own") as path:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with served(Lender(), tmp_path / "group", 0o660, os.getgid()) as path:
            found = os.stat(path)
            assert stat.S_IMODE(found.st_mode) == 0o660 and found.st_gid == os.getgid()
    finally:
        os.umask(before)
    assert not list(tmp_path.iterdir()), "a socket was left behind"


def test_who_may_ask_and_whom_to_believe(tmp_path: Path) -> None:
    stranger = Peer(1, os.geteuid() + 1000, 5)
    assert may_ask(Peer(1, os.geteuid(), 5), 0o600) and may_ask(Peer(1, 0, 0), 0o600)
    assert not may_ask(stranger, 0o600) and may_ask(stranger, 0o660)
    assert may_answer(Peer(1, os.geteuid(), 5), str(tmp_path / "token"))
    assert not may_answer(stranger, str(tmp_path / "token"))


STRANGER = """
import os, socket, sys
os.setgroups([int(sys.argv[2])])
os.setgid(65534)
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect(sys.argv[1])
    connection.sendall(b"GET /access_token HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(connection.recv(65536).decode())
except PermissionError:
    print("no permission")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may look into, and not write to."""
    with tempfile.TemporaryDirectory(prefix="pairlet-test-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def stranger(path: str, gid: int) -> str:
    """What another user, who is a member of the group `gid`, gets there."""
    command = [sys.executable, "-I", "-S", "-c", STRANGER, path, str(gid)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's program")
def test_another_user_gets_it_as_a_member_of_the_group_and_not_otherwise(open_folder: Path) -> None:
    gid = 12345
    with served(Lender(), open_folder / "token", 0o660, gid) as path:
        assert stranger(path, gid).rstrip().endswith("acc3ss")
        assert stranger(path, gid + 1) == "no permission\n"
    with served(Lender(), open_folder / "own") as path:
        assert stranger(path, gid) == "no permission\n"
        # However it has come to the socket: the other end is another user's.
        os.chmod(path, 0o666)
        assert "403 Forbidden" in stranger(path, gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_s_listener_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        os.seteuid(NOBODY)  # SO_PEERCRED of a listener: whoever called listen()
        try:
            listening.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(NobodyThere, match="another user's process"):
            ask(str(path))


# ---- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("/run/pairlet/token", "", ""), Access("/run/pairlet/token", 0o600, -1)),
        (("/run/t", "0660", ""), Access("/run/t", 0o660, -1)),
        (("/run/t", "", "root"), Access("/run/t", 0o660, 0)),
        (("/run/t", "600", "root"), Access("/run/t", 0o600, 0)),
    ],
)
def test_settings_that_can_be_used(words: tuple[str, str, str], place: Access) -> None:
    assert access(*words) == place


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("token", "", ""), "no absolute path"),
        (("/run/pairlet/", "", ""), "no absolute path"),
        *(
            (("/run/t", mode, ""), "token_agent.mode")
            for mode in ("0666", "0604", "432", "384", "0640", "06600")
        ),
        *(
            (("/run/t", mode, ""), "token_agent.mode")
            for mode in ("rw", "-600", "0o600", "٠٦٠٠", "0060", "4600")
        ),
        (("/run/t", "", "no-such-group"), "there is no group"),
    ],
)
def test_settings_that_can_not(words: tuple[str, str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        access(*words)
    assert caught.value.advice


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "file").touch()
    for folder, told in (
        (shared, "others may write"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "file", "is not a folder"),
    ):
        with pytest.raises(ConfigError, match=told):
            TokenAgent(Lender(), SystemClock(), Access(str(folder / "token"), 0o600, -1), WHOSE)
    (tmp_path / "token").write_text("mine")
    with pytest.raises(ConfigError, match="no socket is in the way"):
        TokenAgent(Lender(), SystemClock(), Access(str(tmp_path / "token"), 0o600, -1), WHOSE)
    assert (tmp_path / "token").read_text() == "mine"


def test_a_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with pytest.raises(NobodyThere, match="refused"):
        ask(str(path))
    with served(Lender(), path):
        assert ask(str(path)).token
        with pytest.raises(ConfigError, match="in use"):
            TokenAgent(Lender(), SystemClock(), Access(str(path), 0o600, -1), WHOSE)
        assert ask(str(path)).token
    with pytest.raises(NobodyThere, match="No such file"):
        ask(str(path))
    with pytest.raises(NobodyThere, match="No such file"):
        ask(str(tmp_path / "nowhere" / "token"))


# ---- trouble ---------------------------------------------------------------------------------


def test_an_answer_that_takes_too_long_is_said_to_and_whoever_goes_away_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 0.2)
    lender = Lender()
    lender.hangs = True
    with served(lender, tmp_path / "token") as path:
        with pytest.raises(TransportError, match="not got another one yet"):
            ask(path)
        assert lender.cancelled == 1
    monkeypatch.setattr(serving, "PATIENCE_S", 600)
    with served(lender, tmp_path / "token") as path:
        monkeypatch.setattr(asking, "_TIMEOUT_S", 0.05)

        def has_been_forgotten() -> bool:
            # One that goes before it was heard, as on a busy machine, counts for nothing.
            with pytest.raises(NobodyThere):
                ask(path)
            return lender.cancelled >= 4

        until(has_been_forgotten, "whoever has gone to be forgotten")
        until(lambda: lender.cancelled == len(lender.refused), "all of them to be forgotten")


def test_many_who_wait_are_bounded_and_a_half_closed_connection_is_answered(tmp_path: Path) -> None:
    lender = Lender()
    with served(lender, tmp_path / "token") as path:
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(76)]
        for connection in waiting:
            connection.connect(path)
        # Eight are served, 64 wait for their turn, and all after those are hung up on at once.
        until(lambda: sum(is_over(connection) for connection in waiting) == 4, "four to be turned away")
        for connection in waiting:
            connection.close()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            until(lambda: status_of_new(path) == 200, "room for another one")
            connection.connect(path)
            connection.sendall(get("/access_token"))
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65536).endswith(b"acc3ss\n")


def test_a_program_with_many_threads_gets_a_token_in_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pairlet.linux.health.serving._LONGEST_S", 1.5)
    lender = BusyLender()
    with served(lender, tmp_path / "token") as path, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(ask, path) for _ in range(20)]
        until(lambda: len(lender.refused) == 8, "eight of them to be served")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(path)
            until(lambda: is_over(silent), "whoever asks for nothing to be hung up on")
        assert not any(each.done() for each in asked)
        lender.release()
        assert [each.result().token.access_token.reveal() for each in asked] == 20 * ["acc3ss"]


def is_over(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def status_of_new(path: str) -> int:
    reply = said(path, get("/token"))
    return status(reply) if reply else 0


@pytest.mark.parametrize(
    "request_",
    [b"\x00" * 10000, b"GET /token HTTP/1.1\r\n" + b"X: y\r\n" * 3000,
     b"POST /token HTTP/1.1\r\nHost: x\r\n\r\n",
     b"GET /token\r\n\r\n", b"GET /token HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
)  # fmt: skip
def test_garbage_gets_no_token(tmp_path: Path, request_: bytes) -> None:
    with served(Lender(), tmp_path / "token") as path:
        reply = said(path, request_)
        assert b"acc3ss" not in reply and (not reply or 400 <= status(reply) < 500)
        assert ask(path).token.access_token.reveal() == "acc3ss"


@pytest.mark.parametrize(
    "reply",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[]",
     b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60000, b'HTTP/1.1 200 OK\r\n\r\n{"access_token": "a\\u001bb"}',
     b"HTTP/1.1 404 Not Found\r\n\r\n", b'HTTP/1.1 503 No\r\n\r\n{"error": 7}',
     b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 99999],
)  # fmt: skip
def test_whatever_listens_there_the_answer_is_a_typed_error(tmp_path: Path, reply: bytes) -> None:
    path = str(tmp_path / "token")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(reply)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PairletError) as caught:
            ask(path)
        thread.join(30)
    assert caught.value.advice and "\x1b" not in str(caught.value)
