"""One direction of a connection: reads at one end and writes at the other, through all that is wrong."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .faults import BLACKHOLE, DOWN, UP, Faults
from .packets import PubackFinder

_CHUNK = 64 * 1024
# So many chunks may be on the way when there is a delay; then the sender has to wait, as TCP has it.
_ON_THE_WAY = 64
_END, _BREAK = "end", "break"
_CONNECT = 0x10


class Road(Protocol):
    """What a direction knows of its connection."""

    faults: Faults
    half_open: bool
    is_mqtt: bool

    def reset(self) -> None: ...


@dataclass
class Traffic:
    """What has gone one way: bytes, and PUBACKs; `held` are PUBACKs held back now."""

    octets: int = 0
    pubacks: int = 0
    held: int = 0


class OneWay:
    """Carries bytes from `reader` to `writer`. `way` is UP or DOWN.

    traffic   counts what has gone
    moved     called whenever something was written or held back
    """

    def __init__(
        self,
        way: str,
        road: Road,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        traffic: Traffic,
        moved: Callable[[], None],
    ):
        self._way, self._road, self._reader, self._writer = way, road, reader, writer
        self._traffic, self._moved = traffic, moved
        self._queue: asyncio.Queue[tuple[float, bytes | str]] = asyncio.Queue(_ON_THE_WAY)
        self._changed = asyncio.Event()
        self._finder = PubackFinder()
        self._traffic_begins = True
        self._held: list[bytes] = []
        self.faults_changed()

    def faults_changed(self) -> None:
        """Go by the faults of now, and begin to count what `cut` and `cut-before-puback` count."""
        faults = self._road.faults
        # -1: no limit.
        self._octets_left = self._pubacks_left = -1
        if faults.cut is not None and faults.cut[0] == self._way:
            self._octets_left = faults.cut[1]
        if faults.cut_before_puback is not None:
            self._pubacks_left = faults.cut_before_puback
        self._changed.set()
        # Nothing, for a writer who waits for something; with a full queue it waits for nothing.
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait((0.0, b""))

    async def carry(self) -> None:
        """Until this end has closed and all that it sent was written."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read())
            both.create_task(self._write())

    async def _read(self) -> None:
        now = asyncio.get_running_loop().time
        end = _END
        try:
            while data := await self._reader.read(_CHUNK):
                await self._queue.put((now() + self._road.faults.delay_s, data))
        except OSError:
            end = _BREAK
        await self._queue.put((now() + self._road.faults.delay_s, end))

    async def _write(self) -> None:
        while True:
            due, what = await self._queue.get()
            await self._until(due)
            if self._road.half_open:
                # Nothing arrives any more, and an end is not heard of either.
                if isinstance(what, str):
                    return
            elif isinstance(what, str):
                self._pass_on_end(what)
                return
            elif not (await self._release() and await self._deliver(what)):
                return

    async def _until(self, due: float) -> None:
        """Until that time of the loop has come and things move."""
        pause = due - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)
        while self._road.faults.silence == BLACKHOLE:
            self._changed.clear()
            await self._changed.wait()

    def _pass_on_end(self, end: str) -> None:
        if end == _BREAK:
            self._road.reset()
            return
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def _release(self) -> bool:
        """Send what was held back, unless it still is. True."""
        if self._held and not self._road.faults.hold_pubacks:
            held, self._held = self._held, []
            self._traffic.held -= len(held)
            self._traffic.pubacks += len(held)
            await self._send(b"".join(held))
        return True

    async def _deliver(self, data: bytes) -> bool:
        """Write it, or what the faults leave of it; False when that ended the connection."""
        for piece, is_puback in self._pieces(data):
            if is_puback and self._pubacks_left == 0:
                self._road.reset()
                return False
            if is_puback and self._road.faults.hold_pubacks:
                self._held.append(piece)
                self._traffic.held += 1
                continue
            if 0 <= self._octets_left <= len(piece):
                await self._send(piece[: self._octets_left])
                self._road.reset()
                return False
            self._octets_left -= len(piece) if self._octets_left > 0 else 0
            self._pubacks_left -= is_puback and self._pubacks_left > 0
            await self._send(piece)
            self._traffic.pubacks += is_puback
        self._moved()
        return True

    def _pieces(self, data: bytes) -> list[tuple[bytes, bool]]:
        """`data`, with the PUBACKs apart if this is MQTT: a client speaks first there, with a CONNECT."""
        if self._way == DOWN and self._road.is_mqtt:
            return self._finder.feed(data)
        if self._way == UP and self._traffic_begins and data:
            self._traffic_begins = False
            self._road.is_mqtt = data[0] == _CONNECT
        return [(data, False)]

    async def _send(self, data: bytes) -> None:
        """At the rate that is allowed. A receiver who has gone is noticed where one reads from him."""
        at = 0
        while at < len(data):
            rate = self._road.faults.rate
            # Twenty steps a second are smooth enough.
            step = len(data) if rate is None else max(1, int(rate / 20))
            piece = data[at : at + step]
            at += step
            with contextlib.suppress(OSError):
                self._writer.write(piece)
                await self._writer.drain()
            self._traffic.octets += len(piece)
            if rate is not None:
                await asyncio.sleep(len(piece) / rate)

    def forget(self) -> None:
        """The connection is over: what is held back will never go."""
        self._traffic.held -= len(self._held)
        self._held = []
