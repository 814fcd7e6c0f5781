"""The outer shape of the house: what lies where, how long things are, what is documented, what mip copies.

`python tests/house_shape.py` writes the package.json of agent and of firmware from the files that are there.
"""

import ast
import fnmatch
import json
import sys
from pathlib import Path

from house_finding import Finding, names, walk

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
TOP_LEVEL = names(".ci .git .gitignore LICENSE README.md agent firmware pyproject.toml run simulator tests")
PRODUCT = ("agent", "firmware", "simulator")
# Portable and tested as such, but of no use on a board: what is between processes, and grants that take a
# client secret or a browser. Or of use on few: `pairlet flash` brings a dialect where the provider has one.
NOT_ON_BOARDS = names(
    "following.py client_credentials_grant.py own_name.py authorization_code_grant.py signing_in.py pkce.py "
    "authorization_response.py lending.py registering.py translating.py dialect.py setting_text.py "
    "introspection.py refused_grants.py"
)
# And for type checkers alone, and for `python -m pairlet`.
NOT_SHIPPED = NOT_ON_BOARDS | {"ports.py", "__main__.py"}

type_of_function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(root: Path, folders: tuple[str, ...] = (*PRODUCT, "tests")) -> list[Path]:
    """All Python sources of ours below `folders`, sorted."""
    files = [file for folder in folders for file in (root / folder).rglob("*.py")]
    return sorted(file for file in files if not {"node_modules", "__pycache__"} & set(file.parts))


def portable_files(root: Path) -> list[Path]:
    """What a board carries of agent/: the core and the shell."""
    package = root / "agent/pairlet"
    files = [*package.glob("*.py"), *(package / "core").glob("*.py")]
    return sorted(file for file in files if file.name not in NOT_SHIPPED)


def computer_files(root: Path) -> list[Path]:
    """What is portable like portable_files, and stays on computers."""
    package = root / "agent/pairlet"
    files = [*package.glob("*.py"), *(package / "core").glob("*.py")]
    return sorted(file for file in files if file.name in NOT_ON_BOARDS)


def shape_findings(path: str, source: str) -> list[Finding]:
    """Lengths and docstrings of the source at `path`; tests may be long and need fewer docstrings."""
    tree = ast.parse(source)
    findings = _long(path, source, tree)
    if ast.get_docstring(tree) is None:
        findings.append(Finding("docstring", path, 1, "the module has none"))
    if path.split("/")[0] in PRODUCT:
        findings += _undocumented(path, tree)
    return findings


def _long(path: str, source: str, tree: ast.Module) -> list[Finding]:
    findings = []
    lines = source.count("\n") + (not source.endswith("\n"))
    if lines > MAX_FILE_LINES and path.split("/")[0] in PRODUCT:
        findings.append(Finding("file length", path, lines, f"{lines} lines, {MAX_FILE_LINES} at most"))
    for node in walk(tree):
        if isinstance(node, type_of_function) and _length(node) > MAX_FUNCTION_LINES:
            words = f"{node.name} has {_length(node)} lines, {MAX_FUNCTION_LINES} at most"
            findings.append(Finding("function length", path, node.lineno, words))
    return findings


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: explaining is never too long."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _undocumented(path: str, scope: ast.Module | ast.ClassDef) -> list[Finding]:
    """Public classes, functions and methods without a docstring, those in public classes with them."""
    findings = []
    for node in scope.body:
        if not isinstance(node, type_of_function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not _is_stub(node) and not _is_setter(node):
            findings.append(Finding("docstring", path, node.lineno, f"{node.name} has none"))
        if isinstance(node, ast.ClassDef):
            findings += _undocumented(path, node)
    return findings


def _is_stub(node: ast.AST) -> bool:
    """`def now(self) -> int: ...`, whose name and types are all there is to say."""
    body = getattr(node, "body", [])
    only = body[0] if len(body) == 1 else None
    return (
        isinstance(node, type_of_function)
        and isinstance(only, ast.Expr)
        and isinstance(only.value, ast.Constant)
        and only.value.value is ...
    )


def _is_setter(node: ast.AST) -> bool:
    """The second half of a property; the first has the words."""
    return any(isinstance(item, ast.Attribute) for item in getattr(node, "decorator_list", []))


def top_level_findings(root: Path) -> list[Finding]:
    """What lies at the top of the repository and should not; what git ignores is left out."""
    lines = (root / ".gitignore").read_text().splitlines()
    ignored = [line.strip().rstrip("/") for line in lines if line.strip()]
    return [
        Finding("top level", entry.name, 1, "does not belong at the top of the repository")
        for entry in sorted(root.iterdir())
        if entry.name not in TOP_LEVEL
        and not any(fnmatch.fnmatch(entry.name, pattern) for pattern in ignored)
    ]


def board_files(root: Path) -> list[Path]:
    """What a board carries of firmware/ as a package; main.py and boot.py are no modules to import."""
    return sorted((root / "firmware/pairlet_board").rglob("*.py"))


# What each package for mip is made of. None depends on another: mip looks for a dependency by an absolute
# address, or below the folder it happens to run in, so both are named where one installs them.
PACKAGES = {"agent": portable_files, "firmware": board_files}


def mip_list(root: Path, package: str = "agent") -> dict[str, object]:
    """What PACKAGE/package.json must hold: each file, from beside it to the same place on a board."""
    paths = [file.relative_to(root / package).as_posix() for file in PACKAGES[package](root)]
    return {"version": _version(root), "deps": [], "urls": [[path, path] for path in paths]}


def _version(root: Path) -> str:
    """`__version__` of the agent, read and not imported."""
    for node in ast.parse((root / "agent/pairlet/__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise ValueError("agent/pairlet/__init__.py has no __version__")


def mip_findings(root: Path) -> list[Finding]:
    """Where a package.json is not the list of the files that it stands for."""
    findings = []
    for package in PACKAGES:
        path = f"{package}/package.json"
        found = json.loads((root / path).read_text()) if (root / path).is_file() else {}
        wanted = mip_list(root, package)
        differing = [key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
        words = "is not what is there: run python tests/house_shape.py"
        findings += [Finding("mip list", path, 1, f"{key} {words}") for key in differing]
    return findings


def main() -> int:
    """Write both package.json of the repository that this file is in."""
    root = Path(__file__).resolve().parents[1]
    for package in PACKAGES:
        listed = mip_list(root, package)
        rows = ",\n".join("    " + json.dumps(row) for row in listed.pop("urls"))  # type: ignore[attr-defined]
        head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in listed.items())
        (root / package / "package.json").write_text(f'{{\n{head},\n  "urls": [\n{rows}\n  ]\n}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
