"""Where the endpoint listens: on loopback, or on a Unix socket."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from typing import NamedTuple

from ...core.errors import ConfigError
from ...core.url import is_loopback

# In the state folder, for `pairlet status`. Made once a start: nothing is written to the card for it again.
SOCKET_NAME = ".agent.sock"
_ADVICE = 'Write health.listen = "127.0.0.1:9000", or the path of a Unix socket, such as /run/pairlet/health.'


class Place(NamedTuple):
    """`host` and `port`, or `path`."""

    host: str
    port: int
    path: str


def parse(text: str) -> Place:
    """What the setting health.listen says. ConfigError for what is not on this machine alone."""
    if text.startswith(("/", "unix:")):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or path.endswith("/"):
            raise ConfigError(f"health.listen: {ascii(text)} is no absolute path", _ADVICE)
        return Place("", 0, path)
    host, colon, digits = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not digits.isascii() or not digits.isdigit() or len(digits) > 5 or int(digits) > 65535:
        raise ConfigError(f"health.listen: {ascii(text)} is neither HOST:PORT nor a path", _ADVICE)
    if (":" in host) != bracketed or not is_loopback(host):
        raise ConfigError(
            f"health.listen: {ascii(host)} is not this machine alone",
            "What it tells is for this machine: use 127.0.0.1, [::1] or localhost.",
        )
    return Place("127.0.0.1" if host == "localhost" else host, int(digits), "")


def open_tcp(place: Place) -> socket.socket:
    """A listening socket on loopback. Raises ConfigError when the port is taken or may not be used."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((place.host, place.port))
        listening.listen(8)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"health.listen: {place.host}:{place.port} can't be used: {error.strerror}",
            "Choose another port, or stop whoever uses it.",
        ) from None
    return listening


class UnixListener:
    """A Unix socket at `path` with `mode`, which may be longer than an address can be. Raises OSError.

    `gid`: the group it belongs to; -1: this process's. One that nobody listens on any more is replaced;
    EADDRINUSE if somebody does.
    """

    def __init__(self, path: str, mode: int, gid: int = -1):
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short(path) as address:
                if _is_alive(address):
                    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                _remove_socket(path)
                before = os.umask(0o177)
                try:
                    self.socket.bind(address)
                finally:
                    os.umask(before)
                # Until here nobody but this user could come in. A service may not chown, and need not.
                if gid not in (-1, os.stat(path).st_gid):
                    os.chown(path, -1, gid)
                os.chmod(path, mode)
                self.socket.listen(8)
                self._mark = _mark(path)
        except BaseException:
            self.socket.close()
            raise

    def remove(self) -> None:
        """Remove the socket, unless it is another process's by now. Raises nothing."""
        with contextlib.suppress(OSError):
            if _mark(self._path) == self._mark:
                os.unlink(self._path)


def connect(path: str, timeout_s: float) -> socket.socket:
    """A connection to whoever listens at `path`. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        with _short(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _short(path: str) -> Iterator[str]:
    """`path` as an address (unix(7): 107 bytes at most), by way of its open folder."""
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _mark(path: str) -> tuple[int, int]:
    """What tells one socket from the next: file systems use the numbers of inodes again."""
    status = os.stat(path)
    return status.st_ino, status.st_ctime_ns


def _is_alive(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        # EAGAIN: there is somebody, who is too busy to take us.
        return probe.connect_ex(address) in (0, errno.EAGAIN)


def _remove_socket(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket is in the way")
        os.unlink(path)
