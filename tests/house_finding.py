"""What the house rules have in common: a finding, and reading the tree of a Python source."""

import ast
from collections.abc import Iterator
from typing import NamedTuple


class Finding(NamedTuple):
    """One place where a source breaks a rule. `rule` is the rule's name, `line` counts from 1."""

    rule: str
    path: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.words}"


def line_of(node: ast.AST) -> int:
    """The line where `node` begins; 0 for the few nodes that have no place."""
    return int(getattr(node, "lineno", 0))


def names(text: str) -> frozenset[str]:
    """The words of `text` as a set: a long list of names reads better so."""
    return frozenset(text.split())


def is_type_checking(node: ast.AST) -> bool:
    """Whether `node` is `if TYPE_CHECKING:`, a block that no interpreter runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def walk(tree: ast.AST, *, annotations: bool = True, type_checking: bool = True) -> Iterator[ast.AST]:
    """Every node below and with `tree`, optionally without annotations or TYPE_CHECKING blocks."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field, value in ast.iter_fields(node):
            if not annotations and field in ("annotation", "returns"):
                continue
            if not type_checking and field == "body" and is_type_checking(node):
                continue
            children = value if isinstance(value, list) else [value]
            waiting.extend(child for child in children if isinstance(child, ast.AST))
