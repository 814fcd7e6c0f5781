"""Settings from tables and from text: every kind, every mistake."""

from pairlet.config import SETTINGS, Config, nearest
from pairlet.core.errors import ConfigError


def refused(function, *arguments):
    try:
        function(*arguments)
    except ConfigError as error:
        return str(error) + " " + error.advice
    raise AssertionError("nothing was refused")


def one(name, value):
    table, _, key = name.partition(".")
    return Config.from_tables({table: {key: value}}, "file")


def test_every_setting_has_a_default_of_its_kind():
    empty = Config({})
    for name in SETTINGS:
        assert empty.get(name) == SETTINGS[name].default
    assert empty.text("oauth.issuer") == "" and empty.texts("telemetry.sensors") is None
    assert empty.integer("telemetry.interval") == 10000 and empty.flag("oauth.insecure_http") is False


def test_durations():
    for written, kept in (("90s", 90000), ("5m", 300000), ("2h", 7200000), ("1d", 86400000), (7, 7000)):
        assert one("telemetry.interval", written).integer("telemetry.interval") == kept
    for written, kept in (("1.5m", 90000), ("500ms", 500), (0.5, 500), (" 3 s ", 3000), ("4", 4000)):
        assert one("telemetry.interval", written).integer("telemetry.interval") == kept
    for bad in (
        "soon",
        "",
        "s",
        "-5s",
        "5 parsecs",
        "1e3s",
        "..s",
        0,
        -1,
        True,
        None,
        [],
        {},
        "9" * 13,
        float("nan"),
    ):
        assert "telemetry.interval" in refused(one, "telemetry.interval", bad)
    assert "too small" in refused(one, "telemetry.interval", "1ms")
    assert "at least 5 s" in refused(one, "mqtt.keep_alive", "1s")
    # CONNECT has no room for more.
    assert one("mqtt.keep_alive", "65535s").integer("mqtt.keep_alive") == 65535000
    assert "at most 65535 s" in refused(one, "mqtt.keep_alive", "1d")


def test_other_kinds():
    assert one("mqtt.version", 5).text("mqtt.version") == "5"
    assert one("telemetry.sensors", ["a", "b"]).texts("telemetry.sensors") == ["a", "b"]
    assert one("oauth.extra", {"audience": "api"}).pairs("oauth.extra") == [("audience", "api")]
    assert one("oauth.insecure_http", True).flag("oauth.insecure_http") is True
    assert one("oauth.scope", "").text("oauth.scope") == ""
    for name, bad in (
        ("oauth.issuer", "auth.example.com"),
        ("oauth.issuer", "ftp://auth.example.com"),
        ("oauth.issuer", 5),
        ("oauth.client_id", "   "),
        ("oauth.client_id", "a\x1b[2Jb"),
        ("oauth.client_id", ["x"]),
        ("oauth.grant", "magic"),
        ("oauth.insecure_http", "yes"),
        ("oauth.extra", {"a": 1}),
        ("oauth.extra", "a=1"),
        ("telemetry.sensors", "cpu"),
        ("telemetry.sensors", [1]),
        ("telemetry.buffer_bytes", "many"),
        ("telemetry.buffer_bytes", 10),
        ("telemetry.buffer_bytes", True),
        ("pairing.codes", 0),
        ("pairing.start", "never"),
        ("mqtt.version", "6"),
    ):
        words = refused(one, name, bad)
        assert name in words and "\x1b" not in words


def test_topics():
    for name in ("mqtt.topic_prefix", "homeassistant.prefix", "homeassistant.status_topic"):
        assert one(name, "/homes/7/{device_id}/").text(name) == "/homes/7/{device_id}/"
        for bad in ("", "/", "///", "a/#", "+/a", "a+b", "$SYS/a", "a\0b", 7.5, ["a"]):
            words = refused(one, name, bad)
            assert name in words and "topic name" in words, bad


def test_item_44_a_resource_is_an_absolute_uri_without_a_fragment():
    for good in ("https://api.example/", "urn:meters:7", "com.example:x"):
        assert one("oauth.resource", good).texts("oauth.resource") == [good]
    assert one("oauth.resource", ["https://a.example", "urn:b"]).texts("oauth.resource") == [
        "https://a.example",
        "urn:b",
    ]
    line = Config({}).with_text("oauth.resource", "https://a.example, urn:b", "line")
    assert line.texts("oauth.resource") == ["https://a.example", "urn:b"]
    bad = (
        "",
        "api",
        "/api",
        "//host/x",
        "https:",
        ":x",
        "https://a/#x",
        "https://a/ b",
        "1a:b",
        "ä:b",
        5,
        [],
        [""],
    )
    for value in bad + (["https://a.example", "x"], None, {"a": "b"}):
        assert "oauth.resource" in refused(one, "oauth.resource", value)


def test_item_53_the_grants_that_must_not_be_used_are_refused_by_name():
    words = refused(one, "oauth.grant", "password")
    assert "RFC 9700 section 2.4" in words and "device_code" in words and "client_credentials" in words
    words = refused(one, "oauth.grant", "implicit")
    assert "RFC 9700 section 2.1.2" in words and "authorization_code" in words
    words = refused(one, "oauth.grant", "passwort")
    assert "oauth.grant is 'passwort'" in words and "implicit" not in words
    assert Config({}).text("oauth.grant") == "device_code"


def test_unknown_names_are_refused_with_the_nearest():
    assert "oauth.issuer" in refused(one, "oauth.isuer", "x")
    assert "telemetry.interval" in refused(one, "telemetry.intervall", 1)
    assert "telemetry" in refused(Config.from_tables, {"telemetri": {}}, "file")
    assert "there is no setting" in refused(Config.from_tables, {"oauth": 5}, "file")
    assert "file" in refused(Config.from_tables, {"zzzzzzzzzz": {}}, "file")
    assert "oauth.scope" in refused(Config({}).with_text, "oauth.scop", "x", "the command line")


def test_text_from_the_command_line():
    base = Config({})
    assert base.with_text("telemetry.interval", "5s", "line").integer("telemetry.interval") == 5000
    assert base.with_text("telemetry.sensors", "a, b,", "line").texts("telemetry.sensors") == ["a", "b"]
    assert base.with_text("oauth.insecure_http", "TRUE", "line").flag("oauth.insecure_http") is True
    assert base.with_text("pairing.codes", "9", "line").integer("pairing.codes") == 9
    assert "line" in refused(base.with_text, "pairing.codes", "nine", "line")
    assert "line" in refused(base.with_text, "oauth.insecure_http", "perhaps", "line")
    # The original is as it was.
    assert base.integer("pairing.codes") == 3


def test_nearest():
    known = ["oauth.issuer", "oauth.scope", "mqtt.url"]
    assert nearest("oauth.isuer", known) == "oauth.issuer"
    assert nearest("mqtt.uri", known) == "mqtt.url"
    assert nearest("something else altogether", known) is None
