"""Who the device is: configured, kept, or made up once."""

import json

from fakes import CountingEntropy, MemoryStore
from pairlet.config import Config
from pairlet.core.errors import ConfigError
from pairlet.device import identify


def test_an_id_is_made_up_once():
    store = MemoryStore()
    first = identify(Config({}), store, CountingEntropy(), "kitchen")
    entropy = CountingEntropy()
    entropy.random_bytes(9)
    assert identify(Config({}), store, entropy, "kitchen") == first
    assert first.device_id.startswith("pairlet-") and first.name == "kitchen"
    assert json.loads(store.values["device"])["device_id"] == first.device_id


def test_configuration_wins():
    config = Config.from_tables({"pairing": {"device_id": "tv-1", "device_name": "Hall"}}, "test")
    store = MemoryStore()
    assert tuple(identify(config, store, CountingEntropy(), "kitchen")) == ("tv-1", "Hall")
    assert store.values == {}


def test_an_id_must_fit_a_topic_name():
    for bad in ("a/b", "a+b", "#", "x" * 65, "ü"):
        config = Config.from_tables({"pairing": {"device_id": bad}}, "test")
        try:
            identify(config, MemoryStore(), CountingEntropy(), "")
        except ConfigError:
            continue
        raise AssertionError(bad)


def test_a_broken_record_is_set_aside():
    for garbage in (b"", b"{}", b"\xff", b'{"device_id":"a/b"}', b'{"device_id":5}'):
        store = MemoryStore({"device": garbage})
        device = identify(Config({}), store, CountingEntropy(), "")
        assert store.values["device.corrupt-1"] == garbage
        assert device.name == device.device_id


def test_the_name_is_cleaned():
    device = identify(Config({}), MemoryStore(), CountingEntropy(), "evil\x1b[31m\u202eeman")
    assert "\x1b" not in device.name and "\u202e" not in device.name
