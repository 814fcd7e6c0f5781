"""Real servers on loopback whose every answer a test scripts, down to the bytes.

    with HttpsServer(authority.issue()) as server:
        server.script["/token"] = answer(200, [("content-type", "application/json")], b"{}")
        ... ask server.url("/token") ...
        assert server.requests[0].body == b"..."

A script is a function that gets the connection after the request was read, and does what it likes with it.
The connection is closed when it returns. Without a certificate the server speaks plain http.
"""

import contextlib
import select
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from support.certificates import Issued

WAIT_S = 30.0
"""Generous upper bound for anything that a test waits for."""


class Received:
    """One request as it came: `method`, `target`, `headers` (lower-case names), `body`."""

    def __init__(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str | None:
        """The first value of the header `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


class Connection:
    """What a script gets: the request it answers and the way back."""

    def __init__(self, server: "HttpsServer", sock: socket.socket, request: Received):
        self.server = server
        self.sock = sock
        self.request = request

    def send(self, data: bytes) -> None:
        """Send `data`; OSError once the client is gone."""
        self.sock.sendall(data)

    def pause(self, seconds: float) -> bool:
        """Wait; False if the server is being stopped, so that a script ends with it."""
        return not self.server.stopping.wait(seconds)

    def wait_for_end(self) -> None:
        """Say nothing until the client goes away or the server is stopped; note the former."""
        while not self.server.stopping.is_set():
            if select.select([self.sock], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    if self.sock.recv(4096):
                        continue
                self.server.client_left.set()
                return


Script = Callable[[Connection], None]


def answer(status: int, headers: list[tuple[str, str]] = [], body: bytes = b"") -> Script:  # noqa: B006
    """A plain answer with its content-length."""
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    return raw(head.encode("latin-1") + b"content-length: %d\r\n\r\n" % len(body) + body)


def raw(data: bytes) -> Script:
    """Exactly these bytes, then the end of the connection."""
    return lambda connection: connection.send(data)


def chunked(pieces: list[bytes], *, end: bool = True) -> Script:
    """A 200 in chunks (RFC 9112 section 7.1); without `end` it stops before the last one."""
    data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return raw(data + (b"0\r\n\r\n" if end else b""))


def drip(head: bytes, drop: bytes, every_s: float = 0.02) -> Script:
    """`head` at once, then `drop` again and again, for ever: no single read is slow."""

    def script(connection: Connection) -> None:
        connection.send(head)
        with contextlib.suppress(OSError):
            while connection.pause(every_s):
                connection.send(drop)
        connection.server.client_left.set()

    return script


def flood(head: bytes, total: int) -> Script:
    """`head` and then `total` bytes as fast as the client takes them."""

    def script(connection: Connection) -> None:
        connection.send(head)
        block = bytes(65536)
        with contextlib.suppress(OSError):
            for _ in range(total // len(block)):
                connection.send(block)

    return script


def silence(connection: Connection) -> None:
    """No answer at all, for as long as the client waits."""
    connection.wait_for_end()


def hang_up(connection: Connection) -> None:
    """The end of the connection in place of an answer."""


class _Server:
    """A listening socket on 127.0.0.1, a thread a connection, all of them ended on the way out."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                # select, because closing a listener does not wake whoever is in accept().
                if not select.select([self._listener], [], [], 0.05)[0]:
                    continue
                sock, _ = self._listener.accept()
            except (OSError, ValueError):
                return
            self.connections += 1
            self._open.add(sock)
            thread = threading.Thread(target=self._serve_and_close, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve_and_close(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            self._serve(sock)
        self._open.discard(sock)

    def _serve(self, sock: socket.socket) -> None:
        raise NotImplementedError


class HttpsServer(_Server):
    """`script`: what to do for a target (path with query); `requests`: what came, in order.

    `connections` counts accepted ones. `asked` is set when a request was read, `client_left` when a
    client went away from a script that watches for it. `keep_alive`: connections stay open after a script.
    """

    def __init__(self, issued: Issued | None, *, context: ssl.SSLContext | None = None):
        super().__init__()
        self.script: dict[str, Script] = {}
        self.requests: list[Received] = []
        self.asked = threading.Event()
        self.client_left = threading.Event()
        self.keep_alive = False
        self._context = context
        if issued is not None:
            self._context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.TemporaryDirectory() as folder:
                self._context.load_cert_chain(*issued.write(folder))

    def url(self, target: str, host: str = "127.0.0.1") -> str:
        """The address of `target` under `host`."""
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{target}"

    def _serve(self, sock: socket.socket) -> None:
        if self._context is None:
            if sock.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS handshake: real plain servers complain, too
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                return
            self._answer(sock)
            return
        sock.settimeout(WAIT_S)
        with self._context.wrap_socket(sock, server_side=True) as secure:
            self._open.add(secure)
            try:
                self._answer(secure)
                with contextlib.suppress(OSError, ValueError):  # ValueError: ended from elsewhere meanwhile
                    secure.unwrap()
            finally:
                self._open.discard(secure)

    def _answer(self, sock: socket.socket) -> None:
        while request := _read_request(sock):
            self.requests.append(request)
            self.asked.set()
            script = self.script.get(request.target) or answer(404)
            script(Connection(self, sock, request))
            if not self.keep_alive:
                return


class MuteServer(_Server):
    """Accepts connections, reads what comes, and never says a word. `asked` is set at the first bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.client_left = threading.Event()

    def _serve(self, sock: socket.socket) -> None:
        while sock.recv(65536):
            self.asked.set()
        self.client_left.set()


class ConnectProxy(_Server):
    """A forward proxy for CONNECT (RFC 9110 section 9.3.6). `targets`: what it was asked to connect to.

    `status` other than 200 makes it refuse. `authorizations`: the Proxy-Authorization values that came.
    """

    def __init__(self, status: int = 200) -> None:
        super().__init__()
        self.status = status
        self.targets: list[str] = []
        self.authorizations: list[str | None] = []

    def _serve(self, sock: socket.socket) -> None:
        request = _read_request(sock)
        if request is None:
            return
        self.targets.append(f"{request.method} {request.target}")
        self.authorizations.append(request.header("proxy-authorization"))
        if self.status != 200:
            sock.sendall(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\n\r\n" % self.status)
            return
        host, _, port = request.target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), WAIT_S) as upstream:
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._relay(sock, upstream)

    def _relay(self, one: socket.socket, other: socket.socket) -> None:
        ways = {one: other, other: one}
        while not self.stopping.is_set():
            for ready in select.select(list(ways), [], [], 0.05)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                ways[ready].sendall(data)


def _read_request(sock: socket.socket) -> Received | None:
    """One request with its content-length body; None when the client ends before there is one."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    length = int(next((value for name, value in headers if name == "content-length"), 0))
    while len(body) < length:
        piece = sock.recv(65536)
        if not piece:
            return None
        body += piece
    method, target, _ = first.split(" ", 2)
    return Received(method, target, headers, body)
