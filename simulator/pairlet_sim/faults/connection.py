"""The connection under a request: what an application needs to break it."""

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_KEY = "transport"
# l_onoff, l_linger: closing with unsent data or not, the other side gets a RST and no FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class ReachableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the transport in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport for every request of this connection."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, _KEY: transport}


def reset(scope: Scope) -> None:
    """End the connection of `scope` with a RST: what a router does that has forgotten it."""
    transport = _transport(scope)
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def close(scope: Scope, last_words: bytes = b"") -> None:
    """Write `last_words`, whatever they are in HTTP, then end the connection in good order."""
    transport = _transport(scope)
    if last_words:
        transport.write(last_words)
    transport.close()


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["state"][_KEY]
    return transport
