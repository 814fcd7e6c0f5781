"""Profiles of providers: those that come along, one's own, and what is wrong with them."""

import io
import json
import re
import tomllib
from pathlib import Path

import pytest
from pairlet.config import Config
from pairlet.core.dialect import _KEYS
from pairlet.core.errors import ConfigError
from pairlet.core.text import is_clean
from pairlet.linux.commands_provider import found_beside, with_provider
from pairlet.linux.output import Output
from pairlet.linux.providers import names, read
from pairlet.linux.providers.applying import presets
from pairlet.linux.providers.reading import _MEMBERS

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests/vectors/providers"
OWN = """
name = "Acme"
values = { server = "", region = "eu" }
[needs]
client_id = "the one from the portal"
server = "the address of yours"
[oauth]
device_authorization_endpoint = "{server}/{region}/code"
token_endpoint = "{server}/{region}/token"
scope = "all"
extra = { where = "{region}" }
client_auth = "client_secret_post"
[pairing]
announce = false
[errors]
access_denied = { status = 418, says = ["", "nope"] }
slow_down = { status = 420, says = "Calm Down" }
[dialect]
format = "json"
"""


def configured(**oauth: object) -> Config:
    return with_provider(Config.from_tables({"oauth": oauth}, "pairlet.toml"))


def refused(**oauth: object) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(**oauth)
    assert caught.value.advice
    return f"{caught.value} {caught.value.advice}"


