"""Every option of every command, used wrongly: exit code 2, a clear sentence, nothing written, nobody asked.

The options come from the real parsers. What is wrong with all of them (no value, an empty one, one with
characters that can't be used) is tried on each by itself; what is wrong for one of them alone
is in the tables below, and an option that is in none fails `test_there_is_an_entry_for_every_option`.
"""

import argparse
import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.grammars import Command, leaves, ran

LEAVES = leaves()
COMMON = "common options"
# Files that can't be read: none, a folder, one that gives an error, one that is no text. (Root may read all.)
UNREADABLE = ("missing", "folder", "/proc/self/mem", "binary")
NO_NUMBERS = ("x", "1.5.1", "-1", "99999999999999999999", "", "1e400", "nan", "\u0663")
NOT_FROM_1 = (*NO_NUMBERS, "0", "1.5")
NO_PORTS = (*NO_NUMBERS, "65536", "1.5")
NO_ADDRESSES = ("auth.example.com", "https://", "ftp://auth.example.com", " ")

# ---- what is wrong, by option: an empty tuple where every text is right -------------------------

OF_ALL: dict[str, tuple[str, ...]] = {
    "--config": (*UNREADABLE, "not.toml", "deep.toml"),
    "--issuer": NO_ADDRESSES,
    "--client-id": (" ",),
    "--client-secret-file": (*UNREADABLE, "empty"),
    "--scope": (),
    "--ca-file": ("missing", "/proc/self/mem", "binary", "empty"),
    "--state-dir": ("empty", "/proc/self/nowhere"),
    "--set": ("oauth.issuer", "oauth.isuer=x", "telemetry.interval=soon", "=", "oauth.issuer=", "x.y=z"),
}
OF_SERVERS: dict[str, tuple[str, ...]] = {
    "--host": ("192.0.2.1", "0.0.0.0", "no host"),
    "--port": NO_PORTS,
    "--client-id": ("\u00e4", "x" * 201),
    "--client-secret-file": (*UNREADABLE, "empty"),
    "--scope": ("\u00e4", '"'),
}
OF_ONE: dict[str, dict[str, tuple[str, ...]]] = {
    # A folder that is not there is no mistake: nothing has been kept yet.
    "pairlet status": {"--state-dir": ("empty",)},
    "pairlet init": {
        "PATH": ("folder",),
        "--grant": ("implicit", "password", "code"),
        "--provider": ("githup",),
        "--value": ("tenant=x",),
        "--issuer": NO_ADDRESSES,
        # Without the server these may come to be later.
        "--ca-file": (),
        "--client-id": (" ",),
        "--client-secret-file": (),
        "--client-secret-credential": ("a/b",),
        "--client-secret-env": ("my secret",),
        "--client-key-file": (),
        "--scope": ("\\",),
        "--broker": ("https://b", "b"),
        "--broker-profile": ("x",),
        "--authorizer": ("x",),
        "--set": ("oauth.issuer=https://x", "oauth.isuer=x", "telemetry.interval=soon", "telemetry.interval"),
    },
    "pairlet exec": {"COMMAND": ("no-such-program-here",)},
    "pairlet flash": {
        "PORT": ("missing", "folder", "empty", "/dev/null"),
        "--config": (*UNREADABLE, "not.toml", "list.json"),
        "--wifi-ssid": ("x" * 33,),
        "--wifi-key-file": (*UNREADABLE, "empty"),
        "--issuer": NO_ADDRESSES,
        "--client-id": (" ",),
        "--scope": (),
        "--broker": ("broker.example.com", "https://broker.example.com", " "),
        "--ca-file": (*UNREADABLE, "empty"),
        "--display": ("hologram", "terminal2"),
    },
    "pairlet service install": {
        "--config": (*UNREADABLE, "not.toml", "nobody.toml"),
        "--as": ("no-such-user-here", "x" * 300),
        "--name": ("../x", "a b", "\u00e4"),
    },
    "pairlet service remove": {"--name": ("../x", "a b", "\u00e4")},
    "pairlet service status": {"--name": ("../x", "a b", "\u00e4")},
    "pairlet demo": {"--port": (*NO_PORTS, "0"), "--for": ("soon", "0s", "-5s", "9999999s", "5 m", "1e3")},
    "pairlet sim authserver": {
        **OF_SERVERS,
        "--certfile": ("missing",),
        "--keyfile": ("missing",),
        "--issuer": ("auth.example.com", "http://auth.example.com", "https://a/?q", "https://u:p@a"),
        "--user": ("ada", " "),
        "--password-file": (*UNREADABLE, "empty"),
        "--client-auth": ("password", "private_key_jwt"),
        "--client-jwks-file": (*UNREADABLE, "not.toml", "list.json"),
        "--client-name": (),
        "--audience": (),
        "--device-scope": ("\u00e4",),
        **dict.fromkeys(
            ("--code-lifetime", "--interval", "--token-lifetime", "--refresh-lifetime"), NOT_FROM_1
        ),
        "--grace": NO_NUMBERS,
        "--like": ("githb", "binary", "facebook"),
        "--database": ("folder", "/proc/self/nowhere/x", "binary"),
    },
    "pairlet sim broker": {
        "--host": ("192.0.2.1", "0.0.0.0", "no host"),
        "--port": NO_PORTS,
        "--issuer": ("auth.example.com", "ftp://auth.example.com"),
        "--jwks": ("keys.json", "ftp://auth.example.com"),
        "--audience": (),
    },
    "pairlet sim board": {
        "--flash": ("folder", "missing/flash"),
        "--size": ("x", "4096", "40000", "-1", "9999999999999999k"),
        "--heap": ("x", "1k", "1000m", "-1"),
        "--micropython": ("missing", "folder", "binary"),
        "--wifi": ("home", "home:", ":empty", "home:missing", "home:folder", "home:binary"),
        "--link": ("empty", "missing/link"),
        "--control": ("missing/socket", "folder", "empty", "x" * 200),
        "--trace": ("folder", "missing/trace"),
        "--png": ("folder", "missing/x.png"),
        "--scale": ("x", "0", "65", "1.5"),
    },
    "pairlet sim faults": {**OF_SERVERS, "--https": ("folder", "missing/ca.pem")},
    "pairlet sim faultproxy": {
        "HOST:PORT": ("127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", "http://127.0.0.1:80", ":1883", "a b"),
        "--host": OF_SERVERS["--host"],
        "--port": NO_PORTS,
        "--fault": ("blackhol", "delay", "delay x", "cut -1", " "),
    },
    "pairlet sim conformance": {
        "COMMAND": ("no-such-program-here {issuer}", "true", "true {isuer}"),
        "--then": ("no-such-program-here", "'", " ", "true {isuer}"),
        "--unpair": ("no-such-program-here", "'", " ", "true {isuer}"),
        "--only": ("slow_dwn", " ", ","),
        "--skip": ("slow_dwn",),
        "--jobs": NOT_FROM_1,
        "--scope": ("\u00e4", '"'),
        "--logs": ("empty", "/proc/self/nowhere"),
    },
    "pairlet sim soak": {
        "--years": ("x", "0", "-1", "nan", "inf", "1e7"),
        "--seed": ("x", "-1", "1.5", "9" * 30, "\u0663"),
        "--jobs": NOT_FROM_1,
        "--timeline": NOT_FROM_1,
    },
}
# The contract's word for what is wrong with a store, and with a certificate.
EXIT_CODES = {"--state-dir": 8}
# Options that exclude each other, or need another one; and what has to be said of it.
CONTRADICTIONS = [
    ("pairlet service install --config good.toml --user --as root", "--as"),
    ("pairlet sim authserver --certfile x.pem", "--keyfile"),
    ("pairlet sim authserver --keyfile x.pem", "--certfile"),
    ("pairlet sim authserver --user ada", "--password-file"),
    ("pairlet sim authserver --password-file empty", "--user"),
    ("pairlet sim authserver --host 0.0.0.0", "--allow-remote"),
    ("pairlet sim authserver --host 0.0.0.0 --allow-remote", "--issuer"),
    ("pairlet sim faults --host 192.0.2.1", "--allow-remote"),
    ("pairlet sim faultproxy 127.0.0.1:1 --host 192.0.2.1", "--allow-remote"),
    ("pairlet sim conformance --only drip --skip drip -- true {issuer}", "--skip"),
    ("pairlet pair --issuer http://127.0.0.1:1 --client-id tv --state-dir state", "--insecure-http"),
    ("pairlet pair --issuer http://a.example --client-id tv --state-dir state --insecure-http", "loopback"),
    ("pairlet exec ls --all", "--all"),
]

