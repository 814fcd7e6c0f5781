"""TCP ports on 127.0.0.1 for tests."""

import contextlib
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port that nobody uses right now. Prefer binding port 0 wherever the server can."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses every connection, and that nobody else can open meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound, but never listening
        yield int(holder.getsockname()[1])