@pytest.fixture
def own(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Write a profile of one's own; returns its path."""

    def write(text: str = OWN) -> str:
        path = tmp_path / "acme.toml"
        path.write_text(text)
        return str(path)

    return write


def test_each_has_its_vectors_and_a_test_of_them() -> None:
    assert names() == sorted(file.stem for file in VECTORS.glob("*.json"))
    source = (ROOT / "tests/portable/test_provider_vectors.py").read_text()
    assert all(f'check("{name}")' in source for name in names())


@pytest.mark.parametrize("name", names())
def test_the_vectors_are_of_the_profile_as_it_is(name: str) -> None:
    vector = json.loads((VECTORS / f"{name}.json").read_text())
    profile = read(name, Path())
    values = profile.filled_values(vector.get("provider_values", {}), "vector")
    assert profile.presets(values, "vector") == vector["presets"]
    assert vector["docs"] == profile.tables["docs"]


@pytest.mark.parametrize("name", names())
def test_what_it_presets_are_settings_that_there_are(name: str) -> None:
    vector = json.loads((VECTORS / f"{name}.json").read_text())
    config = Config.from_tables(vector["presets"], name)
    assert not config.flag("pairing.announce")
    endpoints = [value for key, value in vector["presets"]["oauth"].items() if key.endswith("_endpoint")]
    assert all(address.startswith("https://") and "{" not in address for address in endpoints)
    # What it needs is said, and what has no other place is asked for.
    assert read(name, Path()).needs.keys() >= ({"issuer"} if not endpoints else set())


@pytest.mark.parametrize("name", names())
def test_no_provider_s_name_is_in_the_code(name: str) -> None:
    package = ROOT / "agent/pairlet"
    engine = [package / "core/dialect.py", package / "translating.py", package / "registering.py"]
    engine += [package / "linux/commands_provider.py", *(package / "linux/providers").glob("*.py")]
    engine += (ROOT / "simulator/pairlet_sim/authserver").glob("*.py")
    assert not [file.name for file in engine if name in file.read_text().lower()]


def test_own_settings_win_over_presets(own) -> None:  # type: ignore[no-untyped-def]
    values = {"server": "https://acme.example"}
    config = configured(provider=own(), client_id="tv", provider_values=values)
    assert config.text("oauth.token_endpoint") == "https://acme.example/eu/token"
    assert config.pairs("oauth.extra") == [("where", "eu")]
    assert (config.text("oauth.scope"), config.flag("pairing.announce")) == ("all", False)
    assert config.get("oauth.dialect") == {
        "format": "json",
        "words": {"nope": "access_denied", "calm down": "slow_down"},
        "statuses": {"418": "access_denied"},
    }
    more = configured(provider=own(), client_id="tv", provider_values=values, extra={"mkt": "de"})
    assert dict(more.pairs("oauth.extra")) == {"where": "eu", "mkt": "de"}
    tables = {
        "oauth": {"provider": own(), "client_id": "tv", "provider_values": values, "scope": "less",
                  "token_endpoint": "https://other.example/token"},
        "pairing": {"announce": True},
    }  # fmt: skip
    config = with_provider(Config.from_tables(tables, "pairlet.toml"))
    assert config.text("oauth.token_endpoint") == "https://other.example/token"
    # Also where what is set is the default of everybody else.
    assert (config.text("oauth.scope"), config.flag("pairing.announce")) == ("less", True)


def test_how_to_send_a_secret_is_for_those_who_have_one(own) -> None:  # type: ignore[no-untyped-def]
    given = {"provider": own(), "client_id": "tv", "provider_values": {"server": "https://a.example"}}
    assert configured(**given).get("oauth.client_auth") is None
    given["client_secret_env"] = "ACME"
    assert configured(**given).text("oauth.client_auth") == "client_secret_post"


def test_what_is_missing_is_named_with_what_to_put_there(own) -> None:  # type: ignore[no-untyped-def]
    assert "server" in refused(provider=own(), client_id="tv")
    assert "the address of yours" in refused(provider=own(), client_id="tv")
    server = {"server": "https://a.example"}
    assert "oauth.client_id Set it: the one from the portal" in refused(
        provider=own(), provider_values=server
    )
    assert "client_secret_file" in refused(provider="google", client_id="x", scope="email")
    fine = configured(provider="google", client_id="x", scope="email", client_secret_credential="google")
    assert fine.text("oauth.client_auth") == "client_secret_post"
    words = refused(
        provider=own(), client_id="tv", provider_values={"server": "https://a.example", "regoin": "x"}
    )
    assert "regoin" in words and "region" in words
    assert "needs none" in refused(
        provider="okta", client_id="x", issuer="https://a", provider_values={"a": "b"}
    )
    assert "oauth.device_authorization_endpoint" in refused(
        provider=own(), client_id="tv", provider_values={"server": "a.example"}
    )
    assert "github" in refused(provider="gitbuh", client_id="tv")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name = ", "TOML"),
        ("", "no name"),
        ("name = 5", "name"),
        ('name = "A"\nvalues = ["x"]', "values"),
        ('name = "A"\nvalue = {}', "value"),
        ('name = "A"\nneeds = { a = 1 }', "needs"),
        ('name = "A"\noauth = "x"', "oauth"),
        ('name = "A"\noauth = { token_endpoint = "{server}/x" }', "server"),
        ('name = "A"\noauth = { extra = { a = "{b}" } }', "extra"),
        ('name = "A"\nerrors = { slow_down = "x" }', "slow_down"),
        ('name = "A"\nerrors = { slow_down = { says = 5 } }', "slow_down"),
        ('name = "A"\nerrors = { slow_down = { says = [] } }', "slow_down"),
        ('name = "A"\nerrors = { slow_down = { status = "400" } }', "slow_down"),
        ('name = "A"\nerrors = { slow_down = { status = 4000 } }', "slow_down"),
        ('name = "A"\nerrors = { slow_down = { word = "x" } }', "slow_down"),
        ('name = "A"\nerrors = { slow_donw = { says = "x" } }', "slow_donw"),
        ('name = "A"\nerrors = { slow_down = { says = "x" }, access_denied = { says = ["y", "X"] } }', "'x'"),
        ('name = "A"\nerrors = { slow_down = { says = "" }, access_denied = { says = "" } }', "'400'"),
        ('name = "A"\nneeds = { clientid = "the ID" }', "clientid"),
        ("name = " + 3000 * "[", "deep"),
        ('name = "A"\ndialect = { fromat = "json" }', "fromat"),
        ('name = "A"\ndialect = { words = {} }', "errors"),
        ('name = "A"\ndialect = 5', "dialect"),
        ('name = "A"\ndialect = { refresh_statuses = { 4000 = "x" } }', "'4000'"),
        ('name = "A"\nimitation = { code = 5 }', "imitation"),
        ('name = "A"\nimitation = { code = { adds = [] } }', "imitation"),
        ('name = "A"\nimitation = { code = { adds = { ends = 2026-01-01 } } }', "imitation"),
        ('name = "A"\nimitation = { token = { leaves_out = [5] } }', "imitation"),
        ('name = "A"\noauth = { tokn_endpoint = "https://a" }', "token_endpoint"),
        ('name = "A"\noauth = { token_endpoint = 5 }', "token_endpoint"),
        ('name = "A"\npairing = { announce = "no" }', "announce"),
        ('name = "A"\npairing = 5', "pairing"),
    ],
)
def test_a_profile_that_can_not_be_used_is_refused_by_name(own, text: str, word: str) -> None:  # type: ignore[no-untyped-def]
    words = refused(provider=own(text), client_id="tv")
    assert word in words and "acme.toml" in words


