"""TCP ports on 127.0.0.1 for tests."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

_LOWEST = 10_000
_FOR_EVERYBODY = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that nobody uses right now. Prefer binding port 0 wherever the server can.

    None of those that the kernel gives to whoever binds port 0 or connects: before the server has it, and
    whenever the server is down, other tests would be given it.
    """
    end = int(_FOR_EVERYBODY.read_text().split()[0])
    while True:
        # Not the usual generator, which hypothesis seeds: all workers would get the same ones.
        port = SystemRandom().randrange(_LOWEST, end) if end > 2 * _LOWEST else 0
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses every connection, and that nobody else can open meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound, but never listening
        yield int(holder.getsockname()[1])
