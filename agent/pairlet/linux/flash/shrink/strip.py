"""Takes out what a board never runs: docstrings, annotations, assertions, code for type checkers."""

import ast
from typing import TypeVar

from .names import Transformer

_CHECKING = "TYPE_CHECKING"
_Scope = TypeVar("_Scope", ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def strip(tree: ast.Module) -> ast.Module:
    """`tree`, changed in place."""
    _Stripper().visit(tree)
    return tree


class _Stripper(Transformer):
    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._scope(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._scope(node)

    def _scope(self, node: _Scope) -> _Scope:
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        self.generic_visit(node)
        if not isinstance(node, ast.Module):
            node.body = node.body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return None if node.value is None else ast.Assign([node.target], node.value)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        first = node.targets[0]
        if isinstance(first, ast.Name) and first.id == _CHECKING:
            return None
        self.generic_visit(node)
        return node

    def visit_Assert(self, node: ast.Assert) -> None:
        return None

    def visit_If(self, node: ast.If) -> "ast.AST | list[ast.stmt] | None":
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == _CHECKING:
            return node.orelse or None
        node.body = node.body or [ast.Pass()]
        return node