# ---- what is right, so that the one wrong thing is what is told ----------------------------------

BASES = {
    COMMON: ("--issuer https://auth.example.com --client-id tv --state-dir state", ""),
    "pairlet init": (
        "--for person --no-browser --issuer https://auth.example.com --client-id tv --offline --no-input",
        "",
    ),
    "pairlet exec": ("--issuer https://auth.example.com --client-id tv --state-dir state", "-- true"),
    "pairlet flash": ("", "/dev/null"),
    "pairlet service install": ("--config good.toml", ""),
    "pairlet sim authserver": ("--port 0", ""),
    "pairlet sim broker": ("--port 0 --jwks http://127.0.0.1:1/jwks", ""),
    "pairlet sim faults": ("--port 0", ""),
    "pairlet sim faultproxy": ("--port 0", "127.0.0.1:1"),
    "pairlet sim conformance": ("", "-- true {issuer}"),
}


def name_of(command: Command) -> str:
    """For pytest."""
    return command.name


def title(action: argparse.Action) -> str:
    """What a person calls it."""
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)


def is_common(action: argparse.Action) -> bool:
    """Whether it is one of the agent's commands' alike."""
    return action.container.title == COMMON


def entry(command: Command, action: argparse.Action) -> "tuple[str, ...] | None":
    """What is wrong for this option alone; None if nobody has said so."""
    if action.nargs == 0 or action.choices is not None:
        return ("none-of-those",) if action.nargs != 0 else ()
    own = OF_ONE.get(command.name, {}).get(title(action))
    return OF_ALL.get(title(action)) if own is None and is_common(action) else own


