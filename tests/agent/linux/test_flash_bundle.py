"""One module of those that a program always needs: it does what they did, whatever the names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pairlet.linux.flash import image
from pairlet.linux.flash.shrink import shrink
from pairlet.linux.flash.shrink.bundle import bundle

MAIN = "main.py"


def named(files: dict[str, str]) -> dict[str, str]:
    """By path: `a__b` is the file a/b.py, and `a__` the package a."""
    paths = {name: name.replace("__", "/", 1) for name in files}
    whole = {name: path + "__init__" if path.endswith("/") else path for name, path in paths.items()}
    return {whole[name] + ".py": text for name, text in files.items()}


def bundled(**files: str) -> dict[str, str]:
    """The program with its parts in main.py."""
    trees = {path: ast.parse(text) for path, text in named(files).items()}
    together = bundle(trees, MAIN)
    return {path: ast.unparse(ast.fix_missing_locations(tree)) for path, tree in together.items()}


def said(folder: Path, files: dict[str, str]) -> str:
    """What the program prints that lies in `files`."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); import main"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def same(tmp_path: Path, **files: str) -> dict[str, str]:
    """The bundle, after a look that it prints what the files did."""
    small = bundled(**files)
    before = said(tmp_path / "before", named(files))
    assert before
    assert said(tmp_path / "after", small) == before
    return small


def test_modules_become_one_in_the_order_of_their_needs(tmp_path: Path) -> None:
    small = same(
        tmp_path,
        main="from b import two\nprint(two())",
        b="from a import one\ndef two():\n    return one() + 1",
        a="def one():\n    return 1",
    )
    assert set(small) == {MAIN}
    assert "import" not in small[MAIN]


def test_modules_that_need_each_other_are_met_once(tmp_path: Path) -> None:
    small = same(
        tmp_path,
        main="from a import f\nprint(f())",
        a="from b import g\ndef f():\n    return g()",
        b="from c import n\ndef g():\n    return n() + 1",
        c="def n():\n    return 1",
    )
    assert small[MAIN].count("def ") == 3
    first, second = "from b import g\ndef f():\n    g()", "from a import f\ndef g():\n    f()"
    around = bundled(main="from a import f", a=first, b=second)
    assert around[MAIN].count("def ") == 2


def test_namesakes_are_told_apart(tmp_path: Path) -> None:
    same(
        tmp_path,
        main="from a import go as first\nfrom b import go as second\n"
        "_x = 'main'\nprint(first(), second(), _x)",
        a="_x = 'a'\ndef go():\n    return _x",
        b="_x = 'b'\nclass C:\n    _x = 'class'\n    def f(self):\n        return _x + self._x\n"
        "def go():\n    return C().f()",
    )


def test_what_a_function_binds_stays_its_own(tmp_path: Path) -> None:
    same(
        tmp_path,
        main="from a import go\nfrom b import clean\nprint(go('x'), clean('y'))",
        a="from b import clean as tidy\n"
        "def go(clean):\n    f = lambda tidy: tidy + clean\n"
        "    return tidy(f('z')) + str([tidy for tidy in clean])",
        b="def clean(text):\n    return '<' + text + '>'",
    )


def test_a_global_is_the_one_of_its_module(tmp_path: Path) -> None:
    same(
        tmp_path,
        main="from a import count\nfrom b import count as other\nprint(count(), count(), other(), other())",
        a="_n = 0\ndef count():\n    global _n\n    _n += 1\n    return _n",
        b="_n = 10\ndef count():\n    global _n\n    _n += 1\n    return _n",
    )


def test_a_module_that_is_asked_for_its_names_goes_in(tmp_path: Path) -> None:
    small = same(
        tmp_path,
        p__="",
        p__words="def say():\n    return 'words'\nclass Word:\n    pass",
        p__use="from . import words\ndef f(words2=words.say()):\n"
        "    return words.say() + words.Word.__name__ + words2",
        main="from p.use import f\nfrom p import words\nprint(f(), words.say())",
    )
    assert set(small) == {MAIN, "p/__init__.py"}


@pytest.mark.parametrize(
    "use",
    [
        "import p.words\nprint(p.words.say())",
        "from p import words\nx = words\nprint(x.say())",
        "from p import words\ndef f(words):\n    return words\nprint(f(1), words.say())",
    ],
)
def test_a_module_that_is_used_as_an_object_stays_apart(tmp_path: Path, use: str) -> None:
    small = same(tmp_path, p__="", p__words="def say():\n    return 'words'", main=use)
    assert "p/words.py" in small


