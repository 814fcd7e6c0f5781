"""What shrinking must know of names: who binds them, and short ones in their place."""

import ast
import itertools
import string
from collections.abc import Iterator

Trees = dict[str, ast.Module]
"""A program: the path of each file and its tree."""


def spelt(node: ast.AST) -> list[str]:
    """The names that `node` itself spells, attributes left out."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ExceptHandler):
        return [node.name] if node.name else []
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    if isinstance(node, ast.Global | ast.Nonlocal):
        return list(node.names)
    return []


def bound(node: ast.AST) -> list[str]:
    """The names that `node` itself binds, or declares to be another scope's."""
    return [] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else spelt(node)


def short_names(start: str, taken: set[str]) -> Iterator[str]:
    """`start` with one letter, then with two, but none of `taken`."""
    for length in (1, 2):
        for letters in itertools.product(string.ascii_letters, repeat=length):
            name = start + "".join(letters)
            if name not in taken:
                yield name
