"""Which broker addresses and settings are taken, and what is said about the others."""

import pytest
from pairlet.core.errors import ConfigError
from pairlet.linux.mqtt import PahoMqtt
from pairlet.linux.mqtt_address import Address, parse_address


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("mqtts://broker.example.com", ("broker.example.com", 8883, True), "broker.example.com:8883"),
        ("mqtts://broker.example.com:443/", ("broker.example.com", 443, True), "broker.example.com:443"),
        ("MQTTS://Broker.Example.com", ("broker.example.com", 8883, True), "broker.example.com:8883"),
        ("mqtts://[2001:db8::1]", ("2001:db8::1", 8883, True), "[2001:db8::1]:8883"),
        ("mqtt://localhost", ("localhost", 1883, False), "localhost:1883"),
        ("mqtt://127.0.0.1:1884", ("127.0.0.1", 1884, False), "127.0.0.1:1884"),
        ("mqtt://[::1]", ("::1", 1883, False), "[::1]:1883"),
    ],
)
def test_addresses(url: str, address: tuple[str, int, bool], shown: str) -> None:
    assert parse_address(url, insecure=True) == Address(*address)
    assert str(Address(*address)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker.example.com",
        "https://broker.example.com",
        "ws://localhost",
        "mqtts://",
        "mqtts://:8883",
        "mqtts://user:password@broker.example.com",
        "mqtts://broker.example.com/path",
        "mqtts://broker.example.com?query",
        "mqtts://broker.example.com#fragment",
        "mqtts://broker.example.com:0",
        "mqtts://broker.example.com:65536",
        "mqtts://broker.example.com:port",
        "mqtts://broker example.com",
        "mqtts://broker.example.com\n",
        "mqtts://br\u00f6ker.example.com",
    ],
)
def test_addresses_that_can_not_be_used(url: str) -> None:
    with pytest.raises(ConfigError, match="mqtt.url") as caught:
        parse_address(url, insecure=True)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("host", ["broker.example.com", "192.168.1.5", "localhost.example.com"])
def test_plain_mqtt_never_leaves_this_machine(host: str) -> None:
    with pytest.raises(ConfigError, match="mqtts://"):
        parse_address("mqtt://" + host, insecure=True)


def test_plain_mqtt_needs_a_flag_even_here() -> None:
    with pytest.raises(ConfigError, match="--insecure-http"):
        parse_address("mqtt://localhost", insecure=False)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("client_id", ""),
        ("client_id", "a\0b"),
        ("client_id", "\ud800"),
        ("client_id", "x" * 65536),
        ("keep_alive", 0),
        ("keep_alive", 65536),
        ("session_expiry_s", -1),
        ("version", "3"),
    ],
)
def test_settings_that_no_connect_packet_can_carry(setting: str, value: object) -> None:
    settings = {"url": "mqtts://broker.example.com", "client_id": "device", setting: value}
    with pytest.raises(ConfigError):
        PahoMqtt(**settings)  # type: ignore[arg-type]
