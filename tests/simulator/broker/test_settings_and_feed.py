"""Settings that are refused, rights as a table, and the feed of messages."""

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairlet_sim.broker import BrokerError, BrokerSettings, Message, MessageFeed, feed
from pairlet_sim.broker.access import Access, is_device_id

GOOD = {"issuer": "https://as.example", "audience": "mqtt", "jwks": {"keys": []}}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_addresses(host: str) -> None:
    assert BrokerSettings(**GOOD, host=host).bind_address().startswith(("127.", "::1"))


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "192.168.1.2", "10.0.0.1", "example.com", "localhost.example.com", "128.0.0.1"],
)
def test_every_other_address_is_refused(host: str) -> None:
    with pytest.raises(BrokerError, match="loopback only"):
        BrokerSettings(**GOOD, host=host)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": ""}, "issuer and an audience"),
        ({"audience": ""}, "issuer and an audience"),
        ({"jwks": None}, "either"),
        ({"jwks_url": "https://as.example/jwks"}, "either"),
        ({"jwks": None, "jwks_url": "file:///etc/passwd"}, "http://"),
        ({"algorithms": ()}, "public key"),
        ({"algorithms": ("ES256", "HS256")}, "HS256"),
        ({"algorithms": ("none",)}, "none"),
        ({"topic_root": "a/b"}, "one level"),
        ({"topic_root": "#"}, "one level"),
        ({"port": 65536}, "65536"),
        ({"port": -1}, "-1"),
        ({"leeway": float("nan")}, "leeway"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"max_packet": -5}, "max_packet"),
        ({"jwks_interval": float("inf")}, "jwks_interval"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BrokerError, match=words):
        BrokerSettings(**(GOOD | changes))


LEVELS = st.sampled_from(["devices", "A", "B", "AB", "", "+", "#", "x", "$SYS"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join)


def matches(topic: str, topic_filter: str) -> bool:
    """Section 4.7, written anew."""
    names, wanted = topic.split("/"), topic_filter.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(names) or level not in ("+", names[place]):
            return False
    return len(names) == len(wanted)


@given(TOPICS, TOPICS, st.booleans())
def test_no_allowed_filter_matches_what_may_not_be_received(
    topic_filter: str, topic: str, reads_all: bool
) -> None:
    access = Access("A", reads_all, "devices", 0.0)
    if "+" in topic or "#" in topic or not access.may_subscribe(topic_filter):
        return
    # `devices/A/#` also matches its parent `devices/A`, to which nobody can publish.
    if matches(topic, topic_filter) and topic not in ("devices", "devices/A", "devices/A/"):
        assert access.may_receive(topic)


@given(st.text(max_size=6))
def test_a_device_id_is_one_level_and_shares_no_client_id(device_id: str) -> None:
    if not is_device_id(device_id):
        return
    assert len(("devices/%s/x" % device_id).split("/")) == 3
    other = Access("A", False, "devices", 0.0)
    if device_id != "A":
        assert not other.may_use_client_id(device_id)
        assert not other.may_publish("devices/%s/x" % device_id)
        assert not other.may_subscribe("devices/%s/#" % device_id)


def test_the_feed_keeps_order_ends_and_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING", 3)

    async def main() -> None:
        one = MessageFeed()
        for number in range(5):
            one.put(Message("t", b"%d" % number, 0, False, "A"))
        assert one.dropped == 2
        one.close()
        one.put(Message("t", b"too late", 0, False, "A"))
        assert [each.payload async for each in one] == [b"2", b"3", b"4"]

    asyncio.run(main())


def test_a_waiting_feed_ends_when_it_is_closed() -> None:
    async def main() -> None:
        one = MessageFeed()
        waiting = asyncio.ensure_future(anext(one))
        await asyncio.sleep(0)
        one.close()
        with pytest.raises(StopAsyncIteration):
            await waiting

    asyncio.run(main())


def test_a_forgotten_feed_costs_nothing(running: object, signer: object) -> None:
    from support.token_broker import BrokerThread

    assert isinstance(running, BrokerThread)
    feeds = running.broker._running().feeds
    before = len(feeds)
    kept = running.on_loop(running.broker.messages)
    assert len(feeds) == before + 1
    del kept
    gc.collect()
    assert len(feeds) == before
