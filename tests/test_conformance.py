"""tests/conformance.toml names tests for each obligation of a client; this proves that they exist.

A test counts for an item when its name carries the number (`test_item_07_...`) or a marker does
(`@pytest.mark.item(7)`).
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = tomllib.loads((ROOT / "tests/conformance.toml").read_text(encoding="utf-8"))
ITEMS = range(1, 58)


def items_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """The items that a test says it proves, by its name and its markers."""
    found = {int(number) for number in re.findall(r"item_(\d\d)(?=_)", function.name)}
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.item":
            found |= {ast.literal_eval(argument) for argument in decorator.args}
    return found


def found_tests(source: str) -> dict[str, set[int]]:
    """The tests that pytest would collect from `source`, each with its items."""
    module = ast.parse(source)
    bodies = [module.body]
    bodies += [
        node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
    ]
    return {
        node.name: items_of(node)
        for body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def faults(item: int, entry: dict[str, object]) -> list[str]:
    """What is wrong with one entry of the table, in words."""
    found = []
    if not re.search(r"\(RFC \d{4} section", str(entry.get("rule"))):
        found.append(f"item {item} has no rule that cites its section")
    names = entry.get("tests")
    if not isinstance(names, list) or not names:
        return [*found, f"item {item} has no test"]
    for name in names:
        path, _, test = name.partition("::")
        file = ROOT / path
        if not file.is_file() or not file.name.startswith("test_"):
            found.append(f"item {item}: there is no file {path}")
            continue
        tests = found_tests(file.read_text(encoding="utf-8"))
        if test not in tests:
            found.append(f"item {item}: there is no test {test} in {path}")
        elif item not in tests[test]:
            found.append(f"item {item}: {name} does not name it")
    return found


def test_no_item_is_missing() -> None:
    assert sorted(int(key) for key in TABLE) == list(ITEMS)


@pytest.mark.parametrize("item", ITEMS)
def test_the_tests_of_an_item_exist_and_name_it(item: int) -> None:
    found = faults(item, TABLE[str(item)])
    assert not found, "\n".join(found)


def test_every_test_that_names_an_item_is_in_the_table() -> None:
    missing = []
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in file.parts:
            continue
        path = file.relative_to(ROOT).as_posix()
        for test, items in found_tests(file.read_text(encoding="utf-8")).items():
            for item in items:
                if f"{path}::{test}" not in TABLE.get(str(item), {}).get("tests", []):
                    missing.append(f"{path}::{test} names item {item}, but the table does not name it")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"rule": "x (RFC 8628 section 3.1).", "tests": []}, "has no test"),
        ({"rule": "x", "tests": ["tests/portable/test_form.py::test_item_01_x"]}, "no rule that cites"),
        (
            {"rule": "x (RFC 8628 section 3.1).", "tests": ["tests/gone/test_x.py::test_y"]},
            "there is no file",
        ),
        (
            {"rule": "x (RFC 8628 section 3.1).", "tests": ["tests/test_conformance.py::test_gone"]},
            "there is no test",
        ),
        (
            {
                "rule": "x (RFC 8628 section 3.1).",
                "tests": ["tests/test_conformance.py::test_no_item_is_missing"],
            },
            "does not name it",
        ),
    ],
)
def test_a_bad_entry_is_found(entry: dict[str, object], words: str) -> None:
    assert words in "\n".join(faults(1, entry))


def test_names_and_markers_are_read() -> None:
    source = """
import pytest
def test_item_07_item_08_x(): ...
@pytest.mark.item(1, 2)
async def test_y(): ...
class TestZ:
    @pytest.mark.item(3)
    def test_z(self): ...
def helper_item_09_x(): ...
def test_item_7_x(): ...
"""
    assert found_tests(source) == {
        "test_item_07_item_08_x": {7, 8},
        "test_y": {1, 2},
        "test_z": {3},
        "test_item_7_x": set(),
    }
