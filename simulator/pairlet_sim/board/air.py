"""What is in the air around a board: an access point, the way through it to the network, and a time server.

A name that the board looks up becomes a port on loopback that leads to it. While the Wi-Fi is off nothing
passes there, in either direction: connections go silent, as they do when a radio is lost, and go on later.
"""

import asyncio
import contextlib
import functools
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import cast

from .device import _layout as layout
from .idle import Line, has_come
from .registers import Registers

_EAI_NONAME = -2
_NTP_PORT = 123
_FROM_1900 = 2_208_988_800
_CHUNK = 16 * 1024
_CHANNEL = 6
SEEN_AFTER_TURNS = 3


class Wifi:
    """The access point and the board's radio. `join_s`: how long joining takes."""

    def __init__(
        self,
        registers: Registers,
        networks: Mapping[str, str] | None,
        *,
        rejoins: bool,
        changed: Callable[[], None],
        join_s: float = 0.05,
    ):
        self._registers = registers
        self._networks = networks
        self._rejoins = rejoins
        self._changed = changed
        self._join_s = join_s
        self._joining: asyncio.TimerHandle | None = None
        self._wanted: tuple[str, str] | None = None
        self.on = True
        self.joins = 0
        registers.set_byte(layout.RSSI, -52)

    @property
    def up(self) -> bool:
        """Whether the board is in the network."""
        return self.state == layout.WIFI_UP

    @property
    def joining(self) -> bool:
        """Whether the access point is making up its mind."""
        return self._joining is not None

    @property
    def state(self) -> int:
        """One of the WIFI_ constants of the layout."""
        return self._registers.byte(layout.WIFI)

    def switch(self, on: bool) -> None:
        """The access point goes off or comes back."""
        if on == self.on:
            return
        self.on = on
        if not on and self.state in (layout.WIFI_UP, layout.WIFI_JOINING):
            self._become(layout.WIFI_LOST)
        elif on and self._rejoins and self._wanted is not None and self.state != layout.WIFI_UP:
            self._begin()

    def set_active(self, active: bool) -> None:
        """The board switches its radio."""
        self._registers.set_byte(layout.RADIO_ON, int(active))
        if not active:
            self.leave()

    def join(self, ssid: str, key: str) -> None:
        """The board wants to join."""
        self._wanted = (ssid, key)
        self._begin()

    def leave(self) -> None:
        """The board leaves."""
        self._wanted = None
        self._cancel()
        self._become(layout.WIFI_IDLE)

    def power_off(self) -> None:
        """The board has no power any more."""
        self._registers.set_byte(layout.RADIO_ON, 0)
        self.leave()

    def scanned(self, number: int) -> bytes:
        """The answer to WIFI_SCAN for the network with this number; a first byte of 0 when there is none."""
        names = sorted(self._networks) if self._networks is not None else ["pairlet"]
        if not self.on or number >= len(names):
            return b"\0"
        secure = self._networks is None or bool(self._networks[names[number]])
        rssi = self._registers.byte(layout.RSSI)
        return bytes([1, rssi, 3 * secure, _CHANNEL, 2, 0, 0, 0, 1, number]) + names[number].encode()

    def _begin(self) -> None:
        self._cancel()
        self._become(layout.WIFI_JOINING)
        self._joining = asyncio.get_running_loop().call_later(self._join_s, self._decide)

    def _decide(self) -> None:
        self._joining = None
        assert self._wanted is not None
        ssid, key = self._wanted
        if not self.on or (self._networks is not None and ssid not in self._networks):
            self._become(layout.WIFI_NO_AP)
        elif self._networks is not None and self._networks[ssid] != key:
            self._become(layout.WIFI_WRONG_KEY)
        else:
            self.joins += 1
            self._become(layout.WIFI_UP)

    def _cancel(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None

    def _become(self, state: int) -> None:
        self._registers.set_byte(layout.WIFI, state)
        self._changed()


class Relay:
    """The way from loopback ports to where the board wants to go. `passes`: whether anything gets through.

    `now`: Unix time in the world around the board.
    """

    def __init__(self, passes: Callable[[], bool], now: Callable[[], float] = time.time):
        self._passes = passes
        self._now = now
        self._open = asyncio.Event()
        self._listeners: dict[tuple[str, int], socket.socket] = {}
        self._accepting: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._lines: set[Line] = set()
        self._news = False
        self._time: asyncio.DatagramTransport | None = None
        self.time_shift: float | None = 0.0

    def changed(self) -> None:
        """`passes` may have another answer now."""
        if self._passes():
            self._open.set()
        else:
            self._open.clear()

    async def close(self) -> None:
        """End all connections."""
        self.cut()
        for task in self._accepting:
            task.cancel()
        if self._time is not None:
            self._time.close()
        await asyncio.gather(*self._accepting, *self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections, as when the board has lost its power or its address."""
        for task in self._connections:
            task.cancel()

    async def resolve(self, host: str, port: int, udp: bool) -> bytes:
        """The answer to RESOLVE: an errno and the port on loopback that leads to `host` and `port`."""
        if not self._passes():
            return struct.pack("<bH", _EAI_NONAME, 0)
        if udp and port == _NTP_PORT:
            return struct.pack("<bH", 0, await self._time_port())
        try:
            await asyncio.get_running_loop().getaddrinfo(host, port)
            return struct.pack("<bH", 0, port if udp else self._tcp_port(host, port))
        except (OSError, UnicodeError):
            return struct.pack("<bH", _EAI_NONAME, 0)

    def is_quiet(self) -> bool:
        """Whether nothing is on its way, in either direction, and no answer is awaited.

        To be asked SEEN_AFTER_TURNS turns of the event loop after the board's question came: what the board
        had sent before may only be found by the next turn's look at the sockets, is read in that turn, and
        passed on in the one after.
        """
        if not self._passes():
            return True  # nothing can come
        if not all(line.is_quiet() for line in self._lines):
            return False
        ends = [end for line in self._lines for end in line.ends()]
        return not has_come([*self._listeners.values(), *ends])

    def has_news(self) -> bool:
        """Whether the board was sent something since this was asked last."""
        news, self._news = self._news, False
        return news

    def _tcp_port(self, host: str, port: int) -> int:
        listener = self._listeners.get((host, port))
        if listener is None:
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            self._listeners[host, port] = listener
            self._accepting.append(asyncio.create_task(self._accept(listener, host, port)))
        return int(listener.getsockname()[1])

    async def _accept(self, listener: socket.socket, host: str, port: int) -> None:
        with listener:
            while True:
                near, _ = await asyncio.get_running_loop().sock_accept(listener)
                line = Line(near)
                self._lines.add(line)
                task = asyncio.create_task(self._carry(line, host, port))
                self._connections.add(task)
                task.add_done_callback(functools.partial(self._carried, line))

    def _carried(self, line: Line, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        self._lines.discard(line)
        self._news = True
        if task.cancelled():  # before it began, or it would have closed what it had
            line.near.close()

    async def _carry(self, line: Line, host: str, port: int) -> None:
        """One connection, until either side has ended it."""
        writers: list[asyncio.StreamWriter] = []
        try:
            reader, writer = await asyncio.open_connection(sock=line.near)
            writers.append(writer)
            await self._open.wait()
            far_reader, far = await asyncio.open_connection(host, port)
            writers.append(far)
            line.far = far.get_extra_info("socket")
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, far, line, outwards=True))
                directions.create_task(self._pump(far_reader, writer, line, outwards=False))
        except* (OSError, asyncio.CancelledError):
            # Refused or broken there: reset here, so that the board does not take it for a proper end.
            for end in writers:
                _reset_on_close(end)
        finally:
            for end in writers:
                end.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line, *, outwards: bool
    ) -> None:
        while data := await reader.read(_CHUNK):
            await self._open.wait()
            line.passed(outwards=outwards)
            self._news = self._news or not outwards
            writer.write(data)
            await writer.drain()
        line.ended(outwards=outwards)
        await self._open.wait()
        self._news = True
        if writer.can_write_eof():
            writer.write_eof()

    async def _time_port(self) -> int:
        if self._time is None:
            self._time, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _TimeServer(self), local_addr=("127.0.0.1", 0)
            )
        return int(self._time.get_extra_info("sockname")[1])

    def time_now(self) -> float | None:
        """What the time server says, Unix time; None if it is silent."""
        return None if self.time_shift is None or not self._passes() else self._now() + self.time_shift


class _TimeServer(asyncio.DatagramProtocol):
    """Answers questions of SNTP clients (RFC 4330 section 5)."""

    def __init__(self, relay: Relay):
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        now = self._relay.time_now()
        if now is None or len(data) < 48 or data[0] & 7 != 3:
            return
        seconds = int(now)
        stamp = struct.pack("!II", (seconds + _FROM_1900) & 0xFFFFFFFF, int((now - seconds) * 2**32))
        # No leap second, the client's version, server; stratum 1; 2**-20 s; reference "LOCL".
        head = bytes([data[0] & 0x38 | 4, 1, data[2], 0xEC]) + bytes(8) + b"LOCL"
        self._transport.sendto(head + stamp + data[40:48] + stamp + stamp, address)


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
