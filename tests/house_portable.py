"""The portable subset (design section 6): what CPython accepts and MicroPython does not, or not the same way.

A source that runs on boards is read by `ast`. The rules are the known traps; whether code runs
is decided by running it on MicroPython (tests/agent/test_portable_on_micropython.py).
"""

import ast
import io
import tokenize
from collections.abc import Iterator

from house_calls import call_rules, recursion_rules
from house_finding import Finding, line_of, names, walk

# Modules that boards lack (or that differ in a way that hurts).
ABSENT_MODULES = names(
    "abc argparse base64 contextlib copy dataclasses datetime enum functools hmac inspect itertools logging "
    "operator pathlib queue secrets string threading traceback types typing urllib uuid weakref"
)
# Names that CPython has built in and MicroPython has not.
ABSENT_NAMES = names(
    "BaseExceptionGroup BlockingIOError BrokenPipeError BufferError ChildProcessError ConnectionAbortedError "
    "ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EnvironmentError "
    "ExceptionGroup FileExistsError FileNotFoundError FloatingPointError IOError InterruptedError "
    "IsADirectoryError ModuleNotFoundError NotADirectoryError PermissionError ProcessLookupError "
    "RecursionError ReferenceError SystemError TimeoutError UnboundLocalError UnicodeDecodeError "
    "UnicodeEncodeError UnicodeTranslateError UserWarning Warning aiter anext ascii breakpoint format vars"
)
_GENERIC = names("list dict tuple set frozenset type")

Found = Iterator[tuple[str, ast.AST, str]]


def portable_findings(path: str, source: str) -> list[Finding]:
    """Where the source at `path` leaves the portable subset."""
    tree = ast.parse(source)
    findings = []
    for node in walk(tree, annotations=False, type_checking=False):
        for rules in (_syntax, _functions, _strings, _modules, _evaluated_types, call_rules):
            findings += [Finding(rule, path, line_of(at), words) for rule, at, words in rules(node)]
    findings += [Finding(rule, path, line_of(at), words) for rule, at, words in recursion_rules(tree)]
    findings += [Finding("string concatenation", path, line, words) for line, words in _neighbours(source)]
    return sorted(findings, key=lambda finding: finding.line)


def _syntax(node: ast.AST) -> Found:
    """Statements and displays that do not compile, or do not work, on a board."""
    if isinstance(node, ast.Match):
        yield "match", node, "there is no match statement"
    if isinstance(node, ast.TryStar):
        yield "except*", node, "there are no exception groups"
    if isinstance(node, ast.Raise) and node.cause is not None and ast.unparse(node.cause) != "None":
        yield "raise from", node, "a cause is not kept, and the interpreter warns on standard output"
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and not _is_target(node):
        for element in node.elts:
            if isinstance(element, ast.Starred):
                yield "star in display", element, "write a + b instead of [*a, *b]"
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield "star in display", value, "copy and update instead of {**a}"
    if isinstance(node, ast.comprehension) and node.is_async:
        yield "async comprehension", node.iter, "write a loop"
    if isinstance(node, ast.Slice) and node.step is not None:
        yield "slice step", node, "text and bytes know no slice step, not even [::-1]"
    if isinstance(node, ast.Delete):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
                yield "del slice", target, "a bytearray can't: write buffer = buffer[n:]"


def _is_target(node: ast.AST) -> bool:
    """Whether a display is what an assignment fills: there, `first, *rest` is well known."""
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _functions(node: ast.AST) -> Found:
    """Shapes of functions and classes."""
    if isinstance(node, ast.arguments):
        for argument in node.posonlyargs:
            yield "positional-only", argument, "there is no / in a parameter list"
    if isinstance(node, ast.ClassDef):
        if len(node.bases) > 1:
            yield "multiple inheritance", node, "two built-in bases are a TypeError; have one base"
        if node.keywords:
            yield "class keywords", node, "there are no metaclasses"
    if isinstance(node, ast.FunctionDef):
        for inner in walk(node):
            if isinstance(inner, ast.With) and any(isinstance(part, ast.Yield) for part in walk(inner)):
                yield "with in generator", inner, "a generator that is dropped does not leave its with block"


def _strings(node: ast.AST) -> Found:
    """f-strings are made with str.format, after a search for brackets that knows no quotes."""
    if not isinstance(node, ast.FormattedValue):
        return
    if node.conversion == ord("a"):
        yield "f-string", node, "there is no !a"
    for inner in walk(node.value):
        if isinstance(inner, ast.JoinedStr):
            yield "f-string", node, "no f-string inside an f-string"
        text = inner.value if isinstance(inner, ast.Constant) else None
        if isinstance(text, str) and set(text) & set("{}[]()'\"!:"):
            yield "f-string", node, "no brackets, quotes, ! or : in a text inside an f-string"


def _neighbours(source: str) -> Iterator[tuple[int, str]]:
    """An f-string beside another string: the two are joined first, and braces mean what they should not."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("NL", "COMMENT"):
            continue
        starts, ends = kind in ("STRING", "FSTRING_START"), kind in ("STRING", "FSTRING_END")
        prefix = token.string[: len(token.string) - len(token.string.lstrip("rRbBuUfF"))].lower()
        formatted = kind.startswith("FSTRING") or (kind == "STRING" and "f" in prefix)
        if starts and before and (formatted or before == "f"):
            yield token.start[0], "join an f-string with + or write one"
        before = ("f" if formatted else "s") if ends else ""


def _modules(node: ast.AST) -> Found:
    """Imports and built-in names that are not there."""
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        modules = [node.module or ""]
    for name in modules:
        top = name.partition(".")[0]
        if top == "__future__":
            yield "__future__", node, "there is no __future__: put the names of types in quotes"
        elif top in ABSENT_MODULES:
            yield "absent module", node, f"boards have no {top}; under TYPE_CHECKING it may stand"
    if isinstance(node, ast.Name) and node.id in ABSENT_NAMES:
        yield "absent name", node, f"there is no {node.id}"


def _evaluated_types(node: ast.AST) -> Found:
    """Types that are computed when the program runs; annotations are not, so they may say anything."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _GENERIC:
        yield "evaluated type", node, f"{node.value.id}[...] outside an annotation is a TypeError"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        for side in (node.left, node.right):
            if isinstance(side, ast.Constant) and side.value is None:
                yield "evaluated type", node, "X | None outside an annotation is a TypeError"
