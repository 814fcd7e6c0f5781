"""One client's way through the proxy: its socket, the broker's, and the two directions between them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from .faults import BLACKHOLE, DOWN, LOSE, UP, Faults
from .one_way import OneWay, Traffic

# l_onoff, l_linger: closing with unsent data or not, the other side gets a RST and no FIN.
_NO_LINGER = struct.pack("ii", 1, 0)
_CONNECT_S = 10.0
_GOODBYE_S = 1.0


def reset_socket(sock: socket.socket) -> None:
    """End a connection with a RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    sock.close()


class Connection:
    """Carries between an accepted socket and the broker. `half_open`: nothing gets through for good.

    `was_reset`: it has ended with a RST, of ours or passed on.
    """

    def __init__(
        self, client: socket.socket, faults: Faults, up: Traffic, down: Traffic, moved: Callable[[], None]
    ):
        self._client = client
        self.faults = faults
        self.half_open = faults.silence == LOSE
        self.is_mqtt = False
        self._traffic = {UP: up, DOWN: down}
        self._moved = moved
        self._ways: list[OneWay] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._moving = asyncio.Event()
        self._task: asyncio.Task[str] | None = None
        self._ended = False
        self.was_reset = False

    async def run(self, broker: tuple[str, int]) -> str:
        """Until both sides have closed; what went wrong at the broker's side, or ""."""
        self._task = asyncio.current_task()
        if self._ended:  # before this task had its first turn
            self._client.close()
            return ""
        try:
            reader, writer = await asyncio.open_connection(sock=self._client)
            self._writers.append(writer)
            return await self._serve(reader, writer, broker)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            return ""
        finally:
            await self._leave()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, broker: tuple[str, int]
    ) -> str:
        await self._until_moving()
        if self.half_open:
            with contextlib.suppress(OSError):
                while await reader.read(65536):
                    pass
            return ""
        try:
            async with asyncio.timeout(_CONNECT_S):
                up_reader, up_writer = await asyncio.open_connection(*broker)
        except OSError as error:
            self._break()
            return f"the broker can't be reached: {error.strerror or type(error).__name__}"
        self._writers.append(up_writer)
        self._ways = [
            OneWay(UP, self, reader, up_writer, self._traffic[UP], self._moved),
            OneWay(DOWN, self, up_reader, writer, self._traffic[DOWN], self._moved),
        ]
        await asyncio.gather(*(way.carry() for way in self._ways))
        return ""

    async def _until_moving(self) -> None:
        """A connection that comes in a blackhole does not reach the broker before it ends."""
        while self.faults.silence == BLACKHOLE:
            self._moving.clear()
            await self._moving.wait()

    def change(self, faults: Faults) -> None:
        """From now on these are the faults."""
        self.faults = faults
        self.half_open = self.half_open or faults.silence == LOSE
        self._moving.set()
        for way in self._ways:
            way.faults_changed()

    def reset(self) -> None:
        """End both sides with a RST, now."""
        self._break()
        self._stop()

    def _break(self) -> None:
        self.was_reset = True
        # The client's has no writer yet in its first moments.
        for sock in (self._client, *(writer.get_extra_info("socket") for writer in self._writers)):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        for writer in self._writers:
            writer.transport.abort()

    def close(self) -> None:
        """End both sides with a FIN, now."""
        self._stop()

    def _stop(self) -> None:
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    async def _leave(self) -> None:
        """Close what is open; whoever does not take the rest soon does not get it."""
        for way in self._ways:
            way.forget()
        for writer in self._writers:
            writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_GOODBYE_S):
                for writer in self._writers:
                    with contextlib.suppress(ConnectionError):
                        await writer.wait_closed()
        for writer in self._writers:
            writer.transport.abort()
