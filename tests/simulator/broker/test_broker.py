"""What connected clients see: topics, retained messages, wills, takeover, keep alive, the token's end."""

import asyncio
import logging
import os
import socket
import time

import pytest
from pairlet_sim.broker import Broker, BrokerError, BrokerSettings
from support.token_broker import (
    AUDIENCE,
    ISSUER,
    BrokerThread,
    Signer,
    connect_packet,
    packet,
    publish_packet,
    text,
)

READ = "telemetry:read"


def settings(signer: Signer, **changes: object) -> BrokerSettings:
    return BrokerSettings(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": signer.jwks} | changes)


def subscribe_packet(*filters: str, qos: int = 0) -> bytes:
    return packet(0x82, b"\x00\x01" + b"".join(text(each) + bytes([qos]) for each in filters))


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_go_through_at_every_qos(running: BrokerThread, signer: Signer, qos: int) -> None:
    token = signer.token("A")
    with (
        running.subscriber("devices/A/#", token=token, qos=qos, client_id="A/reader") as seen,
        running.subscriber(token=token, client_id="A") as publisher,
    ):
        for number in range(50):
            publisher._client.publish("devices/A/telemetry", b"%d" % number, qos)
        messages = seen.wait_for(lambda them: len(them) == 50 and them)
    assert [(m.topic, m.payload, m.qos, m.retain) for m in messages] == [
        ("devices/A/telemetry", b"%d" % number, qos, False) for number in range(50)
    ]
    taken = [running.next_message() for _ in range(50)]
    assert [tuple(each) for each in taken] == [
        ("devices/A/telemetry", b"%d" % number, qos, False, "A") for number in range(50)
    ]


def test_a_burst_before_disconnect_is_not_lost(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A")) as client:
        burst = b"".join(publish_packet("devices/A/t", b"%d" % number) for number in range(500))
        client.send(burst + b"\xe0\x00")
        assert client.rest() == b""
    assert [running.next_message().payload for _ in range(500)] == [b"%d" % number for number in range(500)]


def test_a_publish_right_behind_its_subscribe_comes_back(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A")) as client:
        client.send(subscribe_packet("devices/A/t") + publish_packet("devices/A/t", b"me"))
        assert client.receive(5) == b"\x90\x03\x00\x01\x00"
        assert client.receive(17) == publish_packet("devices/A/t", b"me")


def test_qos_2_is_passed_on_once(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A"), clean=False) as client:
        client.send(publish_packet("devices/A/t", b"once", qos=2))
        assert client.receive(4) == b"\x50\x02\x00\x07"
    # The PUBREC got lost for all the client knows: it comes back and repeats itself (section 4.3.3).
    again = bytearray(publish_packet("devices/A/t", b"once", qos=2))
    again[0] |= 8
    with running.raw_connected(signer.token("A"), clean=False) as client:
        client.send(bytes(again) + packet(0x62, b"\x00\x07") + publish_packet("devices/A/t", b"next", qos=2))
        assert client.receive(12) == b"\x50\x02\x00\x07" + b"\x70\x02\x00\x07" + b"\x50\x02\x00\x07"
    assert [running.next_message().payload for _ in range(2)] == [b"once", b"next"]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize(
    "topic", ["devices/B/telemetry", "devices/A", "devices/A/", "devices", "x", "$SYS/x", "/devices/A/x"]
)
def test_a_forbidden_publish_closes_and_delivers_nothing(
    running: BrokerThread, signer: Signer, topic: str, qos: int
) -> None:
    watcher = signer.token(None, scope=READ)
    with (
        running.subscriber("devices/#", token=watcher) as seen,
        running.raw_connected(signer.token("A")) as client,
    ):
        client.send(publish_packet(topic, b"bad", qos=qos))
        assert client.rest() == b"", "a forbidden message was acknowledged"
        running.call(running.broker.publish("devices/A/end", b""))
        seen.wait_for(lambda them: them)
        assert [m.topic for m in seen.messages] == ["devices/A/end"]
    assert running.next_message().topic == "devices/A/end"


@pytest.mark.parametrize(
    ("topic_filter", "allowed"),
    [
        ("devices/A/#", True),
        ("devices/A/+/x", True),
        ("devices/A/cmd", True),
        ("devices/A", False),
        ("devices/B/#", False),
        ("devices/+/telemetry", False),
        ("devices/#", False),
        ("devices/A#", False),
        ("devices/A+/x", False),
        ("devices/A/#/x", False),
        ("+/A/x", False),
        ("#", False),
        ("$share/g/devices/A/#", False),
        ("$SYS/#", False),
    ],
)
def test_subscriptions_stay_below_the_own_device(
    running: BrokerThread, signer: Signer, topic_filter: str, allowed: bool
) -> None:
    with running.raw_connected(signer.token("A")) as client:
        client.send(subscribe_packet(topic_filter))
        assert client.receive(5) == b"\x90\x03\x00\x01" + (b"\x00" if allowed else b"\x80")


def test_one_forbidden_filter_among_allowed_ones(running: BrokerThread, signer: Signer) -> None:
    with running.subscriber("devices/A/x", "devices/B/x", "devices/A/y", token=signer.token("A")) as seen:
        assert seen.granted == [1, 0x80, 1]


def test_the_reader_sees_all_devices_and_can_not_publish(running: BrokerThread, signer: Signer) -> None:
    reader = signer.token(None, scope="openid %s" % READ)
    with running.subscriber("devices/#", token=reader) as seen:
        for device_id in ("A", "B"):
            with running.subscriber(token=signer.token(device_id), client_id=device_id) as device:
                device._client.publish("devices/%s/t" % device_id, device_id, 1)
        seen.wait_for(lambda them: {m.payload for m in them} == {b"A", b"B"})
    with running.raw_connected(reader, "") as client:
        client.send(publish_packet("devices/A/t", qos=1))
        assert client.rest() == b""
    with running.raw_connected(reader, "$reader/x") as client:
        client.send(subscribe_packet("#", "other/#", "devices"))
        assert client.receive(7) == b"\x90\x05\x00\x01\x80\x80\x80"


def test_a_scope_that_only_looks_like_it_reads_nothing(running: BrokerThread, signer: Signer) -> None:
    for scope in (READ + "x", "x" + READ, READ.upper(), [READ]):
        with running.raw_connected(signer.token("A", scope=scope)) as client:
            client.send(subscribe_packet("devices/#"))
            assert client.receive(5)[4] == 0x80


def test_retained_messages_are_kept_replaced_and_removed(running: BrokerThread, signer: Signer) -> None:
    token = signer.token("A")

    def kept() -> bytes | None:
        return running.on_loop(lambda: running.broker.retained("devices/A/status"))

    with running.subscriber("devices/A/#", token=token, client_id="A") as device:
        for payload in (b"online", b"busy", b""):
            device._client.publish("devices/A/status", payload, 1, retain=True)
            device.wait_for(lambda them, payload=payload: them and them[-1].payload == payload)
            assert kept() == (payload or None)
            with running.subscriber("devices/A/+", token=token) as seen:
                device._client.publish("devices/A/end", b"end", 1)
                seen.wait_for(lambda them: "devices/A/end" in [m.topic for m in them])
                retained = [(m.payload, m.retain) for m in seen.messages if m.topic == "devices/A/status"]
                assert retained == ([(payload, True)] if payload else [])
        assert {m.retain for m in device.messages} == {False}, "live messages are not retained [MQTT-3.3.1-9]"


def test_retained_messages_do_not_leak_to_other_devices(running: BrokerThread, signer: Signer) -> None:
    with running.subscriber("devices/A/#", token=signer.token("A"), client_id="A") as owner:
        owner._client.publish("devices/A/secret", b"mine", 1, retain=True)
        owner.wait_for(lambda them: them)
        with running.raw_connected(signer.token("B"), "B") as other:
            other.send(b"\xc0\x00")
            assert other.receive(2) == b"\xd0\x00", "a newcomer got somebody else's retained message"


def test_a_second_subscribe_brings_retained_messages_and_the_new_qos(
    running: BrokerThread, signer: Signer
) -> None:
    running.call(running.broker.publish("devices/A/s", b"kept", qos=1, retain=True))
    with running.raw_connected(signer.token("A")) as client:
        client.send(subscribe_packet("devices/A/s", qos=0))
        assert client.receive(5 + 19) == b"\x90\x03\x00\x01\x00" + packet(0x31, text("devices/A/s") + b"kept")
        client.send(subscribe_packet("devices/A/s", qos=1))
        assert client.receive(5)[4] == 1
        assert client.receive(21)[0] == 0x33
        running.call(running.broker.publish("devices/A/s", b"live"))
        assert client.receive(21)[0] == 0x32, "one message, at the newer QoS"


def test_unsubscribe_ends_it(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A")) as client:
        client.send(subscribe_packet("devices/A/#") + packet(0xA2, b"\x00\x02" + text("devices/A/#")))
        assert client.receive(9) == b"\x90\x03\x00\x01\x00" + b"\xb0\x02\x00\x02"
        running.call(running.broker.publish("devices/A/x", b""))
        client.send(b"\xc0\x00")
        assert client.receive(2) == b"\xd0\x00"


def test_a_persistent_session_gets_what_it_missed(running: BrokerThread, signer: Signer) -> None:
    token = signer.token("A")
    with running.raw_connected(token, clean=False) as client:
        client.send(subscribe_packet("devices/A/cmd/+", qos=1) + b"\xe0\x00")
        assert client.rest() == b"\x90\x03\x00\x01\x01"
    running.call(running.broker.publish("devices/A/cmd/led", b"on"))
    with running.raw() as client:
        client.send(connect_packet(token, clean=False))
        assert client.receive(4) == b"\x20\x02\x01\x00", "Session Present"
        # Not marked as retained: it never was.
        assert client.receive(1) == b"\x32"


def test_a_clean_session_forgets(running: BrokerThread, signer: Signer) -> None:
    token = signer.token("A")
    with running.raw_connected(token, clean=False) as client:
        client.send(subscribe_packet("devices/A/#", qos=1))
        client.receive(5)
    with running.raw_connected(token, clean=True) as client:
        running.call(running.broker.publish("devices/A/x", b""))
        client.send(b"\xc0\x00")
        assert client.receive(2) == b"\xd0\x00"
        client.send(b"\xe0\x00")
        assert client.rest() == b""
    with running.raw() as client:
        client.send(connect_packet(token, clean=False))
        assert client.receive(4) == b"\x20\x02\x00\x00"


@pytest.mark.parametrize("ending", ["closed", "malformed", "forbidden", "on request"])
def test_the_will_is_published_when_a_client_is_gone(
    running: BrokerThread, signer: Signer, ending: str
) -> None:
    will = ("devices/A/status", b"offline")
    with running.subscriber("devices/A/status", token=signer.token("A"), client_id="A/watch") as seen:
        with running.raw_connected(signer.token("A"), will=will) as client:
            if ending == "malformed":
                client.send(b"\xff\x00")
            elif ending == "forbidden":
                client.send(publish_packet("devices/B/x", qos=1))
            elif ending == "on request":
                assert running.on_loop(lambda: running.broker.disconnect("A"))
            if ending != "closed":
                assert client.rest() == b""
        (message,) = seen.wait_for(lambda them: them)
    assert (message.payload, message.retain) == (b"offline", False)
    assert tuple(running.next_message()) == ("devices/A/status", b"offline", 1, True, "A")
    assert running.on_loop(lambda: running.broker.retained("devices/A/status")) == b"offline"


def test_no_will_after_disconnect(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A"), will=("devices/A/status", b"offline")) as client:
        client.send(b"\xe0\x00")
        assert client.rest() == b""
    running.call(running.broker.publish("devices/A/end", b""))
    assert running.next_message().topic == "devices/A/end"


@pytest.mark.parametrize("clean", [True, False])
def test_a_second_connect_drops_the_first(running: BrokerThread, signer: Signer, clean: bool) -> None:
    token, will = signer.token("A"), ("devices/A/status", b"offline")
    with (
        running.raw_connected(token, will=will, clean=clean) as first,
        running.raw_connected(token, will=will, clean=clean) as second,
    ):
        assert first.rest() == b""
        assert running.client_ids() == ["A"]
        assert running.next_message().payload == b"offline"
        second.send(subscribe_packet("devices/A/x"))
        assert second.receive(5) == b"\x90\x03\x00\x01\x00"
        running.call(running.broker.publish("devices/A/x", b"to the second"))
        assert second.receive(28).endswith(b"to the second")


def test_many_connects_at_once_leave_one(running: BrokerThread, signer: Signer) -> None:
    token = signer.token("A")
    clients = [running.raw() for _ in range(20)]
    for client in clients:
        client.send(connect_packet(token))
    answers = [client.receive(4) for client in clients]
    # Whoever was overtaken before its turn may never have got an answer.
    assert set(answers) <= {b"\x20\x02\x00\x00", b""} and b"\x20\x02\x00\x00" in answers
    assert running.client_ids() == ["A"]
    for client in clients:
        client.socket.close()


def test_a_silent_client_is_dropped_with_its_will(running: BrokerThread, signer: Signer) -> None:
    began = time.monotonic()
    with running.raw_connected(signer.token("A"), will=("devices/A/status", b"lost"), keep_alive=1) as client:
        assert client.rest() == b""
    # Not a limit on speed: earlier than 1.5 times the keep alive would be a mistake.
    assert time.monotonic() - began >= 1.5
    assert running.next_message().payload == b"lost"


def test_the_end_of_the_token_closes_the_connection_and_publishes_the_will(signer: Signer) -> None:
    # The broker's clock stands, so that the token is still good however slow we are to connect.
    began, ahead = time.time(), [0.0]
    token = signer.token("A", exp=began + 1)
    with BrokerThread(settings(signer, now=lambda: began + ahead[0])) as running:
        with running.raw_connected(token, will=("devices/A/status", b"offline"), keep_alive=0) as client:
            assert client.rest() == b""
            assert time.time() >= began + 1
        assert running.next_message().payload == b"offline"
        ahead[0] = 1.0
        with running.raw() as client:
            client.send(connect_packet(token))
            assert client.rest() == b"\x20\x02\x00\x04"


def test_a_paho_publisher_is_closed_at_the_end_of_its_token(signer: Signer) -> None:
    began = time.time()
    token = signer.token("A", exp=began + 1.5)
    with (
        BrokerThread(settings(signer, now=lambda: began)) as running,
        running.subscriber("devices/A/#", token=token, client_id="A") as device,
    ):
        for number in range(100_000):
            if not device._client.is_connected():
                break
            device._client.publish("devices/A/t", b"%d" % number, 1).wait_for_publish(0.05)
        assert not device._client.is_connected()
        assert time.time() >= began + 1.5


def test_the_brokers_own_clock_decides(signer: Signer) -> None:
    """A simulator whose clock jumps: the next packet after the jump ends the connection."""
    shift = [0.0]
    with (
        BrokerThread(settings(signer, now=lambda: time.time() + shift[0])) as running,
        running.raw_connected(signer.token("A")) as client,
    ):
        shift[0] = 3600.0
        client.send(b"\xc0\x00")
        assert client.rest() == b""


def test_a_subscriber_that_does_not_read_is_dropped(running: BrokerThread, signer: Signer) -> None:
    with running.raw_connected(signer.token("A")) as client:
        client.send(subscribe_packet("devices/A/#"))
        assert client.receive(5)[4] == 0
        for _ in range(2000):
            running.call(running.broker.publish("devices/A/big", b"x" * 60_000))
            if running.client_ids() == []:
                break
        assert running.client_ids() == []


def test_it_lives_next_to_others_in_one_loop_and_leaves_nothing(
    signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        before = asyncio.all_tasks()
        async with Broker(settings(signer)) as broker:
            feed = broker.messages()
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            will = ("devices/A/status", b"offline")
            writer.write(connect_packet(signer.token("A"), will=will) + publish_packet("devices/A/t", b"1"))
            assert (await anext(feed)).payload == b"1"
            # And one that has not said who it is.
            silent, silent_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        assert await silent.read() == b""
        silent_writer.close()
        assert await reader.read() == b"\x20\x02\x00\x00"
        assert [message async for message in feed] == [], "a stopping broker publishes no wills"
        writer.close()
        await broker.stop()
        assert asyncio.all_tasks() == before

    asyncio.run(main(), debug=True)
    assert [record for record in caplog.records if record.name != "asyncio"] == []
    assert [each for each in caplog.records if "never retrieved" in each.message] == []


def test_tokens_are_in_no_log(signer: Signer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = signer.token("A"), signer.token("A", aud="other")
    with BrokerThread(settings(signer)) as running:
        for token in (good, bad):
            with running.raw() as client:
                client.send(connect_packet(token) + b"\xe0\x00")
                client.rest()
    assert "another audience" in caplog.text, "the log says why"
    for token in (good, bad):
        assert not any(part in caplog.text for part in token.split("."))


def test_a_port_in_use_is_told(signer: Signer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        async def main() -> None:
            with pytest.raises(BrokerError, match="port %d of 127.0.0.1 is in use" % port):
                await Broker(settings(signer, port=port)).start()
            assert len(asyncio.all_tasks()) == 1

        asyncio.run(main())


def test_start_twice_and_use_when_stopped(signer: Signer) -> None:
    async def main() -> None:
        broker = Broker(settings(signer))
        for use in (lambda: broker.port, broker.connections, broker.messages, lambda: broker.retained("x")):
            with pytest.raises(BrokerError, match="does not run"):
                use()
        async with broker:
            with pytest.raises(BrokerError, match="runs already"):
                await broker.start()
            for topic in ("other/x", "devices/+", "devices", ""):
                with pytest.raises(BrokerError, match="topic name"):
                    await broker.publish(topic, b"")
        async with broker:
            assert broker.connections() == []

    asyncio.run(main())


def test_ipv6_loopback(signer: Signer) -> None:
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 on this machine")

    async def main() -> None:
        async with Broker(settings(signer, host="::1")) as broker:
            reader, writer = await asyncio.open_connection("::1", broker.port)
            writer.write(connect_packet(signer.token("A")))
            assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(7))
def test_it_stops_at_once_however_new_a_connection_is(signer: Signer, steps: int) -> None:
    async def main() -> None:
        broker = Broker(settings(signer))
        await broker.start()
        with socket.create_connection(("127.0.0.1", broker.port)):
            for _ in range(steps):
                await asyncio.sleep(0)
            async with asyncio.timeout(settings(signer).connect_timeout / 2):
                await broker.stop()

    asyncio.run(main())