def test_a_profile_from_elsewhere_steers_no_terminal(own) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError) as caught:
        configured(provider=own('name = "\\u001b[2JA"\n[needs]\nscope = "\\u009b31m, or\\u202e"\n'))
    said = io.StringIO()
    Output(False, io.StringIO(), said).error(caught.value)
    assert r"\x1b[2JA needs oauth.scope" in said.getvalue() and r"\x9b31m, or\u202e" in said.getvalue()
    assert is_clean(said.getvalue().replace("\n", ""))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused(provider=str(tmp_path / "gone.toml"), client_id="tv")
    assert "directory" in refused(provider=str(tmp_path) + "/", client_id="tv")


def test_a_path_starts_from_where_the_configuration_is(own, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    own()
    assert found_beside("acme.toml", tmp_path) == str(tmp_path / "acme.toml")
    assert found_beside("github", tmp_path) == "github"
    assert found_beside("~nobody-at-all/acme.toml", tmp_path) == str(tmp_path / "~nobody-at-all/acme.toml")
    given = {"provider": "acme.toml", "client_id": "tv", "provider_values": {"server": "https://a.example"}}
    assert presets(given, tmp_path, "x")[1].name == "Acme"  # type: ignore[union-attr]


def test_files_that_a_profile_names_are_beside_it(own, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    profile = own(
        'name = "A"\n[oauth]\nissuer = "https://a.example"\nca_file = "ca.pem"\nclient_key_file = "/k"\n'
    )
    config = configured(provider=profile, client_id="tv")
    assert (config.text("oauth.ca_file"), config.text("oauth.client_key_file")) == (
        f"{tmp_path}/ca.pem",
        "/k",
    )
    config = configured(provider=profile, client_id="tv", ca_file="mine.pem")
    assert config.text("oauth.ca_file") == "mine.pem"


def test_values_can_be_given_on_the_command_line() -> None:
    config = Config({}).with_text("oauth.provider", "entra", "line")
    config = config.with_text("oauth.provider_values", "tenant=contoso, server=https://x.example", "line")
    config = config.with_text("oauth.client_id", "a", "line").with_text("oauth.scope", "b", "line")
    address = with_provider(config).text("oauth.token_endpoint")
    assert address == "https://x.example/contoso/oauth2/v2.0/token"


def test_the_readme_has_each_with_what_it_needs() -> None:
    text = (ROOT / "agent/README.md").read_text().split("## Providers\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|([^|]*)\| (yes|no) \|$", text, re.MULTILINE)
    assert [row[0] for row in rows] == names()
    for name, _, settings, values, on_board in rows:
        profile = read(name, Path())
        needs = set(profile.needs) - set(profile.values)
        assert set(re.findall(r"`(\w+)`", settings)) == needs, name
        open_values = {value for value, default in profile.values.items() if not default}
        told = set(re.findall(r"`(\w+)`", values))
        assert open_values <= told <= set(profile.values), name
        assert on_board == ("no" if profile.wants_secret else "yes"), name


def test_the_readme_s_profile_is_one_that_works(own) -> None:  # type: ignore[no-untyped-def]
    text = (ROOT / "agent/README.md").read_text().split("### A profile of your own\n")[1]
    example = text.split("```\n")[1]
    config = configured(provider=own(example), client_id="tv")
    assert config.text("oauth.token_endpoint") == "https://login.acme.example/token"
    members = set(tomllib.loads(example))
    assert members == set(_MEMBERS)
    assert set(config.get("oauth.dialect")) | {"poll", "refresh"} == set(_KEYS)  # type: ignore[arg-type]
