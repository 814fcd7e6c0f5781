"""PahoMqtt with a real mosquitto, beyond the contract: refusals, outages and settings."""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import BrokerError, ConfigError, ProtocolError, TransportError
from pairlet.core.mqtt import DISCONNECTED, Credentials, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from support.mosquitto import Mosquitto, Subscriber

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


@pytest.mark.parametrize(("version", "code"), [("5", 0x87), ("3.1.1", 0)])
def test_a_publish_that_the_acl_forbids(broker: Mosquitto, version: str, code: int) -> None:
    """MQTT 3.1.1 has no way to say no: mosquitto acknowledges and drops."""

    async def run() -> int:
        mqtt = client(broker.port, version=version)
        await mqtt.connect(CREDENTIALS, None)
        # Whether mosquitto also ends the connection over it depends on its version.
        answer = await mqtt.publish(Message("elsewhere", b"x", 1, False))
        await mqtt.disconnect()
        return answer

    assert asyncio.run(run()) == code


def test_2000_publishes_at_once_are_all_acknowledged(broker: Mosquitto) -> None:
    async def run() -> list[int]:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        answers = await asyncio.gather(
            *(mqtt.publish(Message("devices/a/telemetry", b"%d" % n, 1, False)) for n in range(2000))
        )
        await mqtt.disconnect()
        return answers

    with Subscriber(broker.port, "devices/a/telemetry", username="device", password=PASSWORD) as seen:
        assert {answer & 0x80 for answer in asyncio.run(run())} == {0}
        seen.wait_for(lambda messages: len({each.payload for each in messages}) >= 2000)


@pytest.mark.parametrize(("version", "code"), [("5", 0x87), ("3.1.1", 5), ("auto", 0x87)])
def test_a_wrong_password(broker: Mosquitto, version: str, code: int) -> None:
    mqtt = client(broker.port, version=version)
    with pytest.raises(BrokerError) as caught:
        asyncio.run(mqtt.connect(Credentials("device", Secret("wrong")), None))
    assert caught.value.reason_code == code


def test_credentials_are_taken_afresh_at_every_connect(broker: Mosquitto) -> None:
    async def run() -> None:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        with pytest.raises(BrokerError):
            await mqtt.connect(Credentials("device", Secret("ended")), None)
        await mqtt.connect(CREDENTIALS, None)
        await mqtt.disconnect()

    asyncio.run(run())


def cut_off(mqtt: PahoMqtt) -> None:
    """Cut the connection as a router does: no DISCONNECT, and the client is not told beforehand."""
    link = mqtt._link
    assert link is not None
    with socket.socket(fileno=os.dup(link._fd)) as same_connection:
        same_connection.shutdown(socket.SHUT_RDWR)


def test_the_will_is_published_on_abrupt_loss(broker: Mosquitto) -> None:
    topic = f"devices/{uuid.uuid4().hex}/status"

    async def run() -> str:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, Message(topic, b"offline", 1, True))
        cut_off(mqtt)
        event = await asyncio.wait_for(mqtt.next_event(), 30)
        assert event.kind == DISCONNECTED
        return str(event.reason)

    with Subscriber(broker.port, topic, username="device", password=PASSWORD) as seen:
        assert "lost" in asyncio.run(run())
        seen.wait_for(len)
        assert seen.messages[0].payload == b"offline"


@pytest.mark.parametrize(("clean_start", "expiry"), [(True, 3600), (False, 0)])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_session_that_is_not_wanted(
    broker: Mosquitto, version: str, clean_start: bool, expiry: int
) -> None:
    async def run() -> bool:
        mqtt = client(broker.port, version=version, clean_start=clean_start, session_expiry_s=expiry)
        await mqtt.connect(CREDENTIALS, None)
        await mqtt.disconnect()
        present = await mqtt.connect(CREDENTIALS, None)
        await mqtt.disconnect()
        return present

    # MQTT 3.1.1 has no expiry: the session stays unless the start is clean.
    assert asyncio.run(run()) == (version == "3.1.1" and not clean_start)


