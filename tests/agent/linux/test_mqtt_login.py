"""What CONNECT carries for brokers that want the token elsewhere, and how long a will waits."""

import asyncio
from pathlib import Path

import pytest
from pairlet.core.errors import BrokerError, ConfigError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from support.fake_broker import CONNECT, FakeBroker, Packet, Peer, connack
from support.mosquitto import Mosquitto, Subscriber

TOKEN = Secret("hidden-token")
WILL = Message("devices/d1/status", b"offline", 1, True)


def connect_packet(credentials: Credentials, *, code: int = 0, **options: object) -> Packet:
    """The CONNECT that a broker gets."""
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.expect(CONNECT))
        await peer.send(connack(code, version=seen[0].level))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(script) as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            mqtt = PahoMqtt(url=url, client_id="d1", insecure=True, **options)  # type: ignore[arg-type]
            try:
                await mqtt.connect(credentials, WILL)
                link = mqtt._link
                assert link is not None and "hidden" not in repr(vars(link._client))
                kept = link._client._connect_properties
                assert kept is None or "hidden" not in repr(vars(kept))
            finally:
                await mqtt.disconnect()

    asyncio.run(run())
    return seen[0]


def text(value: str) -> bytes:
    """A string as MQTT has it."""
    return len(value).to_bytes(2, "big") + value.encode()


def test_the_token_as_password() -> None:
    sent = connect_packet(Credentials("d1", TOKEN))
    assert sent.connect_flags & 0xC0 == 0xC0
    assert sent.body.endswith(text("d1") + text("hidden-token"))


def test_the_token_as_user_name() -> None:
    sent = connect_packet(Credentials(TOKEN, None))
    assert sent.connect_flags & 0xC0 == 0xC0
    assert sent.body.endswith(text("hidden-token") + text("-"))


def test_enhanced_authentication_carries_method_and_data_and_no_password() -> None:
    sent = connect_packet(Credentials("name", TOKEN, "CUSTOM-JWT"), version="5")
    assert sent.connect_flags & 0xC0 == 0x80
    assert b"\x15" + text("CUSTOM-JWT") in sent.body and b"\x16" + text("hidden-token") in sent.body
    assert sent.body.endswith(text("name")) and sent.body.count(b"hidden-token") == 1


def test_enhanced_authentication_without_a_user_name() -> None:
    sent = connect_packet(Credentials("", TOKEN, "OAUTH2-JWT"), version="5")
    assert sent.connect_flags & 0xC0 == 0
    assert b"\x15" + text("OAUTH2-JWT") in sent.body


def test_a_broker_that_does_not_know_the_method_says_so() -> None:
    with pytest.raises(BrokerError) as caught:
        connect_packet(Credentials("", TOKEN, "CUSTOM-JWT"), version="5", code=0x8C)
    assert caught.value.reason_code == 0x8C and "method" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_mqtt_3_1_1_has_no_enhanced_authentication() -> None:
    async def run() -> None:
        mqtt = PahoMqtt(url="mqtt://127.0.0.1:1", client_id="d1", insecure=True, version="3.1.1")
        with pytest.raises(ConfigError, match="enhanced"):
            await mqtt.connect(Credentials("", TOKEN, "CUSTOM-JWT"), None)

    asyncio.run(run())


@pytest.mark.parametrize(("version", "waits"), [("5", True), ("3.1.1", False)])
def test_the_will_waits_for_whoever_comes_back(version: str, waits: bool) -> None:
    sent = connect_packet(Credentials("d1", TOKEN), version=version, will_delay_s=10)
    assert (b"\x18\x00\x00\x00\x0a" in sent.body) is waits
    assert b"\x18" not in connect_packet(Credentials("d1", TOKEN), version=version).body


def test_a_device_that_is_cut_off_and_comes_back_was_never_offline(tmp_path: Path) -> None:
    """With a real broker: the will of a connection that was cut waits, and the next one drops it."""

    async def run() -> None:
        with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "devices/d1/status") as seen:
            url = f"mqtt://127.0.0.1:{broker.port}"
            mqtt = PahoMqtt(url=url, client_id="d1", insecure=True, version="5", will_delay_s=1)
            online = Message("devices/d1/status", b"online", 1, True)
            for _ in range(3):
                await mqtt.connect(Credentials("d1", TOKEN), WILL)
                await mqtt.publish(online)
                link = mqtt._link
                assert link is not None
                socket = link._client.socket()
                assert socket is not None
                socket.shutdown(2)
                event = await asyncio.wait_for(mqtt.next_event(), 30)
                assert event.kind == "disconnected"
            await mqtt.disconnect()
            seen.wait_for(lambda messages: len(messages) == 4)
            assert [each.payload for each in seen.messages] == [b"online"] * 3 + [b"offline"]

    asyncio.run(run())


def test_a_packet_larger_than_the_broker_takes_is_refused_here() -> None:
    async def script(peer: Peer) -> None:
        sent = await peer.expect(CONNECT)
        await peer.send(connack(0, version=sent.level))
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(script) as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            for version in ("5", "3.1.1"):
                mqtt = PahoMqtt(url=url, client_id="d1", insecure=True, version=version, max_packet=1000)
                await mqtt.connect(Credentials("d1", TOKEN), None)
                assert await mqtt.publish(Message("devices/d1/telemetry", b"x" * 1000, 1, False)) == 0x95
                await mqtt.disconnect()

    asyncio.run(run())