def words_for(command: Command, action: argparse.Action, *values: str) -> list[str]:
    """A command line that is right but for `action`, which stands there as `values`."""
    kind = COMMON if any(map(is_common, command.actions)) else ""
    before, after = BASES.get(command.name) or BASES.get(kind, ("", ""))
    words = before.split()
    if title(action) in words:
        place = words.index(title(action))
        del words[place : place + 2]
    if command.name == "pairlet sim broker" and title(action) == "--jwks":
        words = ["--port", "0"]
    if action.option_strings:
        return [*command.words, *words, *values, *after.split()]
    tail = after.split()
    return [*command.words, *words, *tail[: tail.index("--") + 1 if "--" in tail else 0], *values]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some files of no use; here nobody can listen, connect or start a process."""
    files = {
        "empty": b"", "binary": b"\xff\xfe\x00\x80" * 9, "not.toml": b"[oauth\n", "list.json": b"[1]",
        "deep.toml": b"a = " + 3000 * b"[",
        "nobody.toml": b"[oauth]\nissuer = 'https://auth.example.com'\n",
        "good.toml": b"[oauth]\nissuer = 'https://auth.example.com'\nclient_id = 'tv'\n",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "device").write_text('{"device_id": "tv-1"}')
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)

    def refuse(*_words: object, **_settings: object) -> None:
        raise AssertionError("misuse was not noticed: this would have gone on")

    def no_program(*_words: object, **_settings: object) -> None:
        raise OSError("no program here")

    def connect(self: socket.socket, _address: object) -> None:
        if self.family == socket.AF_UNIX:
            raise ConnectionRefusedError  # `status` may ask whether an agent is at work
        refuse()

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "sock_connect", refuse)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "create_server", refuse)
    monkeypatch.setattr(subprocess, "run", no_program)
    monkeypatch.setattr(os, "fork", refuse)
    return tmp_path


def everything_in(folder: Path) -> "list[tuple[str, int, int]]":
    """What is there, with sizes and times (of files: one that was made, and removed again, is no trace)."""
    found = [(file, file.lstat(), file.is_dir()) for file in folder.rglob("*")]
    return sorted(
        (str(file), 0 if is_dir else at.st_size, 0 if is_dir else at.st_mtime_ns)
        for file, at, is_dir in found
    )


Check = Callable[..., None]


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Check]:
    """Run a command line that is wrong, and see how that is told. In the end nothing has been written."""
    before = everything_in(place)

    def check(words: list[str], named: "tuple[str, ...]", code: int = 2) -> None:
        result = ran(words)
        said, errors = capsys.readouterr()
        if words[:1] == ["doctor"] and not errors:
            # Its report is what it was asked for: the mistake is the first thing that it finds.
            errors, said = "\n".join(said.splitlines()[1:3]), ""
        line = f"{words}: exit code {result}, {errors!r}"
        assert result == code, line
        assert said == "" and "Traceback" not in errors and "report it" not in errors, line
        assert 0 < len(errors.splitlines()) <= 2 and len(errors) < 700, line
        found = any(word and word.lower() in errors.lower() for word in named)
        assert found, f"{line}: it names none of {named}"

    yield check
    assert everything_in(place) == before


def told_by(action: argparse.Action, value: str) -> "tuple[str, ...]":
    """Words of which one has to be in the sentence: the option, its setting, or the value itself."""
    plain = title(action).removeprefix("--")
    return (
        value.rpartition(":")[2],
        value.partition("=")[0],
        title(action),
        plain,
        plain.replace("-", "_"),
        plain.replace("-", " "),
        value.strip().partition(" ")[0],
    )


@pytest.mark.parametrize("command", LEAVES, ids=name_of)
def test_there_is_an_entry_for_every_option(command: Command) -> None:
    missing = [title(action) for action in command.actions if entry(command, action) is None]
    advice = "say in OF_ONE of this file what is wrong for it, or () if every text is right"
    assert not missing, f"{command.name}: nobody tries {', '.join(missing)}; {advice}"


def test_there_is_no_entry_for_what_is_gone() -> None:
    there = {command.name: {title(action) for action in command.actions} for command in LEAVES}
    for name, entries in OF_ONE.items():
        assert set(entries) <= there[name], name
    assert set(OF_ALL) <= there["pairlet pair"]


@pytest.mark.parametrize("command", LEAVES, ids=name_of)
def test_what_is_wrong_with_any_option(command: Command, refused: Check) -> None:
    for action in command.actions:
        option, shape = title(action), str(action.metavar)
        values = ["a\x00b", "a\nb", "\x1b[31m"]
        if shape not in ("FILE", "DIR", "PEM", "PATH", "SOCKET", "CA.PEM"):
            values.append("a\udcffb")
        if shape not in ('"a b"', '"A B"'):
            values.append("")
        if not action.option_strings:
            if "--" not in BASES.get(command.name, ("", ""))[1]:
                for value in values:
                    refused(words_for(command, action, value), ("argument",))
            continue
        if action.nargs == 0:
            refused(words_for(command, action, option + "=1"), (option,))
            continue
        without_value = words_for(command, action)
        refused(words_for(command, action, option, "--json"), (option,))
        refused([*without_value[: len(command.words)], option], (option,))
        for value in values:
            refused(words_for(command, action, option, value), (option,))
        refused(words_for(command, action, f"{option}={values[0]}"), (option,))
    known = next(action for action in command.actions if action.option_strings)
    misspelt = title(known) + "x"
    refused(words_for(command, known, misspelt), (misspelt,))


@pytest.mark.parametrize("command", LEAVES, ids=name_of)
def test_what_is_wrong_with_one_option(command: Command, refused: Check) -> None:
    for action in command.actions:
        option = title(action)
        for value in entry(command, action) or ():
            values = [option, value] if action.option_strings else value.split() or [value]
            if value[:1] == "-":
                values = [f"{option}={value}"]
            code = EXIT_CODES.get(option, 2)
            refused(words_for(command, action, *values), told_by(action, value), code)


@pytest.mark.parametrize(("line", "named"), CONTRADICTIONS)
def test_options_that_contradict_each_other(line: str, named: str, refused: Check) -> None:
    refused(line.split()[1:], (named,))


@pytest.mark.parametrize(
    "words", [[], ["sim"], ["service"], ["frob"], ["sim", "frob"], ["service", "frob"], ["-x"]]
)
def test_a_command_that_is_none(words: list[str], refused: Check) -> None:
    refused(words, ("are required: COMMAND", "are required: ACTION", "no command frob", "no option -x"))


def test_a_command_that_was_nearly_typed(refused: Check) -> None:
    refused(["pair", "--\x1b[31mred"], ("no option --\\x1b[31mred",))
    for word, meant in (("dmeo", "demo"), ("statsu", "status"), ("pir", "pair")):
        refused([word], (f"did you mean {meant}?",))
    refused(["sim", "bored"], ("did you mean board?",))
