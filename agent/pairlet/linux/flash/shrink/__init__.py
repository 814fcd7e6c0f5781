"""Makes sources smaller for a board, where every name and constant of a module lies in the heap.

What a reader needs and an interpreter does not is taken out of all files of a program at once: code for
type checkers, names that nobody outside sees, constants that can stand where they are used, sentences that
can be read from a file. What the program does, and the public name of every function, class, method and
attribute, stays.
"""

import ast
from typing import NamedTuple

from .bundle import bundle
from .constants import inline_constants
from .parameters import rename_parameters
from .private_names import rename_private
from .sentences import FILE, move_sentences
from .strip import strip

__all__ = ["FILE", "Shrunk", "shrink"]


class Shrunk(NamedTuple):
    """`sources`: path to text; `sentences`: what belongs beside them in the file FILE."""

    sources: dict[str, str]
    sentences: bytes


def shrink(sources: dict[str, str], main: str) -> Shrunk:
    """The program `sources` (path to text, all of its files) with less in it, and fewer files: `main`, the
    path of the one that it starts with, takes in what it needs from the start.

    The files must be all that names each other's constants and passes each other's parameters by keyword.
    Raises SyntaxError.
    """
    trees = {path: strip(ast.parse(text, path)) for path, text in sources.items()}
    inline_constants(trees)
    sentences = move_sentences(trees)
    rename_private(trees)
    rename_parameters(trees)
    trees = bundle(trees, main)
    small = {path: ast.unparse(ast.fix_missing_locations(tree)) for path, tree in trees.items()}
    return Shrunk(small, sentences)
