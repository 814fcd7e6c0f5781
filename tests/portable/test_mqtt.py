"""pairlet.core.mqtt: MQTT as values."""

from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Credentials, Event, Message, is_failure
from pairlet.core.mqtt_reasons import reason_text
from pairlet.core.secret import Secret


def test_failures_begin_at_0x80():
    for code in (0x00, 0x01, 0x02, 0x10, 0x7F):
        assert not is_failure(code), code
    for code in (0x80, 0x87, 0xFF):
        assert is_failure(code), code


def test_every_reason_code_has_words():
    for code in range(256):
        assert reason_text(code)
    assert "token" in reason_text(4) and "token" in reason_text(0x86)
    assert "0xA5" in reason_text(0xA5)


def test_credentials_hide_the_token():
    credentials = Credentials("device-7", Secret("hidden"))
    assert "hidden" not in repr(credentials) + str(credentials) and "device-7" in repr(credentials)
    assert credentials.token() == "hidden"


def test_messages_and_events():
    message = Message("devices/7/telemetry", b"{}", 1, False)
    assert (message.topic_name, message.payload, message.qos, message.retain) == (
        "devices/7/telemetry",
        b"{}",
        1,
        False,
    )
    assert Event(MESSAGE, message, None, None).message is message
    assert MESSAGE != DISCONNECTED
