"""The contract of ports.Mqtt: what every implementation does with a real broker.

Add an implementation with one line in IMPLEMENTATIONS: a name and a function that builds it for a
broker on 127.0.0.1:`port` (plain MQTT) and a client_id.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pairlet.core.errors import BrokerError, ConfigError, TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Credentials, Event, Message, is_failure
from pairlet.core.secret import Secret
from pairlet.linux.clock import SystemClock
from pairlet.linux.log.ports import LoggedMqtt
from pairlet.linux.mqtt import PahoMqtt
from pairlet.ports import Mqtt
from pairlet_board.mqtt import BoardMqtt
from pairlet_board.mqtt_session import Session
from support.mosquitto import Mosquitto, Subscriber

Build = Callable[[int, str], Mqtt]

PASSWORD = "good-token"
USERS = {"device": PASSWORD, "watcher": PASSWORD}
ACL = "user device\ntopic readwrite devices/#\ntopic read cmd/#\n\nuser watcher\ntopic readwrite #\n"


def paho(version: str) -> Build:
    """PahoMqtt with `version` of MQTT."""

    def build(port: int, client_id: str) -> Mqtt:
        return PahoMqtt(
            url=f"mqtt://127.0.0.1:{port}", client_id=client_id, version=version, keep_alive=1, insecure=True
        )

    return build


def logged(port: int, client_id: str) -> Mqtt:
    """PahoMqtt with a log."""
    return LoggedMqtt(paho("auto")(port, client_id))


def board(port: int, client_id: str) -> Mqtt:
    """The board's own client, on this Python."""
    session = Session(client_id, keep_alive=1)
    return BoardMqtt(session, f"mqtt://127.0.0.1:{port}", SystemClock(), insecure=True)


