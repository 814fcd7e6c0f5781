"""The file that `pairlet init` writes: read back as it was meant, whole or not at all."""

import argparse
import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairlet.config import SETTINGS, Config
from pairlet.core.errors import ConfigError, StoreError
from pairlet.linux.init.draft import Draft, quoted, text_of, written
from pairlet.linux.init.grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE
from pairlet.linux.init.options import add_init
from pairlet.linux.init.target import Target
from pairlet.linux.providers import names, read

MEANINGS = {name: setting.meaning for name, setting in SETTINGS.items()}
# TOML can't hold half of a surrogate pair; no answer with one is taken.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_any_text_is_read_back_from_quotes(text: str) -> None:
    assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}


@given(st.dictionaries(TEXTS, TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_tables_and_lists_are_read_back(table: dict[str, str], texts: list[str]) -> None:
    assert tomllib.loads(f"a = {written(table)}\nb = {written(texts)}") == {"a": table, "b": texts}
    assert tomllib.loads(f"a = {written(True)}\nb = {written(7)}") == {"a": True, "b": 7}


def draft(grant: str = DEVICE_CODE, **values: object) -> Draft:
    made = Draft()
    made.put("oauth.grant", grant)
    for name, value in values.items():
        made.put(name.replace("__", "."), value)  # type: ignore[arg-type]
    return made


DRAFTS = [
    draft(),
    draft(AUTHORIZATION_CODE, oauth__issuer="https://a.example", oauth__client_id='"\\'),
    draft(CLIENT_CREDENTIALS, oauth__client_secret_file="secret", oauth__scope="a b", mqtt__url="mqtts://b"),
    draft(oauth__extra={"prompt": "consent"}, store__dir="/var/x", telemetry__sensors=["cpu"],
          oauth__insecure_http=True, pairing__codes=7, telemetry__interval="5s"),
]  # fmt: skip


@pytest.mark.parametrize("each", DRAFTS)
def test_each_setting_stands_below_a_comment_and_is_what_was_chosen(each: Draft) -> None:
    text = text_of(each, MEANINGS)
    tables = tomllib.loads(text)
    assert Config.from_tables(tables, "test").values["oauth.grant"] == each.grant
    assert {
        f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()
    } == each.values
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for number, line in enumerate(lines):
        if line and line[0] not in "#[":
            assert lines[number - 1].startswith("# ") and lines[number - 1].endswith((".", ":")), line


def test_what_a_setting_means_is_written_as_it_is() -> None:
    meanings = {"oauth.dpop": "bind tokens to a key (RFC 9449)"}
    assert "# Bind tokens to a key (RFC 9449).\n" in text_of(draft(oauth__dpop=True), meanings)


@pytest.mark.parametrize("each", DRAFTS)
def test_what_stands_in_comments_can_be_used_as_it_is(each: Draft) -> None:
    lines = text_of(each, MEANINGS).splitlines()
    used = [line.removeprefix("# ") if " = " in line else line for line in lines]
    assert used != lines
    assert Config.from_tables(tomllib.loads("\n".join(used)), "test").values


@pytest.mark.parametrize("name", names())
def test_what_a_profile_leaves_open_stands_in_a_comment_with_its_defaults(name: str) -> None:
    made = draft(oauth__provider=name)
    made.profile = read(name, Path())
    text = text_of(made, MEANINGS)
    assert f"# {made.profile.name}: " in text
    open_values = {key: value for key, value in made.profile.values.items() if "{" not in value}
    hint = [line for line in text.splitlines() if line.startswith("# provider_values = ")]
    assert [tomllib.loads(line[2:])["provider_values"] for line in hint] == (
        [open_values] if open_values else []
    )


# ---- where it is written ----


def good(path: Path) -> None:
    """What reads the file before it takes its name."""
    assert path.read_text()


def test_a_new_file_a_replaced_one_and_one_that_stays(tmp_path: Path) -> None:
    target = Target(str(tmp_path / "new/folder/pairlet.toml"))
    assert not target.exists() and not (tmp_path / "new").exists()
    target.write("a\n", good, replace=False)
    os.umask(umask := os.umask(0))
    assert target.path.read_text() == "a\n" and stat.S_IMODE(target.path.stat().st_mode) == 0o666 & ~umask
    with pytest.raises(ConfigError, match="is there"):
        target.write("b\n", good, replace=False)
    assert target.path.read_text() == "a\n"
    target.path.chmod(0o640)
    target.write("b\n", good, replace=True)
    assert target.path.read_text() == "b\n" and stat.S_IMODE(target.path.stat().st_mode) == 0o640
    if os.geteuid() == 0:
        # `sudo pairlet init --force` leaves the file to the user whose it is.
        os.chown(target.path, 65534, 65534)
        target.write("c\n", lambda path: None, replace=True)
        assert target.path.stat().st_uid == target.path.stat().st_gid == 65534
    assert os.listdir(target.path.parent) == ["pairlet.toml"]


def test_what_the_reader_does_not_take_is_never_there(tmp_path: Path) -> None:
    def bad(path: Path) -> None:
        raise ConfigError(f"{path} is no good")

    target = Target(str(tmp_path / "pairlet.toml"))
    target.path.write_text("old\n")
    with pytest.raises(ConfigError):
        target.write("new\n", bad, replace=True)
    assert target.path.read_text() == "old\n" and os.listdir(tmp_path) == ["pairlet.toml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.toml").symlink_to(tmp_path / "real.toml")
    Target(str(tmp_path / "link.toml")).write("a\n", good, replace=False)
    assert (tmp_path / "link.toml").is_symlink() and (tmp_path / "real.toml").read_text() == "a\n"


def test_where_none_can_be_written_it_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder") as caught:
        Target(str(tmp_path))
    assert caught.value.advice.endswith("pairlet.toml.")
    with pytest.raises(ConfigError, match="is no file"):
        Target("/dev/null")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is no folder"):
        Target(str(tmp_path / "file/pairlet.toml"))
    # Root, who may write anywhere as far as one can ask, finds out with the file.
    with pytest.raises(StoreError, match="may not write to /proc|/proc/pairlet.toml can't be written"):
        Target("/proc/pairlet.toml").write("a", good, replace=False)


def test_names_of_files_mean_the_same_from_here_and_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    beside, elsewhere = Target("pairlet.toml"), Target("/etc/pairlet/pairlet.toml")
    assert beside.relative("secret") == "secret" and elsewhere.relative("secret") == str(tmp_path / "secret")
    assert beside.relative("keys/secret") == "keys/secret"
    assert beside.relative("../secret") == str(tmp_path.parent / "secret")
    assert beside.relative("~/secret") == "/home/ada/secret"
    assert elsewhere.relative("/etc/pairlet/secret") == "secret"
    # A file whose name is that, and nobody's home.
    assert beside.relative("./~ada") == str(tmp_path / "~ada")


def test_the_help_fits_a_terminal_and_names_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    commands = argparse.ArgumentParser().add_subparsers()
    add_init(commands)
    text = commands.choices["init"].format_help()
    options = (
        "for browser no-browser grant provider value issuer ca-file insecure-http client-id "
        "client-secret-file client-secret-credential client-secret-env client-key-file scope "
        "broker broker-profile authorizer set no-input offline force json"
    )
    assert [option for option in options.split() if f"--{option}" not in text] == []
    assert max(map(len, text.splitlines())) <= 80
