"""What shrinking must know of names: who binds them, and short ones in their place."""

import ast
import itertools
import string
from collections.abc import Callable, Iterator
from typing import Any

Trees = dict[str, ast.Module]
"""A program: the path of each file and its tree."""


# What holds no nodes, or only such that say how a name is used (contexts and operators).
_NO_NODES = {"id", "attr", "arg", "asname", "module", "level", "kind", "conversion", "type_comment"}
_NO_NODES |= {"ctx", "op", "ops"}


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """For each class of nodes the names of those fields that may hold nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        self[kind] = fields = tuple(name for name in kind._fields if name not in _NO_NODES)
        return fields


_FIELDS = _Fields()


def walk(node: ast.AST) -> list[ast.AST]:
    """`node` and what is below it, in no order; what only says how a name is used (ctx, operators) left out.

    ast.walk looks at every field by its name and costs several times as much: a firmware is walked dozens of
    times.
    """
    found: list[ast.AST] = []
    waiting = [node]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if _FIELDS[type(node)]:
            waiting += children(node)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below `node`, without those that walk() leaves out."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


class Transformer(ast.NodeTransformer):
    """As its base, but for what walk() leaves out, which is not visited: that is many of all nodes."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit what is below `node` and put the results in its place."""
        for name in _FIELDS[type(node)]:
            value = getattr(node, name, None)
            if type(value) is list:
                value[:] = self._all(value)
            elif isinstance(value, ast.AST):
                new = self.visit(value)
                if new is None:
                    delattr(node, name)
                elif new is not value:
                    setattr(node, name, new)
        return node

    def _all(self, nodes: list[Any]) -> Iterator[Any]:
        for node in nodes:
            new = self.visit(node) if isinstance(node, ast.AST) else node
            if isinstance(new, list):
                yield from new
            elif new is not None or node is None:
                yield new


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
