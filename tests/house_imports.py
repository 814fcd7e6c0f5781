"""The import table of the design (section 1): which layer may import what. Read from the source by `ast`.

A layer is named by what it imports from: "core", "shell", "linux", "board", "sim/broker" ...
"""

import ast
from pathlib import PurePosixPath
from typing import NamedTuple

from house_finding import Finding, walk

# Files that join the parts of their side; nothing else may know both the shell and an adapter.
ROOTS = (
    "agent/pairlet/linux/cli.py",
    "agent/pairlet/linux/commands*.py",
    "agent/pairlet/linux/library/device.py",
    "agent/pairlet/__main__.py",
)
FIRMWARE_ROOTS = ("firmware/main.py", "firmware/boot.py")
VIRTUAL_BOARD_ROOTS = ("simulator/pairlet_sim/board/root*.py", "simulator/pairlet_sim/board/__main__.py")
# Where the real agent is put into a simulated world; what surrounds it there knows values alone.
SOAK_ROOTS = tuple(f"simulator/pairlet_sim/soak/{name}.py" for name in ("process", "system_calls", "world"))
# Peers of the agent in the tests: they must not share its reading of the RFCs.
INDEPENDENT = ("authserver", "broker", "console")

_OURS = ("core", "shell", "ports", "linux", "board", "package")


class Allowed(NamedTuple):
    """What a layer may import: `layers` of ours, and `modules` of others (None: any)."""

    layers: frozenset[str]
    modules: frozenset[str] | None


def _allowed(layers: str, modules: str | None) -> Allowed:
    return Allowed(frozenset(layers.split()), None if modules is None else frozenset(modules.split()))


# What ports and screens speak in, and nothing that decides.
_VALUES = " ".join(f"pairlet.core.{name}" for name in ("errors", "http", "mqtt", "screen", "wall"))

_LIBRARY = " ".join(
    ["pairlet.core.errors"]
    + [
        f"pairlet.linux.library.{name}"
        for name in ("device", "httpx_auth", "requests_auth", "screen", "source", "token_agent")
    ]
)

TABLE = {
    "core": _allowed("core", "json struct binascii hashlib collections"),
    "shell": _allowed("core shell package", "asyncio json collections"),
    # What programs may import by name; at run time that is one small module, and on boards none.
    "package": _allowed(f"package pairlet.linux.library {_LIBRARY}", ""),
    "ports": _allowed("core", "typing contextlib collections"),
    "linux": _allowed("core linux package", None),
    "linux root": _allowed("core linux package shell", None),
    "board": _allowed("core board package", None),
    "firmware root": _allowed("core board package shell", None),
    "sim/board": _allowed("core package sim sim/board sim/clock sim/faults", None),
    "virtual board root": _allowed("core package shell sim sim/board sim/clock sim/faults", None),
    **{f"sim/{name}": _allowed(f"sim sim/{name} sim/clock sim/faults", None) for name in INDEPENDENT},
    # Written from the RFCs, as the peers above are.
    "soak/model": _allowed("soak/model", None),
    "sim/soak": _allowed(f"sim/soak soak/model sim/command_line {_VALUES}", None),
    "soak root": _allowed(
        "core shell package sim/soak soak/model pairlet.linux.store pairlet.linux.commands_long_run", None
    ),
    "sim/faults": _allowed("sim sim/faults sim/authserver sim/person sim/command_line", None),
    "sim/faultproxy": _allowed("sim sim/faultproxy sim/command_line", None),
    "sim/conformance": _allowed(
        "sim sim/conformance sim/faults sim/authserver sim/command_line sim/process_group", None
    ),
}


def layer_of_file(path: str) -> str:
    """The layer of a source by its `path` in the repository; "elsewhere" if no rule speaks of it."""
    file = PurePosixPath(path)
    for patterns, layer in (
        (ROOTS, "linux root"),
        (FIRMWARE_ROOTS, "firmware root"),
        (VIRTUAL_BOARD_ROOTS, "virtual board root"),
        (SOAK_ROOTS, "soak root"),
    ):
        if any(file.match(pattern) for pattern in patterns):
            return layer
    return layer_of_module(module_of(path), known=True)