IMPLEMENTATIONS: dict[str, Build] = {
    "paho, auto": paho("auto"),
    "paho, with a log": logged,
    "paho, MQTT 5": paho("5"),
    "paho, MQTT 3.1.1": paho("3.1.1"),
    "board, MQTT 3.1.1": board,
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def build(request: pytest.FixtureRequest) -> Build:
    """One implementation after the other."""
    chosen: Build = request.param
    return chosen


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for all tests that leave it as it was: topics and client_ids are each test's own."""
    with Mosquitto(tmp_path_factory.mktemp("broker"), users=USERS, acl=ACL) as running:
        yield running


@pytest.fixture
def name() -> str:
    """A client_id that no other test uses; the test's topics are below devices/{name}."""
    return "d" + uuid.uuid4().hex[:20]


def device(password: str = PASSWORD) -> Credentials:
    return Credentials("device", Secret(password))


def watch(broker: Mosquitto, topic_filter: str) -> Subscriber:
    return Subscriber(broker.port, topic_filter, username="watcher", password=PASSWORD)


async def soon(mqtt: Mqtt) -> Event:
    """The next event; TimeoutError where there is none to come."""
    return await asyncio.wait_for(mqtt.next_event(), 30)


async def publish_to_watchers(broker: Mosquitto, message: Message) -> None:
    """Publish as somebody else does."""
    other = PahoMqtt(
        url=f"mqtt://127.0.0.1:{broker.port}", client_id="w" + uuid.uuid4().hex[:20], insecure=True
    )
    await other.connect(Credentials("watcher", Secret(PASSWORD)), None)
    assert not is_failure(await other.publish(message))
    await other.disconnect()


def test_qos_1_is_acknowledged_and_arrives(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/telemetry"

    async def run() -> None:
        mqtt = build(broker.port, name)
        assert await mqtt.connect(device(), None) is False
        assert await mqtt.publish(Message(topic, b"21.5", 1, False)) == 0
        await mqtt.disconnect()

    with watch(broker, topic) as seen:
        asyncio.run(run())
        assert seen.wait_for(len) == 1
        assert (seen.messages[0].payload, seen.messages[0].qos) == (b"21.5", 1)


def test_qos_0_arrives_even_when_disconnect_follows_at_once(
    broker: Mosquitto, build: Build, name: str
) -> None:
    topic = f"devices/{name}/telemetry"

    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        assert await mqtt.publish(Message(topic, b"x" * 60_000, 0, False)) == 0
        await mqtt.disconnect()

    with watch(broker, topic) as seen:
        asyncio.run(run())
        assert seen.wait_for(len) == 1
        assert seen.messages[0].payload == b"x" * 60_000


def test_messages_stay_in_order(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/telemetry"
    payloads = [b"%d" % number for number in range(200)]

    async def run() -> list[int]:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        sending = [mqtt.publish(Message(topic, payload, 1, False)) for payload in payloads]
        answers = await asyncio.gather(*sending)
        await mqtt.disconnect()
        return answers

    with watch(broker, topic) as seen:
        assert asyncio.run(run()) == [0] * 200
        seen.wait_for(lambda messages: len(messages) == 200)
        assert [each.payload for each in seen.messages] == payloads


def test_retain_is_kept(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/status"

    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        await mqtt.publish(Message(topic, b"online", 1, True))
        await mqtt.disconnect()

    asyncio.run(run())
    with watch(broker, topic) as seen:
        seen.wait_for(len)
        assert (seen.messages[0].payload, seen.messages[0].retain) == (b"online", True)


def test_messages_come_in_as_events_in_order(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/cmd"

    async def run() -> list[Event]:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        assert await mqtt.subscribe(topic, 1) == 1
        for number in range(5):
            await publish_to_watchers(broker, Message(topic, b"%d" % number, 1, False))
        events = [await soon(mqtt) for _ in range(5)]
        await mqtt.disconnect()
        return events

    events = asyncio.run(run())
    expected = [Message(topic, b"%d" % number, 1, False) for number in range(5)]
    assert [each.message for each in events] == expected
    assert {each.kind for each in events} == {MESSAGE}


def test_a_granted_qos_of_0(broker: Mosquitto, build: Build, name: str) -> None:
    async def run() -> int:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        granted = await mqtt.subscribe(f"devices/{name}/cmd", 0)
        await mqtt.disconnect()
        return granted

    assert asyncio.run(run()) == 0


def test_the_will_is_published_when_the_keep_alive_runs_out(
    broker: Mosquitto, build: Build, name: str
) -> None:
    """Seen from the broker a device without power is one that is silent for 1.5 times keep_alive."""
    topic = f"devices/{name}/status"

    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), Message(topic, b"offline", 1, True))
        # From here on the loop does not run, so nothing is sent, as in a device that hangs.
        await asyncio.sleep(0)
        seen.wait_for(len)
        await mqtt.disconnect()

    with watch(broker, topic) as seen:
        asyncio.run(run())
        assert seen.messages[0].payload == b"offline"


def test_disconnect_drops_the_will(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/status"

    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), Message(topic, b"offline", 1, False))
        await mqtt.disconnect()
        # The broker handles one connection's packets in order: what it would publish for the first
        # connection comes before anything of the second one.
        await mqtt.connect(device(), None)
        await mqtt.publish(Message(topic, b"later", 1, False))
        await mqtt.disconnect()

    with watch(broker, topic) as seen:
        asyncio.run(run())
        seen.wait_for(len)
        assert [each.payload for each in seen.messages] == [b"later"]


def test_a_wrong_token_is_a_broker_error(broker: Mosquitto, build: Build, name: str) -> None:
    async def run() -> BrokerError:
        mqtt = build(broker.port, name)
        with pytest.raises(BrokerError) as caught:
            await mqtt.connect(device("bad-token"), None)
        # The next try, with a fresh token, is not affected.
        await mqtt.connect(device(), None)
        await mqtt.disconnect()
        return caught.value

    error = asyncio.run(run())
    assert error.reason_code in (4, 5, 0x86, 0x87)
    assert "bad-token" not in str(error)


def test_the_session_is_kept_over_a_planned_reconnect(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/cmd"

    async def run() -> Event:
        mqtt = build(broker.port, name)
        assert await mqtt.connect(device(), None) is False
        await mqtt.subscribe(topic, 1)
        await mqtt.disconnect()
        await publish_to_watchers(broker, Message(topic, b"while away", 1, False))
        assert await mqtt.connect(device(), None) is True
        event = await soon(mqtt)
        await mqtt.disconnect()
        return event

    assert asyncio.run(run()).message.payload == b"while away"


def test_nothing_listens(build: Build, name: str, tmp_path: Path) -> None:
    async def run() -> None:
        with Mosquitto(tmp_path) as gone:
            port = gone.port
        with pytest.raises(TransportError):
            await build(port, name).connect(device(), None)

    asyncio.run(run())


def test_without_a_connection_publish_and_subscribe_fail_and_disconnect_does_not(
    broker: Mosquitto, build: Build, name: str
) -> None:
    async def run() -> None:
        mqtt = build(broker.port, name)
        for _ in range(2):
            with pytest.raises(TransportError):
                await mqtt.publish(Message(f"devices/{name}/telemetry", b"x", 1, False))
            with pytest.raises(TransportError):
                await mqtt.subscribe(f"devices/{name}/cmd", 1)
            await mqtt.disconnect()
            await mqtt.disconnect()
            await mqtt.connect(device(), None)
            await mqtt.disconnect()

    asyncio.run(run())


def test_a_broker_that_dies_fails_what_is_unacknowledged_and_says_so_once(
    build: Build, name: str, tmp_path: Path
) -> None:
    async def run() -> None:
        with Mosquitto(tmp_path) as broker:
            mqtt = build(broker.port, name)
            await mqtt.connect(device(), None)
            broker.suspend()
            message = Message("telemetry", b"x", 1, False)
            sending = [asyncio.ensure_future(mqtt.publish(message)) for _ in range(50)]
            await asyncio.sleep(0)
            broker.kill()
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [TransportError] * 50
            event = await soon(mqtt)
            assert (event.kind, bool(event.reason)) == (DISCONNECTED, True)
            with pytest.raises(TransportError):
                await mqtt.connect(device(), None)
            broker.start()
            await mqtt.connect(device(), None)
            assert not is_failure(await mqtt.publish(message))
            # Nothing is left of the first end, and an end that is asked for tells nothing.
            waiting = asyncio.ensure_future(mqtt.next_event())
            await mqtt.disconnect()
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(run())


def test_a_second_connection_with_the_same_client_id_ends_the_first(
    broker: Mosquitto, build: Build, name: str
) -> None:
    async def run() -> None:
        first, second = build(broker.port, name), build(broker.port, name)
        await first.connect(device(), None)
        await second.connect(device(), None)
        assert (await soon(first)).kind == DISCONNECTED
        assert not is_failure(await second.publish(Message(f"devices/{name}/telemetry", b"x", 1, False)))
        await second.disconnect()
        await first.disconnect()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait, turn by turn of the loop, until it is so; TimeoutError where it never is."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def test_send_settles_in_order_and_never_before_it_has_returned(
    broker: Mosquitto, build: Build, name: str
) -> None:
    topic = f"devices/{name}/telemetry"
    settled: list[tuple[int, int | None]] = []

    async def run() -> None:
        mqtt = build(broker.port, name)
        assert mqtt.room() == 0
        await mqtt.connect(device(), None)
        window = mqtt.room()
        assert window >= 4

        def send(number: int) -> None:
            mqtt.send(Message(topic, b"%d" % number, 1, False), lambda code: settled.append((number, code)))

        for number in range(window):
            send(number)
            assert (mqtt.room(), settled) == (window - 1 - number, [])
        # What there is no room for goes out later.
        for number in range(window, 100):
            send(number)
        assert mqtt.room() == 0
        await until(lambda: len(settled) == 100)
        assert mqtt.room() == window
        await mqtt.disconnect()
        assert mqtt.room() == 0

    with watch(broker, topic) as seen:
        asyncio.run(run())
        seen.wait_for(lambda messages: len(messages) == 100)
        assert [each.payload for each in seen.messages] == [b"%d" % number for number in range(100)]
    assert [number for number, _ in settled] == list(range(100))
    assert all(code is not None and not is_failure(code) for _, code in settled)


def test_what_is_settled_may_send_the_next(broker: Mosquitto, build: Build, name: str) -> None:
    topic = f"devices/{name}/telemetry"
    left = list(range(200))

    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)

        def go_on(code: int | None) -> None:
            while left and mqtt.room():
                mqtt.send(Message(topic, b"%d" % left.pop(0), 1, False), go_on)

        go_on(0)
        await until(lambda: not left)
        await mqtt.disconnect()

    with watch(broker, topic) as seen:
        asyncio.run(run())
        seen.wait_for(lambda messages: len(messages) >= 190)
        payloads = [int(each.payload) for each in seen.messages]
        assert payloads == list(range(len(payloads)))


def test_send_is_settled_with_none_without_a_connection_and_when_it_ends(
    build: Build, name: str, tmp_path: Path
) -> None:
    message = Message("telemetry", b"x", 1, False)

    async def run() -> None:
        codes: list[int | None] = []
        with Mosquitto(tmp_path) as broker:
            mqtt = build(broker.port, name)
            mqtt.send(message, codes.append)
            assert codes == []
            await until(lambda: codes == [None])
            await mqtt.connect(device(), None)
            broker.suspend()
            for _ in range(30):
                mqtt.send(message, codes.append)
            broker.kill()
            assert (await soon(mqtt)).kind == DISCONNECTED
            await until(lambda: codes == [None] * 31)
            assert mqtt.room() == 0
            mqtt.send(message, codes.append)
            await until(lambda: codes == [None] * 32)
            await mqtt.disconnect()

    asyncio.run(run())


def test_disconnect_settles_what_is_under_way(build: Build, name: str, tmp_path: Path) -> None:
    async def run() -> None:
        codes: list[int | None] = []
        with Mosquitto(tmp_path) as broker:
            mqtt = build(broker.port, name)
            await mqtt.connect(device(), None)
            broker.suspend()
            for _ in range(30):
                mqtt.send(Message("telemetry", b"x", 1, False), codes.append)
            await mqtt.disconnect()
            await until(lambda: codes == [None] * 30)
            broker.resume()

    asyncio.run(run())


def test_send_refuses_an_impossible_topic_name(broker: Mosquitto, build: Build, name: str) -> None:
    async def run() -> None:
        mqtt = build(broker.port, name)
        await mqtt.connect(device(), None)
        for topic_name in ("", "a/+", "#"):
            with pytest.raises(ConfigError):
                mqtt.send(Message(topic_name, b"x", 1, False), lambda code: None)
        await mqtt.disconnect()

    asyncio.run(run())
