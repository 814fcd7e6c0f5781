"""Gives parameters one-letter names: a function keeps the names of its parameters for calls by keyword."""

import ast

from .names import Trees, bound, short_names, spelt, walk

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef,
           ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)  # fmt: skip


def rename_parameters(trees: Trees) -> None:
    """Rename positional parameters in `trees` (path to tree), in place.

    A name is left alone everywhere if any call passes it by keyword, or if any text spells it (a dict
    passed with ** may hold it).
    """
    kept = {"self", "cls"}
    for tree in trees.values():
        for node in walk(tree):
            if isinstance(node, ast.keyword) and node.arg:
                kept.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                kept.add(node.value)
    for tree in trees.values():
        for node in walk(tree):
            if isinstance(node, _Function):
                _rename(node, kept)


def _rename(function: _Function, kept: set[str]) -> None:
    arguments = function.args
    own = [*arguments.posonlyargs, *arguments.args]
    own += [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    body = function.body if isinstance(function.body, list) else [function.body]
    inside = [node for part in body for node in walk(part)]
    # A name that an inner scope binds for itself can't be told from ours by its spelling.
    scopes = [node for node in inside if isinstance(node, _SCOPES)]
    bound_within = {name for scope in scopes for node in walk(scope) for name in bound(node)}
    taken = {argument.arg for argument in [*own, *arguments.kwonlyargs]}
    taken.update(name for node in inside for name in spelt(node))
    free = short_names("", taken)
    new = {
        argument.arg: next(free)
        for argument in own
        if argument.arg not in kept and argument.arg not in bound_within and len(argument.arg) > 1
    }
    for argument in own:
        argument.arg = new.get(argument.arg, argument.arg)
    for node in inside:
        if isinstance(node, ast.Name):
            node.id = new.get(node.id, node.id)
