"""`--help` of every command is complete: what it does, each option with its shape and its default, examples.

The commands come from the real parsers, so that a new one is looked at by itself.
"""

import argparse
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.grammars import Command, all_commands, ran, understood

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = all_commands()
WIDEST = 100
# What a number is a number of.
UNITS = re.compile(r"second|byte|port|pixel|line|process|scenario|year|30s|seed|the first life's")
# Where people look an option of a command up, by the command's first word.
READMES = {
    "sim": ("README.md", "simulator/README.md"),
    "demo": ("README.md", "simulator/README.md"),
    "flash": ("README.md", "firmware/README.md"),
    "": ("README.md", "agent/README.md"),
}
NUMBERS = (
    "port",
    "_port",
    "whole",
    "seconds",
    "_bytes",
    "_scale",
    "_years",
    "_seed",
    "_duration",
    "int",
    "float",
)


def name_of(command: Command) -> str:
    """For pytest."""
    return command.name


def title(action: argparse.Action) -> str:
    """What a person calls it."""
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)


def readmes(command: Command) -> str:
    """The text of those that this command's options belong into."""
    names = READMES.get(command.words[0] if command.words else "", READMES[""])
    return "\n".join((ROOT / name).read_text() for name in names)


def test_there_are_commands_to_look_at() -> None:
    found = {command.name for command in COMMANDS}
    assert {
        "pairlet",
        "pairlet pair",
        "pairlet service install",
        "pairlet sim board",
        "pairlet demo",
    } <= found
    assert len(found) > 20 and all(len(command.actions) for command in COMMANDS if command.is_leaf)


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_help_ends_well_and_fits(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("80", "240"):
        monkeypatch.setenv("COLUMNS", columns)
        assert ran([*command.words, "--help"]) == 0
        said, errors = capsys.readouterr()
        assert not errors and said.startswith("usage: " + command.name)
        too_wide = [line for line in said.splitlines() if len(line) > WIDEST]
        assert not too_wide, f"{command.name} --help has lines of more than {WIDEST} columns: {too_wide}"


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_it_says_in_a_sentence_what_the_command_does(command: Command) -> None:
    text = " ".join((command.parser.description or "").split())
    assert re.match(r"[A-Z].{15,}\.( |$)", text), f"{command.name}: give its parser a description, a sentence"


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_every_option_says_its_shape_and_its_default(command: Command) -> None:
    for action in command.actions:
        what = f"{command.name} {title(action)}"
        text = action.help or ""
        assert len(text) > 10 and text is not argparse.SUPPRESS, f"{what}: add a help text"
        if action.nargs == 0:
            continue
        assert action.metavar or action.choices, f"{what}: give it a metavar (FILE, URL ...) or choices"
        shown = text % {"default": action.default} if "%(" in text else text
        if action.default not in (None, "", [], argparse.SUPPRESS):
            assert (
                f"default: {action.default:g}" in shown
                if isinstance(action.default, float)
                else (f"default: {action.default}" in shown or f", {action.default})" in shown)
            ), f"{what}: say in the help that the default is {action.default}"
        if getattr(action.type, "__name__", "") in NUMBERS:
            assert UNITS.search(shown), f"{what}: say in the help what the number counts ({UNITS.pattern})"


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.is_leaf], ids=name_of)
def test_examples_are_commands_that_are_understood(command: Command) -> None:
    epilog = (command.parser.epilog or "").replace("\\\n", " ")
    examples = [line.strip() for line in epilog.splitlines() if line.startswith("  pairlet ")]
    own = [action for action in command.actions if action.container.title != "common options"]
    if own:
        wanted = f"{command.name}: add examples(...) as the epilog of its parser, a line that begins with it"
        assert any(line.startswith(command.name) for line in examples), wanted
    for line in examples:
        words = shlex.split(line, comments=False)
        words = words[: words.index("in")] if line.endswith("in another terminal") else words
        assert understood(words[1:]), line


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_every_option_is_in_a_readme(command: Command) -> None:
    text = readmes(command)
    missing = [
        option
        for action in command.actions
        for option in action.option_strings[-1:]
        if not re.search(re.escape(option) + r"(?![\w-])", text)
    ]
    assert not missing, f"{command.name}: no README names {', '.join(missing)}"


def test_the_script_run_says_all_that_it_does() -> None:
    source = (ROOT / "run").read_text()
    known = re.findall(r"^    ([a-z]+)\) ", source.split("\ncase $command in\n")[1], re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "clean"} == set(known)
    for words in (["help"], ["--help"], ["-h"]):
        done = subprocess.run(["sh", "run", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == ""
        lines = done.stdout.splitlines()
        assert all(re.search(rf"^\./run {name} .*\w{{4}}", done.stdout, re.MULTILINE) for name in known)
        assert all(len(line) <= WIDEST for line in lines), [line for line in lines if len(line) > WIDEST]
    for words, said in (([], "./run test"), (["tset"], "no command 'tset'")):
        done = subprocess.run(["sh", "run", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and said in done.stderr and done.stdout == ""