def module_of(path: str) -> str:
    """The dotted name of the source at `path`, without the folder that is only a source root."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts and parts[0] in ("agent", "firmware", "simulator"):
        parts = parts[1:]
    return ".".join(parts)


def layer_of_module(name: str, *, known: bool = False) -> str:
    """The layer that the dotted `name` belongs to; "elsewhere" for a module that is not ours.

    `known`: `name` is a file, so that `pairlet.x` is a module of the shell and no constant.
    """
    parts = [part for part in name.split(".") if part != "__init__"]
    if parts[:1] == ["pairlet_board"]:
        return "board"
    if parts[:3] == ["pairlet_sim", "soak", "model"]:
        return "soak/model"
    if parts[:1] == ["pairlet_sim"]:
        return "/".join(["sim", *parts[1:2]])
    if parts[:1] != ["pairlet"]:
        return "elsewhere"
    if parts[1:2] and parts[1] in ("core", "linux", "ports"):
        return parts[1]
    is_package = not parts[1:] or (not known and parts[1] == "__version__")
    return "package" if is_package else "shell"


class Import(NamedTuple):
    """One imported thing: `module` absolute, `name` in it or None, whether only for type checkers."""

    module: str
    name: str | None
    line: int
    for_types: bool


def imports(path: str, source: str) -> list[Import]:
    """All imports of a source, wherever they stand, relative ones made absolute."""
    tree = ast.parse(source)
    run = {id(node) for node in walk(tree, type_checking=False)}
    here = module_of(path).split(".")
    found = []
    for node in walk(tree):
        for_types = id(node) not in run
        if isinstance(node, ast.Import):
            found += [Import(alias.name, None, node.lineno, for_types) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [Import(module, alias.name, node.lineno, for_types) for alias in node.names]
    return found


def import_findings(path: str, source: str) -> list[Finding]:
    """Where the source at `path` (in the repository, with slashes) breaks the import table."""
    layer = layer_of_file(path)
    findings = _hidden(path, source) if layer in ("core", "shell") else []
    for imported in imports(path, source):
        words = _judge(layer, imported)
        if words:
            findings.append(Finding("imports", path, imported.line, words))
    return findings


def _hidden(path: str, source: str) -> list[Finding]:
    """Imports by a call, which the table can't judge."""
    return [
        Finding("hidden import", path, node.lineno, "an import must be one that this test can see")
        for node in walk(ast.parse(source))
        if isinstance(node, ast.Name) and node.id == "__import__"
    ]


def _judge(layer: str, imported: Import) -> str:
    """Why a file of `layer` may not have this import; "" if it may."""
    full = ".".join([imported.module, *([imported.name] if imported.name else [])])
    target = layer_of_module(full)
    if layer in ("elsewhere", "sim") or (layer.startswith("sim/") and layer not in TABLE):
        return ""
    if target == "ports" and layer != "core":
        return "" if imported.for_types else "pairlet.ports is for type checkers: under TYPE_CHECKING only"
    allowed = TABLE[layer]
    if imported.module in allowed.layers or full in allowed.layers:
        return ""
    if target in _OURS or target == "sim" or target.startswith(("sim/", "soak/")):
        return "" if target in allowed.layers else f"{layer} may not import {full}, which is {target}"
    return _judge_foreign(layer, allowed, imported)


def _judge_foreign(layer: str, allowed: Allowed, imported: Import) -> str:
    top = imported.module.partition(".")[0]
    if allowed.modules is None or (imported.for_types and top in ("typing", "collections")):
        return ""
    if top not in allowed.modules:
        return f"{layer} may not import {imported.module}"
    if layer in ("core", "shell") and top == "collections" and imported.name != "namedtuple":
        return "of collections, only namedtuple is the same on both interpreters"
    return ""
