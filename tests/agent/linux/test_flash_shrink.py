"""Smaller sources do the same: what is taken out, what stays, and the portable tests once more on them."""

import ast
import re
from pathlib import Path

import pytest
from house_shape import computer_files
from pairlet.linux.flash import image
from pairlet.linux.flash.shrink import shrink
from pairlet.linux.flash.shrink.constants import inline_constants
from pairlet.linux.flash.shrink.names import Trees
from pairlet.linux.flash.shrink.parameters import rename_parameters
from pairlet.linux.flash.shrink.private_names import rename_private
from pairlet.linux.flash.shrink.sentences import FILE, HOME, move_sentences
from pairlet.linux.flash.shrink.strip import strip
from support import micropython

TESTS = micropython.ROOT / "tests"
PORTABLE = sorted((TESTS / "portable").glob("test_*.py"))


def parsed(**files: str) -> Trees:
    """Trees of a program; `a__b` is the file a/b.py."""
    return {name.replace("__", "/") + ".py": ast.parse(text) for name, text in files.items()}


def texts(trees: Trees) -> list[str]:
    return [ast.unparse(ast.fix_missing_locations(tree)) for tree in trees.values()]


def inlined(**files: str) -> list[str]:
    trees = parsed(**files)
    inline_constants(trees)
    return texts(trees)


def renamed(**files: str) -> list[str]:
    trees = parsed(**files)
    rename_private(trees)
    return texts(trees)


def with_parameters(**files: str) -> list[str]:
    trees = parsed(**files)
    rename_parameters(trees)
    return texts(trees)


def stripped(text: str) -> str:
    return shrink({"a.py": text}, "a.py").sources["a.py"]


# ---- what never runs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Words."""\nx = 1', "x = 1"),
        ('def f(a: int) -> "str":\n    """Words."""', "def f(a):\n    pass"),
        ("class A:\n    '''Words.'''\n    n: int\n    m: int = 2", "class A:\n    m = 2"),
        ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import typing\nx = 1", "x = 1"),
        ("if x:\n    assert y\nelse:\n    z()", "if x:\n    pass\nelse:\n    z()"),
        ("async def f():\n    assert False", "async def f():\n    pass"),
    ],
)
def test_what_a_board_never_runs_is_taken_out(before: str, after: str) -> None:
    assert stripped(before) == after


# ---- constants -------------------------------------------------------------------------------------


def test_a_constant_is_put_where_it_is_used() -> None:
    assert inlined(a="MOST = 60 * 1000\nx = MOST + 1") == ["x = 60000 + 1"]
    assert inlined(a="A = -1\nB = A * 2\ndef f():\n    return B") == ["def f():\n    return -2"]


def test_a_constant_of_another_module_needs_no_import() -> None:
    one, other = inlined(p__a="READY = 'ready'", p__b="from .a import READY, go\nx = (READY, go)")
    assert one == ""
    assert other == "from .a import go\nx = ('ready', go)"
    _, other = inlined(p__a="READY = 'ready'", p__b="from . import a\nx = a.READY")
    assert other == "from . import a\nx = 'ready'"
    _, other = inlined(
        p__a="N = 1", q__b="from p.a import N as M\ndef f():\n    from p.a import N\n    return N + M"
    )
    assert other == "def f():\n    return 1 + 1"
    _, other = inlined(p__a="N = 1", q__b="import p.a\nimport p.a as x\ny = p.a.N + x.N + x.m")
    assert other == "import p.a\nimport p.a as x\ny = 1 + 1 + x.m"
    *_, last = inlined(p__a="N = 1", q__b="from p.a import N", r__c="from q.b import N\nx = N")
    assert last == "x = 1"


@pytest.mark.parametrize(
    "text",
    [
        "N = 1\nN = 2",  # bound twice
        "N = 1\n\ndef f():\n    global N\n    N = 2",
        "N = 1\n\ndef f(N):\n    return N",  # a parameter's namesake
        "N = 'a text of more than twelve letters'",
        "n = 1",  # not in capitals
        "N = f()",
        "N = 0.5",
        "N = [1]",
    ],
)
def test_what_is_no_constant_stays(text: str) -> None:
    assert inlined(a=text) == [text]


def test_a_namesake_of_an_imported_constant_stays() -> None:
    _, other = inlined(p__a="N = 1", p__b="from .a import N\n\ndef f(N):\n    return N")
    assert other == "from .a import N\n\ndef f(N):\n    return N"


