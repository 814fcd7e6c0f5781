"""Handlers of the owner's own commands: how the configuration names them, and what they may return."""

import json

from .command import BUILT_IN, is_name, is_number
from .command_error import CommandError
from .errors import ConfigError
from .text import clean

_LARGEST_REPLY = 8192
_MOST_PARTS = 1000
_DEEPEST = 8
_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"


def handlers_of(words: "list[str]") -> "list[tuple[str, str, str]]":
    """Each entry of commands.handlers as (command, module, function). Raises ConfigError."""
    handlers: list[tuple[str, str, str]] = []
    for word in words:
        handler = _handler_of(word)
        if handler[0] in [other[0] for other in handlers]:
            raise ConfigError(
                "commands.handlers has two for '%s'" % handler[0],
                "Give one another name: NAME=MODULE:FUNCTION.",
            )
        handlers.append(handler)
    return handlers


def _handler_of(word: str) -> "tuple[str, str, str]":
    # [NAME=]MODULE:FUNCTION; without a name the function's is taken: on_open_door handles open-door.
    head, colon, function = word.partition(":")
    name, equals, module = head.rpartition("=")
    if not equals:
        name = function[3:] if function.startswith("on_") else function
        name = name.lower().replace("_", "-")
    if not colon or not is_name(name) or not _is_dotted(module) or not _is_dotted(function, 1):
        raise ConfigError(
            "commands.handlers can't be used: '%s'" % clean(word, 80),
            "Write MODULE:FUNCTION, such as my_door:on_open_door.",
        )
    if name in BUILT_IN:
        raise ConfigError(
            "commands.handlers names '%s', which is built in" % name,
            "Give it another name: NAME=MODULE:FUNCTION.",
        )
    return name, module, function


def _is_dotted(text: str, most: int = 8) -> bool:
    parts = text.split(".")
    return len(parts) <= most and all(
        part and part[0] not in "0123456789" and all(character in _WORD for character in part)
        for part in parts
    )


def check_result(result: object) -> "dict[str, object] | None":
    """What a handler has returned, if a reply can carry it. Raises CommandError.

    None, or a dict of what JSON has, of bounded size. MicroPython writes anything else as some text.
    """
    if result is None:
        return None
    if not isinstance(result, dict) or not _is_json(result):
        raise CommandError("failed", "its handler returned something other than a dict of JSON values")
    if len(json.dumps(result)) > _LARGEST_REPLY:
        raise CommandError("failed", "its handler returned too much")
    return result


def _is_json(value: object) -> bool:
    # Not by calling itself: the stack of a board is short. What contains itself is too deep or too long.
    waiting: list[tuple[object, int]] = [(value, 0)]
    count = 0
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, dict):
            if not all(isinstance(name, str) for name in part):
                return False
            inner = list(part.values())
        elif isinstance(part, (list, tuple)):
            inner = list(part)
        elif part is None or isinstance(part, (str, bool)) or is_number(part):
            continue
        else:
            return False
        count += 1 + len(inner)
        if depth == _DEEPEST or count > _MOST_PARTS:
            return False
        waiting.extend([(one, depth + 1) for one in inner])
    return True
