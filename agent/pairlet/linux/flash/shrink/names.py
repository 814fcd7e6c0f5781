"""What shrinking must know of names: who binds them, and short ones in their place."""

import ast
import itertools
import string
from collections.abc import Callable, Iterator
from typing import Any

Trees = dict[str, ast.Module]
"""A program: the path of each file and its tree."""


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and what is below it, in no order; what only says how a name is used (ctx, operators) left out.

    ast.walk looks at every field by its name and costs three times as much: a firmware is walked dozens of
    times.
    """
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for value in vars(node).values():
            if type(value) is list:
                waiting += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                waiting.append(value)


def spelt(node: ast.AST) -> list[str]:
    """The names that `node` itself spells, attributes left out."""
    tell = _SPELT.get(type(node))
    return tell(node) if tell else []


def bound(node: ast.AST) -> list[str]:
    """The names that `node` itself binds, or declares to be another scope's."""
    return [] if type(node) is ast.Name and type(node.ctx) is ast.Load else spelt(node)


def _named(node: Any) -> list[str]:
    return [node.name] if node.name else []


_SPELT: dict[type, Callable[[Any], list[str]]] = {
    ast.Name: lambda node: [node.id],
    ast.arg: lambda node: [node.arg],
    ast.FunctionDef: _named,
    ast.AsyncFunctionDef: _named,
    ast.ClassDef: _named,
    ast.ExceptHandler: _named,
    ast.alias: lambda node: [node.asname or node.name.partition(".")[0]],
    ast.Global: lambda node: list(node.names),
    ast.Nonlocal: lambda node: list(node.names),
}


def short_names(start: str, taken: set[str]) -> Iterator[str]:
    """`start` with one letter, then with two, but none of `taken`."""
    for length in (1, 2):
        for letters in itertools.product(string.ascii_letters, repeat=length):
            name = start + "".join(letters)
            if name not in taken:
                yield name