def test_a_suspended_broker_does_not_answer_connect(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        broker.suspend()
        with pytest.raises(TransportError, match="did not answer CONNECT"):
            asyncio.run(client(broker.port, connect_timeout_s=1.0).connect(CREDENTIALS, None))


@pytest.mark.parametrize("publishing", [False, True])
def test_the_keep_alive_notices_a_suspended_broker(tmp_path: Path, publishing: bool) -> None:
    async def run(broker: Mosquitto) -> str:
        mqtt = client(broker.port, keep_alive=1)
        await mqtt.connect(CREDENTIALS, None)
        broker.suspend()
        sending = [asyncio.ensure_future(mqtt.publish(SAMPLE)) for _ in range(30 * publishing)]
        event = await asyncio.wait_for(mqtt.next_event(), 30)
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {TransportError}
        return str(event.reason)

    with Mosquitto(tmp_path) as broker:
        assert "keep-alive" in asyncio.run(run(broker))


def test_disconnect_does_not_wait_for_a_suspended_broker(tmp_path: Path) -> None:
    async def run(broker: Mosquitto) -> None:
        mqtt = client(broker.port, keep_alive=3600)
        await mqtt.connect(CREDENTIALS, None)
        broker.suspend()
        # More than the sockets of both sides hold: the DISCONNECT has to queue behind it.
        big = Message("devices/a/telemetry", bytes(1_000_000), 1, False)
        sending = [asyncio.ensure_future(mqtt.publish(big)) for _ in range(20)]
        await asyncio.sleep(0)
        await mqtt.disconnect()
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {TransportError}

    with Mosquitto(tmp_path) as broker:
        asyncio.run(asyncio.wait_for(run(broker), 30))


def test_much_data_through_a_slow_socket(broker: Mosquitto) -> None:
    async def run() -> list[int]:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        big = [Message("devices/a/big", bytes([n]) * 3_000_000, n % 2, False) for n in range(20)]
        answers = await asyncio.gather(*(mqtt.publish(each) for each in big))
        link = mqtt._link
        assert link is not None and not link._writer_added  # nothing to write: not woken for it
        await mqtt.disconnect()
        return answers

    assert {answer & 0x80 for answer in asyncio.run(run())} == {0}


def test_a_cancelled_publish_keeps_its_place_until_the_puback(tmp_path: Path) -> None:
    async def run(broker: Mosquitto) -> int:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        broker.suspend()
        given_up = [asyncio.ensure_future(mqtt.publish(SAMPLE)) for _ in range(30)]
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        last = asyncio.ensure_future(mqtt.publish(Message("devices/a/last", b"x", 1, False)))
        await asyncio.sleep(0)
        broker.resume()
        answer = await last
        await mqtt.disconnect()
        return answer

    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "devices/#") as seen:
        assert asyncio.run(run(broker)) & 0x80 == 0
        seen.wait_for(lambda messages: messages and messages[-1].topic == "devices/a/last")
        # Those that were in flight went out; those that still waited did not.
        assert len(seen.messages) == 21


def test_one_connect_at_a_time(broker: Mosquitto) -> None:
    async def run() -> None:
        mqtt = client(broker.port)
        first = asyncio.ensure_future(mqtt.connect(CREDENTIALS, None))
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError):
            await mqtt.connect(CREDENTIALS, None)
        await first
        await mqtt.disconnect()

    asyncio.run(run())


def test_a_connect_while_connected_begins_anew(broker: Mosquitto) -> None:
    async def run() -> None:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, SAMPLE)
        await mqtt.connect(CREDENTIALS, SAMPLE)
        assert await mqtt.publish(SAMPLE) & 0x80 == 0
        await mqtt.disconnect()

    asyncio.run(run())


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0b", "\ud800", "x" * 65536])
def test_impossible_topic_names(broker: Mosquitto, topic: str) -> None:
    async def run() -> None:
        mqtt = client(broker.port)
        with pytest.raises(ConfigError):
            await mqtt.connect(CREDENTIALS, Message(topic, b"", 1, False))
        await mqtt.connect(CREDENTIALS, None)
        with pytest.raises(ConfigError):
            await mqtt.publish(Message(topic, b"x", 1, False))
        assert await mqtt.publish(SAMPLE) & 0x80 == 0
        await mqtt.disconnect()

    asyncio.run(run())


@pytest.mark.parametrize("topic_filter", ["", "a+", "a/#/b", "a\0b", "\ud800", "x" * 65536])
def test_impossible_topic_filters(broker: Mosquitto, topic_filter: str) -> None:
    async def run() -> None:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        with pytest.raises(ConfigError):
            await mqtt.subscribe(topic_filter, 1)
        assert await mqtt.subscribe("devices/#", 1) == 1
        await mqtt.disconnect()

    asyncio.run(run())


def test_a_token_that_no_connect_packet_can_carry(broker: Mosquitto) -> None:
    with pytest.raises(ConfigError, match="too long"):
        asyncio.run(client(broker.port).connect(Credentials("device", Secret("x" * 65536)), None))


def test_no_such_host() -> None:
    mqtt = PahoMqtt(url="mqtts://no-such-host.invalid", client_id="device")
    with pytest.raises(TransportError, match="no-such-host.invalid"):
        asyncio.run(mqtt.connect(CREDENTIALS, None))


def test_a_fault_in_a_callback_is_logged_and_ends_the_connection(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    async def run() -> str:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, None)
        monkeypatch.setattr("pairlet.linux.mqtt_window.Window.acknowledged", fail)
        with pytest.raises(TransportError):
            await mqtt.publish(SAMPLE)
        event = await asyncio.wait_for(mqtt.next_event(), 30)
        monkeypatch.undo()
        await mqtt.connect(CREDENTIALS, None)
        assert await mqtt.publish(SAMPLE) & 0x80 == 0
        await mqtt.disconnect()
        return str(event.reason)

    assert "ZeroDivisionError" in asyncio.run(run())
    assert "a fault of ours" in caplog.text


def test_no_token_in_logs_and_reprs(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> str:
        mqtt = client(broker.port)
        await mqtt.connect(CREDENTIALS, SAMPLE)
        await mqtt.publish(SAMPLE)
        link = mqtt._link
        assert link is not None
        # Not even in memory: paho could show what it keeps.
        kept = repr(vars(link._client))
        shown = repr([mqtt, link, link._client, link._window]) + kept
        await mqtt.disconnect()
        return shown

    with caplog.at_level(logging.DEBUG):
        shown = asyncio.run(run())
    assert PASSWORD not in shown
    assert PASSWORD not in caplog.text
    assert "21.5" not in caplog.text
