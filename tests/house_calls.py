"""The part of the portable subset that concerns calls: methods and arguments boards lack, and recursion."""

import ast
from collections.abc import Iterator

from house_finding import names, walk

# Methods that no built-in type of MicroPython has.
ABSENT_METHODS = names(
    "as_integer_ratio bit_count bit_length capitalize casefold expandtabs format_map is_integer "
    "isalnum isascii isdecimal isidentifier isnumeric isprintable istitle ljust maketrans removeprefix "
    "removesuffix rjust swapcase title translate zfill hexdigest _replace _asdict"
)
# Keyword arguments that are refused: by the name of what is called, the keywords.
ABSENT_KEYWORDS = {
    "split": {"sep", "maxsplit"},
    "rsplit": {"sep", "maxsplit"},
    "from_bytes": {"bytes", "byteorder", "signed"},
    "to_bytes": {"length", "byteorder", "signed"},
    "decode": {"encoding", "errors"},
    "encode": {"encoding", "errors"},
    "zip": {"strict"},
    "namedtuple": {"defaults", "rename", "module", "field_names", "typename"},
    "dumps": {"indent", "sort_keys", "default", "ensure_ascii", "allow_nan", "cls"},
    "create_task": {"name", "context"},
}
# What both interpreters have of the modules that portable code may import.
MODULE_NAMES = {
    "asyncio": names(
        "run create_task gather wait_for sleep Event Lock open_connection start_server CancelledError "
        "TimeoutError current_task Task StreamReader new_event_loop"
    ),
    "json": names("loads dumps load dump"),
    "struct": names("pack unpack pack_into unpack_from calcsize"),
    "binascii": names("hexlify unhexlify a2b_base64 b2a_base64 crc32"),
    "hashlib": names("sha1 sha256"),
    "collections": frozenset(("namedtuple",)),
}

Found = Iterator[tuple[str, ast.AST, str]]


def call_rules(node: ast.AST) -> Found:
    """Findings of one node: (rule, place, words)."""
    if isinstance(node, ast.Call):
        yield from _call(node)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in MODULE_NAMES:
        yield from _module_names(node, node.value.id, [node.attr])
    if isinstance(node, ast.ImportFrom) and not node.level and node.module in MODULE_NAMES:
        yield from _module_names(node, node.module, [alias.name for alias in node.names])


def _module_names(node: ast.AST, module: str, names: list[str]) -> Found:
    for name in names:
        if name not in MODULE_NAMES[module]:
            yield "absent module part", node, f"{module}.{name} is not on both interpreters"


def _call(node: ast.Call) -> Found:
    called, on_self = _name_of(node.func)
    if isinstance(node.func, ast.Attribute) and called in ABSENT_METHODS and not on_self:
        yield "absent method", node, f"there is no .{called}()"
    given = {keyword.arg for keyword in node.keywords if keyword.arg}
    for keyword in sorted(given & ABSENT_KEYWORDS.get(called, set())):
        yield "absent keyword", node, f"{called}() takes no {keyword}= on a board"
    if isinstance(node.func, ast.Attribute) and called in ("decode", "encode") and _text_first(node.args):
        yield "decode errors", node, "the errors argument does nothing: bad bytes raise UnicodeError"


def _text_first(arguments: list[ast.expr]) -> bool:
    """Two arguments of which the first is a text: those of bytes.decode, not of a function of ours."""
    first = arguments[0] if len(arguments) > 1 else None
    return isinstance(first, ast.Constant) and isinstance(first.value, str)


def _name_of(function: ast.expr) -> tuple[str, bool]:
    """What is called, by its last name, and whether it is a method of self or cls."""
    if isinstance(function, ast.Name):
        return function.id, False
    if isinstance(function, ast.Attribute):
        owner = function.value
        return function.attr, isinstance(owner, ast.Name) and owner.id in ("self", "cls")
    return "", False


def recursion_rules(tree: ast.Module) -> Found:
    """Functions that reach themselves again, alone or in a ring: a board's stack has 8 KB."""
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    scopes += [node for node in walk(tree) if isinstance(node, ast.ClassDef)]
    for scope in scopes:
        functions = {
            node.name: node for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        calls = {name: _calls(node, isinstance(scope, ast.ClassDef)) for name, node in functions.items()}
        for name, node in functions.items():
            if name in _reached(name, calls):
                yield "recursion", node, f"{name} can call itself: write a loop with a limit"


def _calls(function: ast.AST, methods: bool) -> set[str]:
    """Names that a function calls in its own scope: plain ones, or those of self and cls."""
    called = [node.func for node in walk(function) if isinstance(node, ast.Call)]
    if methods:
        return {name for name, on_self in map(_name_of, called) if on_self}
    return {function.id for function in called if isinstance(function, ast.Name)}


def _reached(start: str, calls: dict[str, set[str]]) -> set[str]:
    """All names that can be reached from `start` in one step or more."""
    reached: set[str] = set()
    waiting = list(calls[start])
    while waiting:
        name = waiting.pop()
        if name in calls and name not in reached:
            reached.add(name)
            waiting.extend(calls[name])
    return reached
