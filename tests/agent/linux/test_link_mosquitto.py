"""A link with a real broker: order, duplicates and the retained status, as a subscriber sees them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pairlet.core.outbox import Outbox
from pairlet.core.secret import Secret
from pairlet.core.telemetry import Topics
from pairlet.core.token import Token
from pairlet.link import Link
from pairlet.linux.clock import SystemClock
from pairlet.linux.mqtt import PahoMqtt
from pairlet.login import make_login
from pairlet.settings import Settings
from support.certificates import CertificateAuthority
from support.mosquitto import Mosquitto, Received, Subscriber

USERS = {"d1": "good-token", "watcher": "good-token"}
ACL = "user d1\ntopic devices/d1/status\ntopic devices/d1/{0}\n\nuser watcher\ntopic readwrite #\n"


class Keeper:
    """Has a token; each refresh brings another refresh token, and the access token that there was."""

    def __init__(self) -> None:
        self.renewals = 0
        self.token = self._issued()

    def _issued(self) -> Token:
        return Token(Secret("good-token"), refresh_token=Secret(f"refresh-{self.renewals}"))

    def is_usable(self) -> bool:
        """Always."""
        return True

    def worked(self, token: Token) -> None:
        """Of no interest."""

    async def renew(self) -> None:
        """Fetch another one."""
        self.renewals += 1
        self.token = self._issued()


class SameEntropy:
    """Pauses between two tries are drawn from this, of up to two minutes: always the same short ones."""

    def random_bytes(self, count: int) -> bytes:
        """So many times the same byte."""
        return b"\x02" * count


class Device:
    """A link over `mqtt`, and what it tells."""

    def __init__(self, mqtt: PahoMqtt, limit_ms: int = 15000, echo_every: int = 0):
        self.outbox = Outbox(10_000_000)
        self.keeper = Keeper()
        self.clock = SystemClock()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.changed = asyncio.Event()
        self.link = Link(
            mqtt,
            Topics("devices/{device_id}", "d1"),
            make_login(Settings({"mqtt.topic_prefix": "devices/{device_id}"}), "d1"),
            self.outbox,
            self.keeper,  # type: ignore[arg-type]
            self.clock,
            SameEntropy(),
            self._hear,
            self.keeper.renew,
            limit_ms,
            echo_every,
        )

    def _hear(self, event: str, **fields: object) -> None:
        self.told.append((event, fields))
        self.changed.set()

    def measure(self, count: int) -> None:
        """Add samples."""
        for _ in range(count):
            self.outbox.add_sample(None, {"x": 1}, self.clock.now())
        self.link.outbox_filled()

    def count(self, event: str) -> int:
        """How often it was told; for "published", how many messages."""
        return sum(int(str(fields.get("count", 1))) for name, fields in self.told if name == event)

    async def until_told(self, event: str, count: int) -> None:
        """Wait until `event` was told `count` times."""
        await self.until(lambda: self.count(event) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what is seen by an event."""
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The link at work; closed at the end."""
        task = asyncio.create_task(self.link.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.link.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between connections as short as a test's patience."""
    monkeypatch.setattr("pairlet.link._FIRST_PAUSE_MS", 100)
    monkeypatch.setattr("pairlet.link._LONGEST_PAUSE_MS", 200)


Connect = Callable[[], PahoMqtt]


@pytest.fixture(params=["5", "3.1.1", "5 over TLS"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Mosquitto, Connect]]:
    """A broker, and what makes a client for it."""
    version, _, over_tls = request.param.partition(" ")
    authority = CertificateAuthority()
    authority.write(tmp_path / "ca.pem")
    certificate = authority.issue().write(tmp_path)
    with Mosquitto(tmp_path, tls=certificate, extra=["max_queued_messages 0"]) as running:
        url = f"mqtts://localhost:{running.tls_port}" if over_tls else f"mqtt://127.0.0.1:{running.port}"

        def connect() -> PahoMqtt:
            ca_file = str(tmp_path / "ca.pem")
            return PahoMqtt(url=url, client_id="d1", version=version, ca_file=ca_file, insecure=True)

        yield running, connect


def samples(messages: list[Received]) -> list[dict[str, object]]:
    """What arrived at P/telemetry."""
    return [json.loads(each.payload) for each in messages if each.topic.endswith("/telemetry")]


def statuses(messages: list[Received]) -> list[bytes]:
    """What arrived at P/status."""
    return [each.payload for each in messages if each.topic.endswith("/status")]


def check_order(payloads: list[dict[str, object]], count: int) -> None:
    """All there, in order, and every second time of one marked."""
    seen: set[object] = set()
    last = -1
    for payload in payloads:
        seq = payload["seq"]
        assert isinstance(seq, int)
        if seq in seen:
            assert payload["historical"] is True
        else:
            assert seq == last + 1, f"{seq} after {last}"
            last = seq
        seen.add(seq)
    assert last == count - 1


