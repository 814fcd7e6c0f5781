"""Puts the modules that a program always needs into one: a table of names for each takes room in the heap.

The main module takes in every module of the program that it imports at its start, and those that these
import. Modules that a function imports when it needs them stay by themselves, and can be forgotten again.
"""

import ast
from collections.abc import Iterator

from .constants import module_of, resolved
from .names import Trees, bound, short_names, spelt, walk
from .scopes import ModuleNames, use_bundle


def bundle(trees: Trees, main: str) -> Trees:
    """The program `trees` (path to tree) with the file `main` in place of all that it always needs.

    The trees are changed. Packages stay, empty or not, and so does a module that asks for its own file or
    that somebody uses as an object.
    """
    members = _members(trees, main)
    order = [main, *(path for path in members if path != main)]
    names = _name_all(trees, order, {module_of(path): path for path in members})
    body: list[ast.stmt] = []
    seen: set[str] = set()
    for path in members:
        use_bundle(trees[path], path, names, module_of(main), inside=True)
        for statement in trees[path].body:
            key = ast.dump(statement) if isinstance(statement, ast.Import | ast.ImportFrom) else ""
            if not key or key not in seen:
                body.append(statement)
            seen.add(key)
    rest = {path: tree for path, tree in trees.items() if path not in members}
    for path, tree in rest.items():
        use_bundle(tree, path, names, module_of(main), inside=False)
    return {main: ast.Module(body, []), **rest}


def _members(trees: Trees, main: str) -> list[str]:
    """The files to put together, each behind those that it needs; `main` is the last."""
    paths = {module_of(path): path for path in trees}
    apart = {module_of(path) for path, tree in trees.items() if path.endswith("__init__.py") or _asks(tree)}
    for path, tree in trees.items():
        apart |= _objects(path, tree, set(paths))
    ordered: list[str] = []
    met: set[str] = set()
    waiting = [(main, False)]
    while waiting:
        path, ready = waiting.pop()
        if ready:
            ordered.append(path)
        elif path not in met:
            met.add(path)
            waiting.append((path, True))
            needed = _imported(path, trees[path].body)
            waiting += [(paths[name], False) for name in needed if name in paths and name not in apart]
    return ordered


def _imported(path: str, body: list[ast.stmt]) -> Iterator[str]:
    """The modules that a file imports at its start: each name may be a module or something in one."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolved(path, node)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _asks(tree: ast.Module) -> bool:
    """Whether the module asks for its own place."""
    return any(isinstance(node, ast.Name) and node.id == "__file__" for node in walk(tree))


def _objects(path: str, tree: ast.Module, modules: set[str]) -> set[str]:
    """Those of `modules` that the file `path` uses otherwise than to take a name out of them."""
    known: dict[str, str] = {}
    found: set[str] = set()
    nodes = walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom):
            source = resolved(path, node)
            for alias in node.names:
                if f"{source}.{alias.name}" in modules:
                    known[alias.asname or alias.name] = f"{source}.{alias.name}"
    taken_from = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in known and id(node) not in taken_from:
            found.add(known[node.id])
        elif not isinstance(node, ast.Name | ast.alias):
            # A namesake of the module makes it too hard to tell which is meant.
            found |= {known[name] for name in bound(node) if name in known}
    return found


def _name_all(trees: Trees, order: list[str], members: dict[str, str]) -> ModuleNames:
    """What each name of each module is called in the bundle; the first module's names stay.

    `members`: the modules, and their files. What several of them import from elsewhere has one name.
    """
    # A name that somebody knows by another one may be bound there, by a function say: it gets a fresh one.
    taken = {alias.name for path in order for alias in _aliases(trees[path]) if alias.asname}
    foreign: dict[str, str] = {}
    names: ModuleNames = {}
    every = {name for tree in trees.values() for node in walk(tree) for name in spelt(node)}
    short = short_names("_", every)
    for path in order:
        own = names[module_of(path)] = {}
        for name in _own_names(trees[path].body):
            own[name] = name if path == order[0] or name not in taken else next(short)
            taken.add(own[name])
        for whole, name in _foreign(path, trees[path].body, members):
            if whole not in foreign:
                foreign[whole] = name if path == order[0] or name not in taken else next(short)
                taken.add(foreign[whole])
            own[name] = foreign[whole]
    return names


def _aliases(tree: ast.Module) -> Iterator[ast.alias]:
    return (node for node in walk(tree) if isinstance(node, ast.alias))


def _foreign(path: str, body: list[ast.stmt], members: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(what it is, what it is called here) for what a file imports at its start from outside the bundle."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolved(path, node)
            for alias in node.names:
                if source not in members and f"{source}.{alias.name}" not in members:
                    yield f"{source}.{alias.name}", alias.asname or alias.name


def _own_names(body: list[ast.stmt]) -> list[str]:
    """The names that a module's statements bind, imports left out; each once."""
    found: list[str] = []
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(statement.name)
        elif not isinstance(statement, ast.Import | ast.ImportFrom):
            found += [name for node in walk(statement) for name in bound(node)]
    return list(dict.fromkeys(found))