def test_a_constant_that_is_asked_of_any_object_stays() -> None:
    one, _ = inlined(p__a="N = 1", p__b="for x in modules():\n    print(x.N)")
    assert one == "N = 1"


def test_a_function_that_only_imported_a_constant_still_has_a_body() -> None:
    _, other = inlined(p__a="N = 1", p__b="def f():\n    from .a import N")
    assert other == "def f():\n    pass"


# ---- sentences -------------------------------------------------------------------------------------

IMPORT = "from pairlet_board.sentences import sentence as _sentence\n"


def moved(text: str) -> tuple[str, dict[int, str]]:
    """The text without its sentences, and those by the number that stands in their place."""
    trees = parsed(a=text)
    data, found, at = move_sentences(trees), {}, 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        found[at] = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
    return texts(trees)[0], found


def test_a_sentence_goes_into_the_file() -> None:
    text, found = moved("def f():\n    return 'a sentence of words'")
    assert text == IMPORT + "\ndef f():\n    return _sentence(0)"
    assert found == {0: "a sentence of words"}


def test_the_same_sentence_is_there_once_and_another_behind_it() -> None:
    text, found = moved(
        "async def f():\n    g('for the first: ünïcode', 'and now the second')\n    g('and now the second')"
    )
    assert [*found.values()] == ["for the first: ünïcode", "and now the second"]
    second = list(found)[1]
    assert second == 2 + len("for the first: ünïcode".encode())
    assert text.endswith(f"g(_sentence(0), _sentence({second}))\n    g(_sentence({second}))")


def test_an_f_string_is_formatted_when_it_is_said() -> None:
    text, found = moved("def f(x):\n    return f'there is {x!r} in {x.y:>5} {{ok}} of them'")
    assert text.endswith("return _sentence(0).format(x, x.y)")
    assert found == {0: "there is {!r} in {:>5} {{ok}} of them"}
    namespace: dict[str, object] = {}
    exec(text.removeprefix(IMPORT), {"_sentence": found.get}, namespace)
    value = type("X", (), {"y": 7, "__repr__": lambda self: "it"})()
    assert namespace["f"](value) == "there is it in     7 {ok} of them"  # type: ignore[operator]


def test_a_sentence_within_a_field_goes_too() -> None:
    text, found = moved("def f(x):\n    return f'{x or \"nothing that has a name\"}'")
    assert text.endswith("return f'{x or _sentence(0)}'")
    assert [*found.values()] == ["nothing that has a name"]


@pytest.mark.parametrize(
    "text",
    [
        "x = 'a sentence of the module'",
        "class A:\n    x = 'a sentence of the class'",
        "def f(x='a sentence by default'):\n    return x",
        "def f():\n    return 'short one'",
        "def f():\n    return 'one_word_without_end'",
        "def f():\n    return 'GET / HTTP/1.1\\r\\nHost: a'",
        "def f():\n    return b'bytes are not for people'",
    ],
)
def test_what_is_no_sentence_of_a_function_stays(text: str) -> None:
    assert moved(text) == (text, {})


def test_the_reader_of_sentences_keeps_its_own() -> None:
    trees = {HOME: ast.parse("def f():\n    return 'a sentence of words'")}
    assert move_sentences(trees) == b""


# ---- private names ---------------------------------------------------------------------------------


def test_private_names_are_the_same_short_ones_in_every_file() -> None:
    one, other = renamed(
        a="def _first():\n    return _first()",
        b="class _Second:\n\n    def _third(self):\n        self._third()",
    )
    assert one == "def _a():\n    return _a()"
    assert other == "class _b:\n\n    def _a(self):\n        self._a()"


def test_base_and_subclass_are_renamed_as_one() -> None:
    one, other = renamed(
        a="class Base:\n\n    def __init__(self):\n        self._state = 1",
        b="from a import Base\n\nclass Sub(Base):\n\n    def go(self):\n        self._own = self._state",
    )
    state = re.search(r"self\.(\w+) = 1", one)[1]
    assert f"= self.{state}" in other and f"self.{state} =" not in other