def test_tokens_change_under_load_and_nobody_sees_it(broker: tuple[Mosquitto, Connect]) -> None:
    running, connect = broker

    async def run() -> None:
        device = Device(connect())
        async with device.running():
            for number in range(1, 11):
                device.measure(300)
                # In the middle of it.
                await device.until_told("published", 300 * number - 200)
                await device.keeper.renew()
                device.link.token_renewed()
                await device.until_told("mqtt_connected", number + 1)
            await device.until(lambda: not len(device.outbox))
        assert device.count("mqtt_connected") == 11 and not device.count("waiting")

    with Subscriber(running.port, "devices/d1/#") as seen:
        asyncio.run(run())
        seen.wait_for(lambda messages: statuses(messages)[-1:] == [b"offline"])
        payloads = samples(seen.messages)
        check_order(payloads, 3000)
        assert len(payloads) == 3000 and not any("historical" in payload for payload in payloads)
        assert statuses(seen.messages) == [b"online"] * 11 + [b"offline"]


def test_a_broker_that_stands_still_is_left_and_gets_everything(broker: tuple[Mosquitto, Connect]) -> None:
    running, connect = broker

    async def run() -> None:
        device = Device(connect(), limit_ms=500)
        async with device.running():
            for number in range(1, 4):
                device.measure(500)
                await device.until_told("published", 510 * number - 400)
                running.suspend()
                device.measure(10)
                await device.until_told("mqtt_disconnected", number)
                running.resume()
                await device.until(lambda: not len(device.outbox))
                assert device.link.connected_at is not None
        assert not device.count("dropped")

    with Subscriber(running.port, "devices/d1/#") as seen:
        asyncio.run(run())
        seen.wait_for(lambda messages: statuses(messages)[-1:] == [b"offline"])
        check_order(samples(seen.messages), 1530)


def test_a_broker_that_dies_and_comes_back_gets_everything(broker: tuple[Mosquitto, Connect]) -> None:
    running, connect = broker

    async def run() -> None:
        device = Device(connect())
        async with device.running():
            device.measure(200)
            await device.until(lambda: not len(device.outbox))
            running.kill()
            device.measure(100)
            await device.until(lambda: device.count("mqtt_disconnected") == 1)
            device.measure(100)
            running.start()
            with Subscriber(running.port, "devices/d1/#") as seen:
                await device.until(lambda: not len(device.outbox))
                await asyncio.to_thread(seen.wait_for, lambda messages: len(samples(messages)) >= 200)
                later = samples(seen.messages)
                assert [payload["seq"] for payload in later] == list(range(200, 400))

    asyncio.run(run())


# Debian's mosquitto hangs up on a forbidden publish, after its PUBACK, when there is no limit to its queues.
HANGS_UP = {True: "max_queued_messages 0", False: "max_queued_messages 1000"}


@pytest.mark.parametrize("hangs_up", [True, False])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_the_broker_may_not_pass_on(tmp_path: Path, version: str, hangs_up: bool) -> None:
    """mosquitto with rights for the samples only: MQTT 5 says so of an event, MQTT 3.1.1 drops it."""
    acl = ACL.format("telemetry")

    async def run(port: int) -> Device:
        mqtt = PahoMqtt(url=f"mqtt://127.0.0.1:{port}", client_id="d1", version=version, insecure=True)
        device = Device(mqtt)
        async with device.running():
            for number in range(3):
                device.outbox.add_event(None, "boot", {"number": number}, device.clock.now())
            device.measure(100)
            await device.until(lambda: not len(device.outbox))
        return device

    with (
        Mosquitto(tmp_path, users=USERS, acl=acl, extra=[HANGS_UP[hangs_up]]) as running,
        Subscriber(running.port, "devices/d1/#", username="watcher", password="good-token") as seen,
    ):
        device = asyncio.run(run(running.port))
        seen.wait_for(lambda messages: len(samples(messages)) >= 100)
        check_order(samples(seen.messages), 100)
        assert not [each for each in seen.messages if each.topic.endswith("/event")]
    # The outbox tells of each in an event, which is refused as well.
    assert device.count("dropped") in ((3, 4, 5, 6) if version == "5" else (0,))
    assert device.keeper.renewals == (1 if version == "5" else 0)
    assert all(fields["stream"] == "event" for name, fields in device.told if name == "dropped")


def test_the_echo_check_finds_out_what_mqtt_3_1_1_hides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pairlet.echo_check._LIMIT_MS", 300)

    async def run(port: int, broken: bool) -> Device:
        mqtt = PahoMqtt(url=f"mqtt://127.0.0.1:{port}", client_id="d1", version="3.1.1", insecure=True)
        device = Device(mqtt, echo_every=10)
        async with device.running():
            device.measure(100)
            if broken:
                await device.until(lambda: device.count("error") == 1)
            await device.until(lambda: not len(device.outbox))
        return device

    for name, broken in (("event", True), ("telemetry", False)):
        folder = tmp_path / name
        folder.mkdir()
        acl, extra = ACL.format(name), [HANGS_UP[False]]
        with Mosquitto(folder, users=USERS, acl=acl, extra=extra) as running:
            device = asyncio.run(run(running.port, broken))
        errors = [str(fields["error_description"]) for event, fields in device.told if event == "error"]
        assert [("does not pass them on" in error) for error in errors] == [True] * broken
