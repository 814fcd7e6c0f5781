"""Which MQTT version is spoken: the decision by itself, then with brokers that know only one, or hang."""

import asyncio

import pytest
from pairlet.core.errors import BrokerError, ConfigError, TransportError
from pairlet.core.mqtt import Credentials
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from pairlet.linux.mqtt_version import MQTT_3_1_1, MQTT_5, VersionChoice
from support.fake_broker import CONNECT, DISCONNECT, FakeBroker, Peer, Script, connack

CREDENTIALS = Credentials("device", Secret("token"))


def spoken(choice: VersionChoice) -> int:
    """The version that the next connect begins with, seen from a copy of the moment."""
    return choice.first()


def silent_on_5_but_speaks_3(choice: VersionChoice) -> None:
    """One connect to a broker such as RabbitMQ 3.10: it closes on MQTT 5 and answers 3.1.1."""
    assert choice.first() == MQTT_5
    assert choice.silent(MQTT_5) == MQTT_3_1_1
    choice.answered(MQTT_3_1_1)


@pytest.mark.parametrize(("configured", "version"), [("5", MQTT_5), ("3.1.1", MQTT_3_1_1)])
def test_a_configured_version_is_the_only_one(configured: str, version: int) -> None:
    choice = VersionChoice(configured)
    assert choice.first() == version
    assert not choice.has_other(version)
    assert choice.refused(version) is None
    assert choice.silent(version) is None
    assert choice.first() == version


def test_unknown_versions_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="mqtt.version"):
        VersionChoice("3.1")


def test_a_refusal_is_believed_at_once() -> None:
    choice = VersionChoice("auto")
    assert choice.first() == MQTT_5
    assert choice.refused(MQTT_5) == MQTT_3_1_1
    choice.answered(MQTT_3_1_1)
    assert spoken(choice) == MQTT_3_1_1


def test_one_silence_is_not_yet_knowledge() -> None:
    choice = VersionChoice("auto")
    silent_on_5_but_speaks_3(choice)
    silent_on_5_but_speaks_3(choice)
    assert spoken(choice) == MQTT_3_1_1


def test_a_broker_that_was_only_down_gets_mqtt_5_again() -> None:
    choice = VersionChoice("auto")
    silent_on_5_but_speaks_3(choice)  # it came up between the two attempts
    assert choice.first() == MQTT_5
    choice.answered(MQTT_5)
    assert spoken(choice) == MQTT_5


def test_a_broker_that_never_answers_teaches_nothing() -> None:
    choice = VersionChoice("auto")
    for _ in range(5):
        assert choice.first() == MQTT_5
        assert choice.silent(MQTT_5) == MQTT_3_1_1
        assert choice.silent(MQTT_3_1_1) is None


def test_each_version_is_tried_once_in_a_connect() -> None:
    choice = VersionChoice("auto")
    choice.first()
    assert choice.refused(MQTT_5) == MQTT_3_1_1
    assert choice.refused(MQTT_3_1_1) is None


def test_a_broker_that_gave_up_3_1_1_is_asked_for_5_in_the_same_connect() -> None:
    choice = VersionChoice("auto")
    choice.first()
    choice.refused(MQTT_5)
    choice.answered(MQTT_3_1_1)
    assert choice.first() == MQTT_3_1_1
    assert choice.refused(MQTT_3_1_1) == MQTT_5
    choice.answered(MQTT_5)
    assert spoken(choice) == MQTT_5


def test_silence_after_mqtt_5_worked_is_an_outage_first_and_another_broker_later() -> None:
    choice = VersionChoice("auto")
    choice.first()
    choice.answered(MQTT_5)
    assert choice.first() == MQTT_5
    assert choice.silent(MQTT_5) is None
    assert choice.first() == MQTT_5
    assert choice.silent(MQTT_5) is None
    assert choice.first() == MQTT_5
    assert choice.silent(MQTT_5) == MQTT_3_1_1


