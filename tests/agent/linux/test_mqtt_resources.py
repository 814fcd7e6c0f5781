"""What PahoMqtt costs: wake-ups, descriptors, memory."""

import asyncio
import contextlib
import gc
import os
import resource
import selectors
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import BrokerError, TransportError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from pairlet.linux.mqtt_dial import OneShot
from pairlet.linux.mqtt_link import Link
from support.mosquitto import Mosquitto
from support.ports import closed_port

PASSWORD = "token-that-nobody-sees"
CREDENTIALS = Credentials("device", Secret(PASSWORD))
SAMPLE = Message("devices/a/telemetry", b"21.5", 1, False)
ACL = "user device\ntopic readwrite devices/#\n"


def client(port: int, **more: Any) -> PahoMqtt:
    settings = {"client_id": "d" + uuid.uuid4().hex[:20], "insecure": True} | more
    return PahoMqtt(url=f"mqtt://127.0.0.1:{port}", **settings)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder, users={"device": PASSWORD}, acl=ACL) as running:
        yield running


def cut_off(mqtt: PahoMqtt) -> None:
    """Cut the connection as a router does: no DISCONNECT, and the client is not told beforehand."""
    link = mqtt._link
    assert link is not None
    with socket.socket(fileno=os.dup(link._fd)) as same_connection:
        same_connection.shutdown(socket.SHUT_RDWR)


class CountingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Counts the waits that can put the process to sleep: each ends with a wake-up."""

    sleeps = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            self.sleeps += 1
        return super().select(timeout)


def test_an_idle_connection_wakes_up_twice_for_each_ping(tmp_path: Path) -> None:
    """2 wake-ups a minute with a keep_alive of 60, where paho's own thread needs 60."""
    selector = CountingSelector()
    pings = 4

    def watch_log(broker: Mosquitto, loop: asyncio.AbstractEventLoop, enough: asyncio.Event) -> None:
        pause = threading.Event()
        while broker.log().count("Received PINGREQ") < pings and not pause.wait(0.02):
            pass
        loop.call_soon_threadsafe(enough.set)

    async def run(broker: Mosquitto) -> int:
        mqtt = client(broker.port, keep_alive=1)
        await mqtt.connect(CREDENTIALS, None)
        enough = asyncio.Event()
        arguments = (broker, asyncio.get_running_loop(), enough)
        watcher = threading.Thread(target=watch_log, args=arguments, daemon=True)
        before = selector.sleeps
        watcher.start()
        await enough.wait()
        sleeps = selector.sleeps - before
        await mqtt.disconnect()
        return sleeps

    with (
        Mosquitto(tmp_path) as broker,
        asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner,
    ):
        sleeps = runner.run(run(broker))
    # Two for each ping (timer, PINGRESP); the last PINGRESP may be late; one for the watcher's word.
    assert pings <= sleeps <= 2 * pings + 2


def live(kind: type) -> int:
    """How many instances of `kind` exist, reachable or not."""
    return sum(isinstance(each, kind) for each in gc.get_objects())


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Only reference counts free memory here, so that a cycle shows."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def connect_and_leave(broker: Mosquitto) -> None:
    mqtt = client(broker.port)
    await mqtt.connect(CREDENTIALS, SAMPLE)
    await mqtt.publish(SAMPLE)
    await mqtt.disconnect()


async def lose_and_leave(broker: Mosquitto) -> None:
    mqtt = client(broker.port)
    await mqtt.connect(CREDENTIALS, SAMPLE)
    cut_off(mqtt)
    with pytest.raises(TransportError):
        await mqtt.publish(SAMPLE)
    await mqtt.disconnect()


async def be_refused(broker: Mosquitto) -> None:
    with contextlib.suppress(BrokerError):
        await client(broker.port).connect(Credentials("device", Secret("wrong")), None)


async def find_nobody(broker: Mosquitto) -> None:
    with closed_port() as port, contextlib.suppress(TransportError):
        await client(port).connect(CREDENTIALS, None)


async def change_mind(broker: Mosquitto) -> None:
    mqtt = client(broker.port)
    connecting = asyncio.ensure_future(mqtt.connect(CREDENTIALS, None))
    await asyncio.sleep(0)
    connecting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await connecting


@pytest.mark.parametrize(
    "way",
    [connect_and_leave, lose_and_leave, be_refused, find_nobody, change_mind],
    ids=lambda way: way.__name__,
)
def test_fifty_connections_leave_nothing_behind(broker: Mosquitto, way: Callable[[Mosquitto], Any]) -> None:
    async def run() -> None:
        await way(broker)
        before = count_descriptors()
        for _ in range(50):
            await way(broker)
        # A connect whose caller left is closed by its thread.
        while any(thread.name.startswith("pairlet-") for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # the loop itself still holds what woke this coroutine
        assert count_descriptors() <= before
        assert (live(OneShot), live(Link)) == (0, 0)

    with without_collector():
        asyncio.run(asyncio.wait_for(run(), 60))


def test_file_descriptors_above_1023(broker: Mosquitto) -> None:
    """select() stops there, and with it most MQTT clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this machine allows no more")
    with contextlib.ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1030):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))

        async def run() -> int:
            mqtt = client(broker.port)
            await mqtt.connect(CREDENTIALS, None)
            assert mqtt._link is not None and mqtt._link._fd > 1023
            answer = await mqtt.publish(SAMPLE)
            await mqtt.disconnect()
            return answer

        assert asyncio.run(run()) & 0x80 == 0
