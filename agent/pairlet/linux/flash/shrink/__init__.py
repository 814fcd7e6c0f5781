"""Makes sources smaller for a board, where every name and constant of a module lies in the heap.

What a reader needs and an interpreter does not is taken out of all files of a program at once: code for
type checkers, names that nobody outside sees, constants that can stand where they are used. What the
program does, and the public name of every function, class, method and attribute, stays.
"""

import ast

from .constants import inline_constants
from .parameters import rename_parameters
from .private_names import rename_private
from .strip import strip

__all__ = ["shrink"]


def shrink(sources: dict[str, str]) -> dict[str, str]:
    """The program `sources` (path to text, all of its files) with less in it; the same paths.

    The files must be all that names each other's constants and passes each other's parameters by keyword.
    Raises SyntaxError.
    """
    trees = {path: strip(ast.parse(text, path)) for path, text in sources.items()}
    inline_constants(trees)
    rename_private(trees)
    rename_parameters(trees)
    return {path: ast.unparse(ast.fix_missing_locations(tree)) for path, tree in trees.items()}