def test_silence_after_3_1_1_was_settled_asks_for_5_in_the_next_connect() -> None:
    choice = VersionChoice("auto")
    silent_on_5_but_speaks_3(choice)
    silent_on_5_but_speaks_3(choice)
    assert choice.first() == MQTT_3_1_1
    assert choice.silent(MQTT_3_1_1) is None
    assert choice.first() == MQTT_5


def client(port: int, **more: object) -> PahoMqtt:
    return PahoMqtt(url=f"mqtt://127.0.0.1:{port}", client_id="device", insecure=True, **more)  # type: ignore[arg-type]


def speaks_only_3_1_1(seen: list[int], refusal: bytes | None) -> Script:
    """A broker without MQTT 5, which answers it with `refusal`, or closes without a word."""

    async def script(peer: Peer) -> None:
        connect = await peer.expect(CONNECT)
        seen.append(connect.level)
        if connect.level == 5:
            await peer.send(refusal or b"")
            return
        await peer.send(connack(0, version=4))
        await peer.expect(DISCONNECT)

    return script


REFUSALS = {
    "0x84": connack(0x84),
    "0x01 in the form of 3.1.1": connack(1, version=4),
    "0x05 in the form of 3.1.1": connack(5, version=4),
    "closed without a word": None,
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_auto_falls_back_to_3_1_1_within_one_connect(refusal: bytes | None) -> None:
    async def run() -> list[int]:
        seen: list[int] = []
        async with FakeBroker(speaks_only_3_1_1(seen, refusal)) as broker:
            mqtt = client(broker.port)
            for _ in range(3):
                await mqtt.connect(CREDENTIALS, None)
                await mqtt.disconnect()
        return seen

    believed_at_once = refusal in (connack(0x84), connack(1, version=4))
    assert asyncio.run(run()) == ([5, 4, 4, 4] if believed_at_once else [5, 4, 5, 4, 4])


def test_auto_falls_back_when_mqtt_5_is_never_answered() -> None:
    seen: list[int] = []

    async def hangs_on_5(peer: Peer) -> None:
        seen.append((await peer.expect(CONNECT)).level)
        if seen[-1] == 4:
            await peer.send(connack(0, version=4))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(hangs_on_5) as broker:
            mqtt = client(broker.port, connect_timeout_s=1)
            await mqtt.connect(CREDENTIALS, None)
            await mqtt.disconnect()

    asyncio.run(run())
    assert seen == [5, 4]


def test_a_refusal_for_another_reason_is_no_reason_to_fall_back() -> None:
    seen: list[int] = []

    async def refuses(peer: Peer) -> None:
        seen.append((await peer.expect(CONNECT)).level)
        await peer.send(connack(0x86))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(refuses) as broker:
            with pytest.raises(BrokerError) as caught:
                await client(broker.port).connect(CREDENTIALS, None)
            assert caught.value.reason_code == 0x86

    asyncio.run(run())
    assert seen == [5]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_configured_version_never_falls_back(version: str) -> None:
    async def closes(peer: Peer) -> None:
        await peer.expect(CONNECT)

    async def run() -> int:
        async with FakeBroker(closes) as broker:
            with pytest.raises(TransportError, match="no CONNACK"):
                await client(broker.port, version=version).connect(CREDENTIALS, None)
            return broker.connections

    assert asyncio.run(run()) == 1


def test_neither_version_known_is_a_broker_error() -> None:
    async def refuses_all(peer: Peer) -> None:
        connect = await peer.expect(CONNECT)
        await peer.send(connack(0x84) if connect.level == 5 else connack(1, version=4))
        await peer.closed()

    async def run() -> int:
        async with FakeBroker(refuses_all) as broker:
            with pytest.raises(BrokerError, match="protocol version") as caught:
                await client(broker.port).connect(CREDENTIALS, None)
            assert caught.value.reason_code == 1 and "mqtt.version" in caught.value.advice
            return broker.connections

    assert asyncio.run(run()) == 2