def test_a_module_that_asks_for_its_own_file_stays_apart(tmp_path: Path) -> None:
    small = same(
        tmp_path, p__="", p__a="N = __file__[-4:]", main="from p.a import N as ending\nprint(ending)"
    )
    assert "p/a.py" in small


def test_what_a_function_imports_stays_apart_and_finds_the_bundle(tmp_path: Path) -> None:
    small = same(
        tmp_path,
        p__="",
        p__base="_x = 1\nclass Base:\n    def f(self):\n        return _x\ndef say():\n    return 'said'",
        p__late="from .base import Base\nfrom . import base\n_x = 5\nclass Late(Base):\n    def g(self):\n"
        "        return self.f() + _x, base.say()",
        main="from p.base import Base\n_x = 100\n"
        "def later():\n    from p.late import Late\n    return Late().g()\n"
        "if __name__ == 'main':\n    print(later(), Base().f(), _x)",
    )
    assert set(small) == {MAIN, "p/__init__.py", "p/late.py"}
    assert "from main import" in small["p/late.py"]


def test_an_import_in_a_function_of_what_is_there_already(tmp_path: Path) -> None:
    same(
        tmp_path,
        p__="",
        p__base="def say():\n    return 'said'\ndef other():\n    return 'other'",
        main="from p.base import say\n"
        "def f():\n    from p.base import other, say as also\n    return other(), also()\n"
        "def g():\n    from p.base import say\n    return say()\nprint(f(), g(), say())",
    )


def test_imports_from_elsewhere_are_made_once(tmp_path: Path) -> None:
    small = same(
        tmp_path,
        a="import json as j\nfrom os import path\ndef f():\n    return j.dumps(path.basename('/a/b'))",
        b="import json as j2\nfrom os import path as p\ndef g():\n    return j2.dumps(p.basename('/c/d'))",
        main="import json\nfrom a import f\nfrom b import g\nprint(f(), g(), json.dumps(1))",
    )
    assert small[MAIN].count("import ") == 2


def test_class_bodies_and_comprehensions(tmp_path: Path) -> None:
    same(
        tmp_path,
        a="K = [1, 2]\nclass A:\n    J = [x * 2 for x in K]\n    L = J\n    M = [K for K in (7, 8)]\n"
        "    def f(self, n=K):\n        return n, self.J, K, self.L, self.M",
        b="K = [5]\ndef g():\n    return [K[0] + x for x in K for K2 in K]",
        main="from a import A\nfrom b import g, K\nprint(A().f(), g(), K)",
    )


def test_a_class_that_binds_what_it_reads_of_its_module_is_refused() -> None:
    with pytest.raises(SyntaxError, match="A binds and reads K"):
        bundled(a="K = 1\nclass A:\n    K = K + 1", main="from a import A\nK = 2")


def test_errors_are_caught_by_the_class_they_were(tmp_path: Path) -> None:
    same(
        tmp_path,
        a="class Wrong(Exception):\n    pass\ndef f():\n    raise Wrong('a')",
        b="class Wrong(Exception):\n    pass\n"
        "def g():\n    from a import Wrong as error\n    try:\n        raise Wrong('b')\n"
        "    except error:\n        return 'a'\n    except Wrong as error:\n        return str(error)",
        main="from a import f, Wrong\nfrom b import g\ntry:\n    f()\nexcept Wrong as e:\n    print(e, g())",
    )


def test_the_firmware_has_its_always_needed_modules_in_main() -> None:
    sources = {name: file.read_text() for name, file in image.sources().items()}
    small = shrink(sources, "pairlet_main.py").sources
    gone = set(sources) - set(small)
    assert {
        "pairlet/agent.py",
        "pairlet/keeper.py",
        "pairlet/core/errors.py",
        "pairlet_board/wifi.py",
    } <= gone
    # What a board forgets while it is not needed must stay a module of its own.
    assert {"pairlet/pairing.py", "pairlet_board/http.py", "pairlet/core/device_grant.py"} <= set(small)
    for path, text in small.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pairlet"):
                place = (node.module or "").replace(".", "/")
                # What no board has was no file before, either.
                there = place + "/__init__.py" in small or place + ".py" in small
                assert there or place + ".py" not in sources, f"{path} imports {node.module}: no file"
