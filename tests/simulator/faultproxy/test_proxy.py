"""What clients and servers see through the proxy, for each of its faults."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from pairlet_sim.faultproxy import FaultError, FaultProxy, ProxyError
from support.fake_broker import CONNECT, PUBLISH, FakeBroker, Peer, connack, packet, puback, publish

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that gives back what it gets; `heard` is all that came, `ends` how its connections ended."""

    def __init__(self) -> None:
        self.heard = b""
        self.ends: list[str] = []
        self.news = asyncio.Event()

    async def __aenter__(self) -> "Echo":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = "fin"
        try:
            while data := await reader.read(65536):
                self.heard += data
                self.news.set()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            end = "rst"
        self.ends.append(end)
        self.news.set()
        writer.close()

    async def until(self, predicate: Callable[[], Any]) -> None:
        """Until `predicate()` is true."""
        while not predicate():
            self.news.clear()
            await self.news.wait()


def with_echo(test: Callable[[FaultProxy, Echo], Awaitable[None]]) -> None:
    """Run `test` with a proxy before an echo; nothing may be left open afterwards."""

    async def run() -> None:
        async with Echo() as echo, FaultProxy(echo.address) as proxy:
            await test(proxy, echo)
            await proxy.stop()
            assert proxy.open_connections == 0
        await asyncio.sleep(0)
        left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in left:
            if each.get_name() != "main":
                await asyncio.wait({each}, timeout=10)
        assert all(each.done() or each.get_name() == "main" for each in left), left

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("main")
        async with asyncio.timeout(30):
            await run()

    asyncio.run(main())


