"""Renames what is bound at the top of a module, and nothing that a function or a class binds for itself."""

import ast
from typing import TypeVar

from .constants import module_of, resolved
from .names import Transformer, bound, children, short_names, spelt, walk

ModuleNames = dict[str, dict[str, str]]
"""For each module of a bundle: its names, and what they are called there."""

_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef,
           ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # fmt: skip


def use_bundle(tree: ast.Module, path: str, names: ModuleNames, home: str, *, inside: bool) -> None:
    """Make `tree`, the file `path`, use `names` of the bundle in the module `home`, in place.

    `inside`: the file is in the bundle itself. Raises SyntaxError for a class that can't be renamed rightly.
    """
    _Renaming(path, names, home, inside).visit(tree)


class _Renaming(Transformer):
    def __init__(self, path: str, names: ModuleNames, home: str, inside: bool):
        self._path = path
        self._names = names
        self._home = home
        self._inside = inside
        # What this module calls things: its own names, and what it imports from the bundle.
        self._new = dict(names.get(module_of(path), {})) if inside else {}
        self._modules: dict[str, dict[str, str]] = {}
        self._wanted: dict[str, str] = {}
        self._scopes: list[set[str]] = []
        self._in_class = False

    # ---- imports -----------------------------------------------------------------------------

    def visit_ImportFrom(self, node: ast.ImportFrom) -> "ast.AST | list[ast.stmt] | None":
        source = resolved(self._path, node)
        outside: list[ast.alias] = []
        ours: list[tuple[str, str]] = []
        for alias in node.names:
            name = alias.asname or alias.name
            if f"{source}.{alias.name}" in self._names:
                self._modules[name] = self._names[f"{source}.{alias.name}"]
            elif source in self._names:
                ours.append((name, self._names[source][alias.name]))
            else:
                outside.append(self._foreign(alias))
        statements: list[ast.stmt] = [ast.ImportFrom(source, outside, 0)] if outside else []
        if not ours:
            return statements
        if not self._inside:
            aliases = [ast.alias(new, None if new == name else name) for name, new in ours]
            return [*statements, ast.ImportFrom(self._home, aliases, 0)]
        for name, new in ours:
            if not self._scopes:
                self._new[name] = new
            elif name != new:
                # It was there at the start already: a name for it in this function is all that is left.
                statements.append(ast.Assign([ast.Name(name, ast.Store())], ast.Name(new, ast.Load())))
        return statements

    def visit_Import(self, node: ast.Import) -> ast.AST:
        node.names = [self._foreign(alias) for alias in node.names]
        return node

    def _foreign(self, alias: ast.alias) -> ast.alias:
        """An import from outside the bundle; at the start of a module it has the bundle's name for it."""
        name = alias.asname or alias.name
        new = name if self._scopes else self._new.get(name, name)
        return ast.alias(alias.name, None if new == alias.name else new)

    def _imported(self, name: str) -> str:
        """What `name` of the bundle is called in this module, which took it from a module of the bundle."""
        if name not in self._wanted:
            self._wanted[name] = next(self._short)
        return self._wanted[name]

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._short = short_names("_", {name for each in walk(node) for name in spelt(each)})
        node.body = _flat([self.visit(each) for each in node.body])
        if self._wanted:
            aliases = [ast.alias(name, local) for name, local in self._wanted.items()]
            node.body.insert(0, ast.ImportFrom(self._home, aliases, 0))
        return node

    # ---- names -------------------------------------------------------------------------------

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not self._is_local(node.id):
            node.id = self._new.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = node.value
        if isinstance(value, ast.Name) and value.id in self._modules and node.attr in self._modules[value.id]:
            new = self._modules[value.id][node.attr]
            return ast.Name(new if self._inside else self._imported(new), ast.Load())
        self.generic_visit(node)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._new.get(name, name) for name in node.names]
        return node

    # ---- scopes ------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self._rename_definition(node)
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self._rename_definition(node)
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._function(node)

    def _rename_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if not self._scopes and not self._in_class:
            node.name = self._new.get(node.name, node.name)

    def _function(self, node: _Function) -> _Function:
        arguments = node.args
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]
        body = node.body if isinstance(node.body, list) else [node.body]
        local = {argument.arg for argument in walk(arguments) if isinstance(argument, ast.arg)}
        local |= self._bound_in(body)
        was_in_class, self._in_class = self._in_class, False
        self._scopes.append(local)
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        else:
            node.body = _flat([self.visit(each) for each in node.body]) or [ast.Pass()]
        self._scopes.pop()
        self._in_class = was_in_class
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._rename_definition(node)
        node.bases = [self.visit(each) for each in node.bases]
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        own = self._bound_in(node.body)
        self._refuse_namesakes(node, own)
        was_in_class, self._in_class = self._in_class, True
        body: list[ast.AST] = []
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                body.append(self.visit(each))  # a method does not see the names of its class
            else:
                self._scopes.append(own)
                body.append(self.visit(each))
                self._scopes.pop()
        node.body = _flat(body)
        self._in_class = was_in_class
        return node

    def _refuse_namesakes(self, node: ast.ClassDef, own: set[str]) -> None:
        """A class may read a name of its module and then bind it: which is meant where can't be told."""
        read = {
            each.id
            for statement in node.body
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            for each in walk(statement)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
        }
        for name in own & read:
            if self._new.get(name, name) != name:
                words = f"{node.name} binds and reads {name}, as its module does"
                raise SyntaxError(words, (self._path, node.lineno, None, None))

    def _comprehension(self, node: ast.AST) -> ast.AST:
        self._scopes.append({name for each in walk(node) for name in bound(each)})
        self.generic_visit(node)
        self._scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _bound_in(self, body: list[ast.stmt] | list[ast.expr]) -> set[str]:
        """What the statements of a scope bind there; scopes within it are left out."""
        found: set[str] = set()
        declared: set[str] = set()
        waiting: list[ast.AST] = list(body)
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.ImportFrom):
                found.update(alias.asname or alias.name for alias in node.names if self._stays(node, alias))
                continue
            if isinstance(node, ast.Global | ast.Nonlocal):
                declared.update(node.names)
            else:
                found.update(bound(node))
            if not isinstance(node, _SCOPES):
                waiting.extend(children(node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                waiting.extend(_outer_parts(node))
        return found - declared

    def _stays(self, node: ast.ImportFrom, alias: ast.alias) -> bool:
        """Whether a name is imported still: not if it is the bundle's own, and called the same there."""
        ours = self._names.get(resolved(self._path, node), {}).get(alias.name)
        return not self._inside or ours != (alias.asname or alias.name)


def _outer_parts(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    """Defaults and decorators, which belong to the scope around a function."""
    every = [*node.args.defaults, *node.args.kw_defaults]
    defaults: list[ast.AST] = [each for each in every if each is not None]
    return defaults if isinstance(node, ast.Lambda) else [*defaults, *node.decorator_list]


def _flat(parts: "list[ast.AST]") -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for part in parts:
        if isinstance(part, list):
            found += part
        elif part is not None:
            found.append(part)  # type: ignore[arg-type]
    return found
