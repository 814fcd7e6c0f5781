"""Gives names that only one file knows short ones, the same in every file: a name is in the heap once."""

import ast
from collections import Counter, defaultdict

from .names import Transformer, Trees, bound, short_names, spelt, walk


def rename_private(trees: Trees) -> None:
    """Rename what begins with one underscore in `trees` (path to tree), in place.

    A subclass shares its attributes with its base, so files that are joined by inheritance are renamed as
    one. A name keeps its spelling in the whole program if it is spelt out in a text, passed as a keyword,
    or asked of anything but `self` or `cls`.
    """
    names = {path: _Names(tree) for path, tree in trees.items()}
    families = _families(names)
    kept = _kept(trees, names, families)
    for group in families:
        used: Counter[str] = Counter()
        for path in group:
            used.update(names[path].used)
        short = short_names("_", set(used) | kept)
        new = {name: next(short) for name, _ in used.most_common() if _is_private(name) and name not in kept}
        for path in group:
            _Renamer(new).visit(trees[path])


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _kept(trees: Trees, names: "dict[str, _Names]", families: list[list[str]]) -> set[str]:
    """Private names that must stay as they are."""
    kept: set[str] = set()
    for path in trees:
        # What is asked of another object may be anybody's.
        kept |= names[path].asked
        for node in names[path].nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                kept.add(node.value)
            elif isinstance(node, ast.keyword) and node.arg:
                kept.add(node.arg)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                kept |= {alias.name for alias in node.names}
    for group in families:
        used = {name for path in group for name in names[path].used}
        # So may what is used and never bound: a base's of another program, say.
        kept |= used - {name for path in group for name in names[path].bound}
    return {name for name in kept if _is_private(name)}


class _Names:
    """Of a tree. `nodes`: all; `used`: every name and attribute, counted; `bound`: those that it binds;
    `asked`: attributes that it asks of another object than `self` or `cls`."""

    def __init__(self, tree: ast.Module):
        self.used: Counter[str] = Counter()
        self.bound: set[str] = set()
        self.asked: set[str] = set()
        self.nodes = walk(tree)
        for node in self.nodes:
            if isinstance(node, ast.Attribute):
                self.used[node.attr] += 1
                if isinstance(node.ctx, ast.Store):
                    self.bound.add(node.attr)
                if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                    self.asked.add(node.attr)
                continue
            self.used.update(spelt(node))
            if not isinstance(node, ast.Global | ast.Nonlocal):
                self.bound.update(bound(node))


def _families(names: "dict[str, _Names]") -> list[list[str]]:
    """The files, those together that hold a class and its base. Bases are known by name alone, so that a
    namesake joins too many rather than too few."""
    homes: defaultdict[str, set[str]] = defaultdict(set)
    wanted: list[tuple[str, str]] = []
    for path in names:
        for node in names[path].nodes:
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(path)
                for base in node.bases:
                    name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
                    wanted.append((path, name))
    family = {path: {path} for path in names}
    for path, name in wanted:
        for home in homes.get(name, ()):
            joined = family[path] | family[home]
            for member in joined:
                family[member] = joined
    return sorted(sorted(members) for members in {frozenset(members) for members in family.values()})


class _Renamer(Transformer):
    def __init__(self, new: dict[str, str]):
        self._new = new

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self._new.get(node.attr, node.attr)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._new.get(node.arg, node.arg)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        if node.asname:
            node.asname = self._new.get(node.asname, node.asname)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        if node.name:
            node.name = self._new.get(node.name, node.name)
        return node

    def _named(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        node.name = self._new.get(node.name, node.name)  # type: ignore[attr-defined]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _named

    def _listed(self, node: ast.AST) -> ast.AST:
        node.names = [self._new.get(name, name) for name in node.names]  # type: ignore[attr-defined]
        return node

    visit_Global = visit_Nonlocal = _listed