@pytest.mark.parametrize(
    "other",
    [
        "hasattr(x, '_name')",
        "x._name = 1",  # asked of something that is not self
        "f(_name=1)",
        "from a import _name",
        "print(_name)",  # never bound here
    ],
)
def test_a_name_that_somebody_else_knows_stays(other: str) -> None:
    assert renamed(a="class A:\n\n    def f(self):\n        self._name = 1", b=other)[0].endswith(
        "self._name = 1"
    )


def test_names_that_are_taken_are_not_given_again() -> None:
    assert renamed(a="_a = 1\nx._a = 2\n_private = _a")[0] == "_a = 1\nx._a = 2\n_b = _a"


def test_special_names_stay() -> None:
    text = "class A:\n\n    def __init__(self, _):\n        self.__dict__ = _"
    assert renamed(a=text) == [text]


# ---- parameters ------------------------------------------------------------------------------------


def test_a_parameter_gets_one_letter() -> None:
    assert with_parameters(a="def f(first, second=2):\n    return first + second") == [
        "def f(a, b=2):\n    return a + b"
    ]
    assert with_parameters(a="x = lambda first: first + a") == ["x = lambda b: b + a"]


@pytest.mark.parametrize(
    "text",
    [
        "def f(first):\n    return first\nf(first=1)",
        "def f(first):\n    return first\nf(**{'first': 1})",
        "def f(self, cls, a):\n    return a",
        "def f(*, first):\n    return first",
        "def f(first):\n    return [first for first in g()]",
        "def f(first):\n\n    def g(first):\n        return first\n    return g(first)\nf(first=1)",
    ],
)
def test_a_parameter_that_is_known_by_name_stays(text: str) -> None:
    assert with_parameters(a=text) == [text]


def test_a_closure_sees_the_new_name() -> None:
    assert with_parameters(a="def f(first):\n\n    def g():\n        return first\n    return g") == [
        "def f(a):\n\n    def g():\n        return a\n    return g"
    ]


# ---- the firmware ----------------------------------------------------------------------------------


def undocumented(text: str) -> ast.Module:
    """A test's tree without its docstrings, each of which would be read from a file at every call."""
    tree = ast.parse(text)
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for scope in ast.walk(tree):
        if isinstance(scope, scopes) and ast.get_docstring(scope, clean=False) is not None:
            scope.body[0] = ast.Pass()
    return tree


@pytest.fixture(scope="module")
def small_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware's sources made small, with the portable tests as a part of the same program."""
    whole = tmp_path_factory.mktemp("small")
    # Beside the tests, as they find it in the repository.
    (whole / "vectors").symlink_to(TESTS / "vectors")
    folder = whole / "portable"
    trees = {name: strip(ast.parse(file.read_text())) for name, file in image.sources().items()}
    # Portable and tested, but of no use on a board.
    for file in computer_files(micropython.ROOT):
        name = file.relative_to(micropython.ROOT / "agent").as_posix()
        trees[name] = strip(ast.parse(file.read_text()))
    trees |= {file.name: undocumented(file.read_text()) for file in (TESTS / "portable").glob("*.py")}
    before = sum(len(ast.unparse(ast.fix_missing_locations(tree))) for tree in trees.values())
    inline_constants(trees)
    sentences = move_sentences(trees)
    rename_private(trees)
    rename_parameters(trees)
    (folder / "pairlet_board").mkdir(parents=True)
    (folder / FILE).write_bytes(sentences)
    for name, text in zip(trees, texts(trees), strict=True):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert sum(file.stat().st_size for file in folder.rglob("*.py")) < before
    return folder


@pytest.mark.parametrize("file", PORTABLE, ids=lambda file: file.stem)
def test_the_portable_tests_pass_on_it(small_firmware: Path, file: Path) -> None:
    answer = micropython.run(
        [small_firmware / "run_micropython.py", file.stem],
        path=[small_firmware, ".frozen"],
        heap="4M",
        folder=small_firmware,
    )
    assert answer.returncode == 0, answer.stdout
    assert re.search(r"^[1-9]\d* passed, 0 failed$", answer.stdout, re.MULTILINE), answer.stdout


def test_the_firmware_becomes_a_tenth_smaller_at_least() -> None:
    sources = {name: file.read_text() for name, file in image.sources().items()}
    small = shrink(sources, "pairlet_main.py").sources
    assert set(small) < set(sources)
    before = sum(len(ast.unparse(ast.parse(text))) for text in sources.values())
    assert sum(map(len, small.values())) < 0.9 * before
