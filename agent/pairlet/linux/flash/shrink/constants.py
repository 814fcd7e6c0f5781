"""Puts constants where they are used: each saves its name, its place in a module and every import of it."""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .names import Transformer, Trees, bound, walk

# A longer text that is used at several places would be in the heap as often.
_SHORT = 12

Constants = dict[str, ast.Constant]


def inline_constants(trees: Trees) -> None:
    """Replace the constants of all modules in `trees` (path to tree), by their values, in place.

    A constant is a name in capitals that its module gives a number, a short text, None or a truth value,
    once, and that nothing in the program binds anew.
    """
    modules = [_Module.of(path, tree) for path, tree in trees.items()]
    defined = {module_of(module.path): _defined(module) for module in modules}
    _take_back(modules, defined)
    while _pass_on(modules, defined):
        pass
    for module in modules:
        _Inliner(module, defined).visit(module.tree)


class _Module(NamedTuple):
    """A file: what it binds by other ways than importing it, and what it imports (see _imports)."""

    path: str
    tree: ast.Module
    nodes: list[ast.AST]
    bound: set[str]
    imports: list[tuple[str, ast.alias]]

    @classmethod
    def of(cls, path: str, tree: ast.Module) -> "_Module":
        nodes = walk(tree)
        return cls(path, tree, nodes, _bound(nodes), list(_imports(path, nodes)))


def _take_back(modules: list[_Module], defined: dict[str, Constants]) -> None:
    """A constant stays in its module if somebody imports it who has another use for the name as well, or
    if somebody asks for it by name of an object that is not known to be a module."""
    for module in modules:
        imported = set()
        for source, alias in module.imports:
            name = alias.asname or alias.name
            if name in module.bound:
                defined.get(source, {}).pop(alias.name, None)
            else:
                imported.add(name)
        for node in module.nodes:
            if (
                isinstance(node, ast.Attribute)
                and node.attr.isupper()
                and _dotted(node.value) not in imported
            ):
                for constants in defined.values():
                    constants.pop(node.attr, None)


def _pass_on(modules: list[_Module], defined: dict[str, Constants]) -> bool:
    """Let modules that import constants have them too, for who imports from there; whether any was new."""
    new = False
    for module in modules:
        own = defined[module_of(module.path)]
        for source, alias in module.imports:
            name = alias.asname or alias.name
            if name not in own and name not in module.bound and alias.name in defined.get(source, {}):
                own[name] = defined[source][alias.name]
                new = True
    return new


def module_of(path: str) -> str:
    """The full name of the module in the file `path`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _defined(module: _Module) -> Constants:
    times = Counter(name for node in module.nodes for name in bound(node))
    found: Constants = {}
    for node in module.tree.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id.isupper() and times[target.id] == 1:
            value = _value(node.value, found)
            if value is not None:
                found[target.id] = value
    return found


def _value(node: ast.expr, known: Constants) -> ast.Constant | None:
    """`node` as a constant, if it is one."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Constant):
        short = not isinstance(node.value, str | bytes) or len(node.value) <= _SHORT
        return node if short and not isinstance(node.value, float) else None
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        parts = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        values = [_value(part, known) for part in parts]
        if all(value is not None and type(value.value) is int for value in values):
            whole = ast.Expression(_with_parts(node, values))
            result = eval(compile(ast.fix_missing_locations(whole), "constant", "eval"))  # ints and operators
            return ast.Constant(result) if type(result) is int else None
    return None


def _with_parts(node: ast.UnaryOp | ast.BinOp, parts: "list[ast.Constant | None]") -> ast.expr:
    values = [part for part in parts if part is not None]
    if isinstance(node, ast.UnaryOp):
        return ast.UnaryOp(node.op, values[0])
    return ast.BinOp(values[0], node.op, values[1])


def resolved(path: str, node: ast.ImportFrom) -> str:
    """The full name of what `node`, in the file `path`, imports from."""
    if not node.level:
        return node.module or ""
    package = module_of(path).split(".")
    if not path.endswith("__init__.py"):
        package.pop()
    above = package[: len(package) - (node.level - 1)]
    return ".".join([*above, node.module] if node.module else above)


class _Inliner(Transformer):
    """Replaces what one module knows of constants: its own, those it imports, those of modules it imports."""

    def __init__(self, module: _Module, defined: dict[str, Constants]):
        self._own = defined[module_of(module.path)]
        self._known = dict(self._own)
        self._modules: dict[str, Constants] = {}
        self._taken: set[ast.alias] = set()
        for source, alias in module.imports:
            name = alias.asname or alias.name
            whole = f"{source}.{alias.name}" if source else alias.name
            if name in module.bound:
                continue
            if whole in defined:
                self._modules[name] = defined[whole]
            elif alias.name in defined.get(source, {}):
                self._known[name] = defined[source][alias.name]
                self._taken.add(alias)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self._own and len(node.targets) == 1:
            return None
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        node.names = [alias for alias in node.names if alias not in self._taken]
        return node if node.names else None

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self._known[node.id].value) if node.id in self._known else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self._modules.get(_dotted(node.value), {}).get(node.attr)
        if value is not None:
            return ast.Constant(value.value)
        self.generic_visit(node)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Constant) and node.conversion == -1 and node.format_spec is None:
            return ast.Constant(str(node.value.value))
        return node

    def _block(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if not getattr(node, "body", None):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_If = visit_Try = _block


def _bound(nodes: list[ast.AST]) -> set[str]:
    """What a file with these nodes binds by other ways than importing it."""
    return {name for node in nodes if not isinstance(node, ast.alias) for name in bound(node)}


def _dotted(node: ast.expr) -> str:
    """`a.b.c` as it is written; "" for anything else."""
    if isinstance(node, ast.Attribute):
        start = _dotted(node.value)
        return start and f"{start}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _imports(path: str, nodes: list[ast.AST]) -> Iterator[tuple[str, ast.alias]]:
    """(what is imported from, or "", what is imported) for each name that is imported anywhere in a file."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = resolved(path, node) if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield source, alias