async def connected(proxy: FaultProxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoed(streams: Streams, data: bytes) -> None:
    """Send `data`, and have it back."""
    streams[1].write(data)
    assert await streams[0].readexactly(len(data)) == data


async def is_silent(what: Coroutine[Any, Any, Any], turns: int = 200) -> "asyncio.Task[Any]":
    """The task of `what`, which has not ended although everything had its turn."""
    task = asyncio.ensure_future(what)
    for _ in range(turns):
        await asyncio.sleep(0)
    assert not task.done(), task
    return task


def test_everything_passes_and_ends_pass_too() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        streams = await connected(proxy)
        big = bytes(range(256)) * 4000
        await echoed(streams, b"hello")
        sending = asyncio.ensure_future(echoed(streams, big))
        await sending
        streams[1].write_eof()
        assert await streams[0].read() == b""
        await echo.until(lambda: echo.ends == ["fin"])
        await proxy.until(lambda: proxy.open_connections == 0)
        assert proxy.state() == {
            "accepted": 1, "open": 0, "reset": 0, "bytes_up": len(big) + 5, "bytes_down": len(big) + 5,
            "pubacks": proxy.down.pubacks, "pubacks_held": 0,
        }  # fmt: skip

    with_echo(test)


def test_refuse_keeps_the_port_and_those_who_are_there() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        streams = await connected(proxy)
        await echoed(streams, b"before")
        proxy.obey("refuse")
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await connected(proxy)
        await echoed(streams, b"while")
        proxy.obey("refuse")
        proxy.obey("pass")
        await echoed(await connected(proxy), b"after")
        await echoed(streams, b"after")

    with_echo(test)


def test_accept_then_reset() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        old = await connected(proxy)
        await echoed(old, b"old")
        proxy.obey("accept-then-reset")
        with pytest.raises(ConnectionResetError):
            reader, writer = await connected(proxy)
            writer.write(b"x")
            await reader.readexactly(1)
        await echoed(old, b"still")
        assert proxy.reset_count == 1 and echo.heard == b"oldstill"

    with_echo(test)


@pytest.mark.parametrize(("word", "end"), [("close", "fin"), ("reset", "rst")])
def test_close_and_reset_end_both_sides(word: str, end: str) -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        streams = await connected(proxy)
        await echoed(streams, b"hello")
        proxy.obey(word)
        if end == "fin":
            assert await streams[0].read() == b""
        else:
            with pytest.raises(ConnectionResetError):
                await streams[0].read()
        await echo.until(lambda: echo.ends)
        assert echo.ends == [end]
        await echoed(await connected(proxy), b"again")

    with_echo(test)


def test_a_reset_of_the_client_is_passed_on() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        async with FaultProxy(("127.0.0.1", proxy.port)) as nearer:
            await echoed(await connected(nearer), b"hello")
            nearer.obey("reset")
            await echo.until(lambda: echo.ends == ["rst"])
            await proxy.until(lambda: proxy.open_connections == 0)

    with_echo(test)


def test_a_blackhole_is_silent_and_loses_nothing() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        old = await connected(proxy)
        await echoed(old, b"hello")
        proxy.obey("blackhole")
        new = await connected(proxy)
        new[1].write(b"new")
        old[1].write(b"old")
        old[1].write_eof()
        waiting = [await is_silent(streams[0].read(3)) for streams in (old, new)]
        assert echo.heard == b"hello" and echo.ends == []
        proxy.obey("pass")
        assert [await each for each in waiting] == [b"old", b"new"]
        await echo.until(lambda: echo.ends == ["fin"])

    with_echo(test)


def test_a_client_that_goes_in_a_blackhole_is_there_for_the_server() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        reader, writer = await connected(proxy)
        await echoed((reader, writer), b"hello")
        proxy.obey("blackhole")
        writer.transport.abort()
        (await is_silent(echo.until(lambda: echo.ends))).cancel()
        proxy.obey("pass")
        await echo.until(lambda: echo.ends)

    with_echo(test)


def test_lose_leaves_half_open_connections_for_good() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        old = await connected(proxy)
        await echoed(old, b"hello")
        proxy.obey("lose")
        new = await connected(proxy)
        for streams in (old, new):
            streams[1].write(b"lost")
        proxy.obey("pass")
        fresh = await connected(proxy)
        await echoed(fresh, b"fresh")
        old[1].write(b"lost")
        old[1].close()
        silent = await is_silent(new[0].read())
        assert echo.heard == b"hellofresh" and echo.ends == []
        proxy.obey("reset")
        with pytest.raises(ConnectionResetError):
            await silent
        # The old one and the fresh one; the new one never came as far as the server.
        await echo.until(lambda: echo.ends == ["rst", "rst"])

    with_echo(test)


def test_delay_and_rate_take_their_time_and_keep_the_order() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        streams = await connected(proxy)
        proxy.obey("delay 0.1")
        begin = time.monotonic()
        for number in range(60):
            streams[1].write(b"%02d" % number)
            await streams[1].drain()
            await asyncio.sleep(0)
        assert await streams[0].readexactly(120) == b"".join(b"%02d" % number for number in range(60))
        # There and back; sixty chunks are on the way at once, so they don't add up.
        assert 0.2 <= time.monotonic() - begin < 6.0
        proxy.obey("pass")
        proxy.obey("rate 20000")
        begin = time.monotonic()
        await echoed(streams, b"x" * 5000)
        # Five steps of a twentieth of a second, of which the first is at once.
        assert time.monotonic() - begin >= 0.2

    with_echo(test)


@pytest.mark.parametrize("way", ["up", "down"])
def test_cut_after_so_many_bytes(way: str) -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        streams = await connected(proxy)
        await echoed(streams, b"12345")
        proxy.obey(f"cut 10 {way}")
        await echoed(streams, b"12345")
        streams[1].write(b"6789012345")
        seen = b""
        with pytest.raises(ConnectionResetError):
            while True:
                seen += await streams[0].readexactly(1)
        await echo.until(lambda: echo.ends == ["rst"])
        if way == "up":
            assert echo.heard == b"123451234567890"
        else:
            assert seen == b"67890" and echo.heard == b"12345123456789012345"
        # The next connection has as many bytes again.
        await echoed(await connected(proxy), b"123456789")

    with_echo(test)


def test_reset_every_so_often_until_pass() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        proxy.obey("reset-every 0.05")
        for _ in range(3):
            streams = await connected(proxy)
            with pytest.raises(ConnectionResetError):
                await streams[0].read()
        proxy.obey("pass")
        await echoed(await connected(proxy), b"calm")

    with_echo(test)


def test_a_broker_that_is_not_there() -> None:
    async def test() -> None:
        told: list[str] = []
        async with FaultProxy(("127.0.0.1", 1), told=told.append) as proxy:
            streams = await connected(proxy)
            with pytest.raises(ConnectionResetError):
                await streams[0].read()
            await proxy.until(lambda: told)
            assert "can't be reached" in told[0]

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_port_that_is_taken() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        with pytest.raises(ProxyError, match="in use"):
            FaultProxy(echo.address, port=proxy.port).start()

    with_echo(test)


def test_nothing_changes_at_words_that_are_none() -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        proxy.obey("delay 0.001")
        with pytest.raises(FaultError):
            proxy.obey("delay yes")
        assert proxy.faults.delay_s == 0.001
        await echoed(await connected(proxy), b"x")

    with_echo(test)


# ---- MQTT ------------------------------------------------------------------------------------


async def acknowledges(peer: Peer) -> None:
    """A broker that takes everything."""
    await peer.expect(CONNECT)
    await peer.send(connack(0))
    while (received := await peer.receive()) is not None:
        if received.type == PUBLISH:
            await peer.send(puback(received.packet_id))
        else:
            await peer.send(packet(13))


CONNECT_PACKET = packet(CONNECT, b"\0\x04MQTT\x05\x02\0\0\0\0\x01a")
PING = packet(12)


async def mqtt_connected(proxy: FaultProxy) -> Streams:
    streams = await connected(proxy)
    streams[1].write(CONNECT_PACKET)
    assert await streams[0].readexactly(5) == connack(0)
    return streams


def test_pubacks_are_held_back_and_follow() -> None:
    async def test() -> None:
        async with FakeBroker(acknowledges) as broker, FaultProxy(("127.0.0.1", broker.port)) as proxy:
            reader, writer = await mqtt_connected(proxy)
            proxy.obey("hold-pubacks")
            for number in (1, 2, 3):
                writer.write(publish("t", b"x", packet_id=number))
            writer.write(PING)
            assert await reader.readexactly(2) == packet(13)
            await proxy.until(lambda: proxy.down.held == 3)
            proxy.obey("pass")
            assert await reader.readexactly(18) == puback(1) + puback(2) + puback(3)
            assert proxy.state()["pubacks"] == 3 and proxy.state()["pubacks_held"] == 0
            proxy.obey("hold-pubacks")
            writer.write(publish("t", b"x", packet_id=4))
            await proxy.until(lambda: proxy.down.held == 1)
            proxy.obey("reset")
            await proxy.until(lambda: proxy.open_connections == 0)
            assert proxy.down.held == 0

    asyncio.run(asyncio.wait_for(test(), 30))


def test_cut_before_a_puback() -> None:
    async def test() -> None:
        async with FakeBroker(acknowledges) as broker, FaultProxy(("127.0.0.1", broker.port)) as proxy:
            proxy.obey("cut-before-puback 1")
            for _ in range(2):
                reader, writer = await mqtt_connected(proxy)
                for number in (1, 2):
                    writer.write(publish("t", b"x", packet_id=number))
                assert await reader.readexactly(6) == puback(1)
                with pytest.raises(ConnectionResetError):
                    await reader.readexactly(1)

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize(("act", "end"), [("reset", "rst"), ("close", "fin"), ("stop", "fin")])
def test_a_connection_can_be_ended_in_its_first_moment(act: str, end: str, steps: int) -> None:
    async def test(proxy: FaultProxy, echo: Echo) -> None:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.setblocking(False)
            proxy._accept()  # so that the steps are counted from there
            for _ in range(steps):
                await asyncio.sleep(0)
            if act == "stop":
                await proxy.stop()
            else:
                proxy.obey(act)
            try:
                seen = await asyncio.get_running_loop().sock_recv(client, 1)
            except ConnectionResetError:
                assert end == "rst"
            else:
                assert (end, seen) == ("fin", b"")

    with_echo(test)
