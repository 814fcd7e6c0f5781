# mypy: ignore-errors
"""`socket` as on a board: MicroPython's own sockets, whose connections go through the radio of the host.

A name is resolved by the host, which answers with a place on loopback that leads there for as long as
the Wi-Fi is up.
"""

import struct

import _layout
import _wire
import usocket
from usocket import (  # noqa: F401
    AF_INET,
    AF_INET6,
    SO_KEEPALIVE,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)

SO_BROADCAST = usocket.SO_BROADCAST
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_IP = 0


def getaddrinfo(host, port, family=0, kind=SOCK_STREAM, proto=0, flags=0):
    """A list with one (family, type, proto, name, address); OSError -2 if nobody can be asked or knows."""
    kind = kind or SOCK_STREAM
    if host in ("", "0.0.0.0", "::"):
        # To listen at: on loopback, since a virtual board must not be open to the network of its host.
        return usocket.getaddrinfo("127.0.0.1", port, AF_INET, kind)
    question = struct.pack("<BH", kind == SOCK_DGRAM, port) + host.encode()
    error, place = struct.unpack("<bH", _wire.ask(_layout.RESOLVE, question)[:3])
    if error:
        raise OSError(error)
    return usocket.getaddrinfo("127.0.0.1", place, AF_INET, kind)
