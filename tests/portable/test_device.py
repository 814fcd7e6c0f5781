"""Who the device is: configured, kept, or made up once."""

import json

from fakes import CountingEntropy, MemoryStore
from pairlet.config import Config
from pairlet.core.errors import ConfigError
from pairlet.device import identify


def no_news(event, **fields):
    raise AssertionError(event)


def test_an_id_is_made_up_once():
    store = MemoryStore()
    first = identify(Config({}), store, CountingEntropy(), "kitchen", no_news)
    entropy = CountingEntropy()
    entropy.random_bytes(9)
    assert identify(Config({}), store, entropy, "kitchen", no_news) == first
    assert first.device_id.startswith("pairlet-") and first.name == "kitchen"
    assert json.loads(store.values["device"])["device_id"] == first.device_id


def test_configuration_wins():
    config = Config.from_tables({"pairing": {"device_id": "tv-1", "device_name": "Hall"}}, "test")
    store = MemoryStore()
    assert tuple(identify(config, store, CountingEntropy(), "kitchen", no_news)) == ("tv-1", "Hall")
    assert store.values == {}


def test_an_id_must_fit_a_topic_name():
    for bad in ("a/b", "a+b", "#", "x" * 65, "ü"):
        config = Config.from_tables({"pairing": {"device_id": bad}}, "test")
        try:
            identify(config, MemoryStore(), CountingEntropy(), "", no_news)
        except ConfigError:
            continue
        raise AssertionError(bad)


def test_a_broken_record_is_set_aside_and_told_of():
    told = []

    def listen(event, **fields):
        told.append((event, fields["error_description"]))

    for garbage in (b"", b"{}", b"\xff", b'{"device_id":"a/b"}', b'{"device_id":5}'):
        told.clear()
        store = MemoryStore({"device": garbage})
        device = identify(Config({}), store, CountingEntropy(), "", listen)
        assert [event for event, _ in told] == ["error"]
        assert "device.corrupt-1" in told[0][1]
        assert store.values["device.corrupt-1"] == garbage
        assert device.name == device.device_id


def test_the_name_is_cleaned():
    device = identify(Config({}), MemoryStore(), CountingEntropy(), "evil\x1b[31m\u202eeman", no_news)
    assert "\x1b" not in device.name and "\u202e" not in device.name
