"""What a board is to know: files, options, what it knows already, a person's answers, and every check."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError
from pairlet.core.secret import Secret
from pairlet.linux.commands_flash import _check
from pairlet.linux.flash import settings
from pairlet.linux.options import parser
from support.certificates import CertificateAuthority

KEY = "correct horse"
GOOD: dict[str, dict[str, Any]] = {
    "wifi": {"ssid": "attic", "key": KEY},
    "oauth": {"issuer": "http://127.0.0.1:1", "client_id": "lamp", "insecure_http": True},
}


def options(*words: str) -> Namespace:
    """As the command line gives them."""
    return parser().parse_args(["flash", "/dev/ttyX", *words])


def written(folder: Path, tables: dict[str, Any]) -> str:
    """A config.json with these tables."""
    file = folder / "config.json"
    file.write_text(json.dumps(tables))
    return str(file)


def as_json(given: settings.Given) -> dict[str, Any]:
    """What the board gets."""
    found: dict[str, Any] = json.loads(given.settings().config)
    return found


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    given = settings.from_options(options("--config", written(tmp_path, GOOD)))
    _check(given.tables, "here")
    assert as_json(given) == GOOD and given.complete


def test_a_provider_becomes_the_settings_that_it_stands_for(tmp_path: Path) -> None:
    oauth = {"provider": "twitch", "client_id": "lamp", "ca_file": str(tmp_path / "ca.pem"), "scope": "a"}
    CertificateAuthority().write(tmp_path / "ca.pem")
    named = written(tmp_path, {"wifi": GOOD["wifi"], "oauth": oauth})
    given = settings.from_options(options("--config", named, "--scope", "b"))
    _check(given.tables, "here")
    found = as_json(given)
    assert found["oauth"]["token_endpoint"] == "https://id.twitch.tv/oauth2/token"
    assert found["oauth"]["scope"] == "b" and found["pairing"] == {"announce": False}
    assert found["oauth"]["dialect"]["error"] == ["message"] and given.settings().dialect
    # Nothing is left that only a computer reads.
    assert not {"provider", "provider_values", "client_auth"} & set(found["oauth"])


def test_a_provider_without_quirks_costs_a_board_nothing(tmp_path: Path) -> None:
    oauth = {"provider": "okta", "client_id": "lamp", "issuer": "https://a.example"}
    given = settings.from_options(
        options("--config", written(tmp_path, {"wifi": GOOD["wifi"], "oauth": oauth}))
    )
    assert "dialect" not in as_json(given)["oauth"] and not given.settings().dialect


@pytest.mark.parametrize("name", ["google", "trakt", "facebook", "aws"])
def test_a_provider_that_wants_a_secret_is_not_for_boards(tmp_path: Path, name: str) -> None:
    values = {"region": "x", "start_url": "https://a.example/start"} if name == "aws" else {}
    oauth = {"provider": name, "provider_values": values, "client_id": "lamp", "scope": "a",
             "client_secret_file": "s"}  # fmt: skip
    with pytest.raises(ConfigError, match="a board keeps none"):
        settings.from_options(options("--config", written(tmp_path, {"wifi": GOOD["wifi"], "oauth": oauth})))


def test_options_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("another key\nand a second line\n")
    given = settings.from_options(
        options(
            *(
                "--config",
                written(tmp_path, GOOD),
                "--wifi-ssid",
                "cellar",
                "--wifi-key-file",
                str(tmp_path / "key"),
            ),
            *("--issuer", "https://a.example", "--client-id", "b", "--scope", "c d", "--broker", "mqtts://e"),
            *("--display", "ssd1306"),
        )
    )
    assert as_json(given) == {
        "wifi": {"ssid": "cellar", "key": "another key"},
        "oauth": {"issuer": "https://a.example", "client_id": "b", "scope": "c d", "insecure_http": True},
        "mqtt": {"url": "mqtts://e"},
        "board": {"display": "ssd1306"},
    }


def test_pairlet_toml_is_taken_without_what_a_board_has_not(tmp_path: Path) -> None:
    (tmp_path / "pairlet.toml").write_text(
        '[oauth]\nissuer = "https://a.example"\nclient_id = "b"\n'
        '[store]\ndir = "/x"\n[display]\nname = "none"\n'
    )
    given = settings.from_options(options("--config", str(tmp_path / "pairlet.toml")))
    assert as_json(given) == {"oauth": {"issuer": "https://a.example", "client_id": "b"}}


def test_options_change_single_settings_of_a_board() -> None:
    there = settings.from_board(json.dumps({**GOOD, "board": {"button": 14}}).encode())
    merged = settings.merged(there, settings.from_options(options("--broker", "mqtts://e")))
    assert as_json(merged) == {**GOOD, "board": {"button": 14}, "mqtt": {"url": "mqtts://e"}}


def test_another_network_forgets_the_key_of_the_old_one() -> None:
    there = settings.from_board(json.dumps(GOOD).encode())
    merged = settings.merged(there, settings.from_options(options("--wifi-ssid", "cellar")))
    assert as_json(merged)["wifi"] == {"ssid": "cellar"}


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"wifi": 1}', b"\xff"])
def test_a_board_without_readable_settings_has_none(content: bytes | None) -> None:
    there = settings.from_board(content)
    assert there.is_empty() and not there.complete


def test_a_person_is_asked_for_what_is_missing_and_only_for_that() -> None:
    answers = {
        "Wi-Fi network: ": "attic\n",
        "Wi-Fi key (empty for an open network): ": KEY,
        "client_id: ": "lamp\n",
        "Broker (mqtts://..., empty for none): ": "\n",
    }
    asked: list[tuple[str, bool]] = []

    def ask(question: str, *, hidden: bool = False) -> str:
        asked.append((question, hidden))
        return answers[question]

    given = settings.completed(settings.from_options(options("--issuer", "https://a.example")), ask)
    assert [question for question, _ in asked] == list(answers)
    assert [hidden for _, hidden in asked] == [False, True, False, False]
    assert as_json(given) == {
        "wifi": {"ssid": "attic", "key": KEY},
        "oauth": {"issuer": "https://a.example", "client_id": "lamp"},
    }


def test_the_key_of_a_network_that_was_named_is_asked_for() -> None:
    keys = iter([KEY, ""])

    def ask(question: str, *, hidden: bool = False) -> str:
        assert question.startswith("Wi-Fi key") and hidden
        return next(keys)

    there = json.dumps(GOOD).encode()
    for wanted in ({"ssid": "cellar", "key": KEY}, {"ssid": "cellar"}):
        merged = settings.merged(
            settings.from_board(there), settings.from_options(options("--wifi-ssid", "cellar"))
        )
        assert as_json(settings.completed(merged, ask, new_network=True))["wifi"] == wanted


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ((), "--wifi-ssid"),
        (("--wifi-ssid", "a"), "--issuer"),
        (("--wifi-ssid", "a", "--issuer", "b"), "--client-id"),
    ],
)
def test_without_a_person_what_is_missing_is_named(words: tuple[str, ...], missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.completed(settings.from_options(options(*words)), None)
    assert missing in caught.value.advice


def changed(table: str, key: str, value: Any) -> dict[str, Any]:
    """GOOD with one setting changed."""
    return {**GOOD, table: {**GOOD.get(table, {}), key: value}}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (changed("wifi", "ssid", ""), "wifi.ssid"),
        (changed("wifi", "ssid", "x" * 33), "wifi.ssid"),
        (changed("wifi", "ssid", 5), "wifi.ssid"),
        (changed("wifi", "key", "short"), "wifi.key"),
        (changed("wifi", "key", 12345678), "wifi.key"),
        (changed("wifi", "passwd", "x"), "wifi.passwd"),
        (changed("board", "colour", "red"), "board.colour"),
        (changed("board", "display", "e-ink"), "e-ink"),
        (changed("oauth", "client_secret_file", "x"), "secret"),
        (changed("oauth", "issuer", "https://a.example"), "certificate"),
        (changed("oauth", "issuer", "ftp://a.example"), "oauth.issuer"),
        (changed("oauth", "isuer", "x"), "oauth.isuer"),
        (changed("mqtt", "url", "amqp://x"), "mqtt.url"),
        (changed("telemetry", "interval", "soon"), "telemetry.interval"),
        (changed("nonsense", "x", 1), "nonsense"),
        (changed("oauth", "insecure_http", False), "oauth.issuer is not an https address"),
        (changed("oauth", "token_endpoint", "http://192.168.1.5/token"), "oauth.token_endpoint"),
        ({**GOOD, "mqtt": {"url": "mqtt://192.168.1.5"}}, "mqtt.url"),
        ({**GOOD, "mqtt": {"url": "mqtts://x", "profile": "nonsense"}}, "mqtt.profile"),
        ({**GOOD, "mqtt": {"url": "mqtts://x", "profile": "azure-event-grid"}}, "enhanced authentication"),
        ({**GOOD, "mqtt": {"url": "mqtts://x"}, "commands": {"handlers": ["x"]}}, "commands.handlers"),
    ],
)
def test_what_a_board_could_not_use_is_refused(tmp_path: Path, tables: dict[str, Any], words: str) -> None:
    given = settings.from_options(options("--config", written(tmp_path, tables)))
    with pytest.raises(ConfigError) as caught:
        _check(given.tables, "here")
    assert words in str(caught.value) and KEY not in str(caught.value) + caught.value.advice


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"wifi": 5}', b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(ConfigError, match="c.json"):
        settings.from_options(options("--config", str(tmp_path / "c.json")))


def test_the_words_about_a_broken_file_do_not_quote_it(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[wifi]\nkey = "{KEY}" oops\n')
    with pytest.raises(ConfigError) as caught:
        settings.from_options(options("--config", str(tmp_path / "c.toml")))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xff"])
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match="key"):
        settings.from_options(options("--wifi-key-file", str(tmp_path / "key")))


def test_the_key_shows_nowhere(tmp_path: Path) -> None:
    given = settings.from_options(options("--config", written(tmp_path, GOOD)))
    assert KEY not in repr(given.tables) + repr(given) + repr(given.settings())
    assert isinstance(given.tables["wifi"]["key"], Secret)


def test_certificates_are_read_checked_and_named_by_their_content(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    tables = changed("oauth", "ca_file", "ca.pem")
    given = settings.from_options(options("--config", written(tmp_path, tables)))
    (name,) = given.certificates
    assert given.certificates == {name: authority.pem}
    assert as_json(given)["oauth"]["ca_file"] == name and name.startswith("ca-") and name.endswith(".pem")
    again = settings.from_options(options("--ca-file", ca_file))
    assert again.certificates == given.certificates


@pytest.mark.parametrize(
    "content", [None, b"", b"hello", b"\xff\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n"]
)
def test_a_ca_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigError, match="ca.pem can't be used"):
        settings.from_options(options("--ca-file", str(tmp_path / "ca.pem")))


def test_the_example_of_the_firmware_passes(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    tables = json.loads((root / "firmware/config.example.json").read_text())
    tables["wifi"]["key"] = KEY  # its words in place of a key are no key
    _check(settings.from_board(json.dumps(tables).encode()).tables, "the example")


def test_the_same_settings_are_the_same_bytes(tmp_path: Path) -> None:
    one = settings.from_options(options("--config", written(tmp_path, GOOD)))
    backwards = {name: dict(reversed(GOOD[name].items())) for name in reversed(GOOD)}
    other = settings.from_options(options("--config", written(tmp_path, backwards)))
    assert one.settings().config == other.settings().config
