"""Every command of `pairlet` with its real parser, found by walking them: a new one is there by itself."""

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

from pairlet.linux import options
from pairlet.linux.cli import main
from pairlet_sim import commands, demo


class Command(NamedTuple):
    """`words`: what is typed for it after `pairlet`. `is_leaf`: no further command comes after them."""

    words: tuple[str, ...]
    parser: argparse.ArgumentParser
    is_leaf: bool

    @property
    def name(self) -> str:
        """As people type it."""
        return " ".join(("pairlet", *self.words))

    @property
    def actions(self) -> list[argparse.Action]:
        """Its options and arguments, without --help and without sub-commands."""
        return [
            action
            for action in self.parser._actions
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]


def all_commands() -> list[Command]:
    """`pairlet` and all below it."""
    roots: tuple[tuple[tuple[str, ...], argparse.ArgumentParser], ...] = (
        ((), options.parser()),
        (("demo",), demo.parser()),
        (("sim",), commands.parser()),
    )
    return [command for words, parser in roots for command in _walk(words, parser)]


def leaves() -> list[Command]:
    """The commands that do something."""
    return [command for command in all_commands() if command.is_leaf]


def _walk(words: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[Command]:
    below: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
    yield Command(words, parser, not below)
    for name, sub_parser in below.items():
        yield from _walk((*words, name), sub_parser)


def ran(words: list[str]) -> int:
    """The exit code of `pairlet` with `words`, in this process."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def understood(words: list[str]) -> bool:
    """Whether the real parser takes `words` (without `pairlet`); nothing is run."""
    parsers = {"demo": demo.parser, "sim": commands.parser}
    parse = parsers.get(words[0] if words else "", options.parser)
    try:
        parse().parse_args(words[1:] if words and words[0] in parsers else words)
    except SystemExit as end:
        return end.code == 0
    return True
