"""Moves sentences out of the code into a file: a board reads one when it says it, and holds none in its heap.

A sentence is a text of some length with a space in it, inside a function: what an error says, most of the
time. `pairlet_board.sentences` is the board's half.
"""

import ast

from .names import Transformer, Trees

HOME = "pairlet_board/sentences.py"
FILE = "pairlet_board/sentences.txt"
# Reading it takes a call with a number; what is not longer than that may stay.
_LONG = 14
_NAME = "_sentence"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def move_sentences(trees: Trees) -> bytes:
    """Replace the sentences of all files in `trees` (path to tree) but HOME's, in place.

    Returns the file of sentences: two bytes (big-endian) with a length, so many bytes of UTF-8, and so on.
    The number that stands in a sentence's place is its position there.
    """
    file = _File()
    for path, tree in trees.items():
        if path != HOME:
            _move(tree, file)
    return bytes(file.data)


def is_sentence(value: object) -> bool:
    """Whether a constant may be moved; texts with control characters are not for people."""
    return isinstance(value, str) and len(value) > _LONG and " " in value and value.isprintable()


class _File:
    def __init__(self) -> None:
        self.data = bytearray()
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Where `text` is; the same text lies there once."""
        if text not in self._places:
            self._places[text] = len(self.data)
            encoded = text.encode()
            self.data += len(encoded).to_bytes(2, "big") + encoded
        return self._places[text]


def _move(tree: ast.Module, file: _File) -> None:
    mover = _Mover(file)
    mover.visit(tree)
    if mover.moved:
        module, _, name = HOME.removesuffix(".py").rpartition("/")
        source = f"{module}.{name}".replace("/", ".")
        tree.body.insert(0, ast.ImportFrom(source, [ast.alias("sentence", _NAME)], 0))


class _Mover(Transformer):
    """Works on the bodies of functions only: what a module or a class does at its start would be read then
    and kept."""

    def __init__(self, file: _File):
        self.moved = False
        self._file = file
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        # Defaults and decorators belong to the scope around it.
        self._depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self._depth -= 1
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not self._depth or not is_sentence(node.value):
            return node
        return self._call(str(node.value))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        template, values = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                template += str(part.value).replace("{", "{{").replace("}", "}}")
            elif isinstance(part, ast.FormattedValue):
                part.value = self.visit(part.value)
                values.append(part.value)
                template += "{" + _field(part) + "}"
        if not self._depth or not is_sentence(template):
            return node
        return ast.Call(ast.Attribute(self._call(template), "format", ast.Load()), values, [])

    def _call(self, text: str) -> ast.Call:
        self.moved = True
        place = ast.Constant(self._file.place(text))
        return ast.Call(ast.Name(_NAME, ast.Load()), [place], [])


def _field(part: ast.FormattedValue) -> str:
    """The conversion and the format of a replacement field, as str.format wants them."""
    conversion = "" if part.conversion == -1 else "!" + chr(part.conversion)
    if part.format_spec is None:
        return conversion
    assert isinstance(part.format_spec, ast.JoinedStr)
    pieces = part.format_spec.values
    if not all(isinstance(piece, ast.Constant) for piece in pieces):
        raise ValueError("a format that is made up at run time")
    return conversion + ":" + "".join(str(piece.value) for piece in pieces if isinstance(piece, ast.Constant))
