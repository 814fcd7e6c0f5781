"""The rules of the house (design sections 1 and 6), each on the whole repository and each on a bad example.

A rule that can't fire is worthless, so every rule named here has an example that breaks it.
"""

import json
from pathlib import Path

import pytest
from house_finding import Finding
from house_imports import import_findings
from house_portable import portable_findings
from house_shape import (
    PACKAGES,
    computer_files,
    mip_findings,
    mip_list,
    portable_files,
    shape_findings,
    sources,
    top_level_findings,
)

ROOT = Path(__file__).resolve().parents[1]
PORTABLE_FOLDERS = ("firmware", "tests/portable")


def relative(file: Path) -> str:
    """The path of `file` in the repository, with slashes."""
    return file.relative_to(ROOT).as_posix()


def report(findings: list[Finding]) -> str:
    """The findings for a person, one a line."""
    return "\n".join(["", *(str(finding) for finding in findings)])


def all_findings(files: list[Path], rules) -> list[Finding]:  # type: ignore[no-untyped-def]
    """What `rules` finds in the sources `files`."""
    return [finding for file in files for finding in rules(relative(file), file.read_text())]


# ---- the repository --------------------------------------------------------------------------


def test_imports_follow_the_table() -> None:
    files = sources(ROOT, ("agent", "firmware", "simulator"))
    assert any(relative(file) == "agent/pairlet/core/errors.py" for file in files)
    findings = all_findings(files, import_findings)
    assert not findings, report(findings)


def test_portable_code_stays_in_the_portable_subset() -> None:
    files = [*portable_files(ROOT), *computer_files(ROOT), *sources(ROOT, PORTABLE_FOLDERS)]
    findings = all_findings(files, portable_findings)
    assert not findings, report(findings)


def test_files_and_functions_are_short_and_documented() -> None:
    findings = all_findings(sources(ROOT), shape_findings)
    assert not findings, report(findings)


def test_nothing_lies_about_at_the_top() -> None:
    findings = top_level_findings(ROOT)
    assert not findings, report(findings)


def test_mip_copies_what_boards_carry_and_nothing_else() -> None:
    findings = mip_findings(ROOT)
    assert not findings, report(findings)


def test_the_mip_list_leaves_out_what_boards_do_not_need() -> None:
    names = [name for name, _ in mip_list(ROOT)["urls"]]  # type: ignore[attr-defined]
    assert "pairlet/core/errors.py" in names
    assert "pairlet/__init__.py" in names
    assert not [name for name in names if "linux" in name or name.endswith("ports.py")]
    assert all((ROOT / "agent" / name).is_file() for name in names)
    edges = [name for name, _ in mip_list(ROOT, "firmware")["urls"]]  # type: ignore[attr-defined]
    assert "pairlet_board/http.py" in edges
    # mip writes below /lib, where neither would run; and it must not replace somebody's main.py.
    assert not [name for name in edges if name in ("main.py", "boot.py")]
    assert all((ROOT / "firmware" / name).is_file() for name in edges)


# ---- bad examples: imports -------------------------------------------------------------------

CORE, SHELL, LINUX = "agent/pairlet/core/x.py", "agent/pairlet/x.py", "agent/pairlet/linux/x.py"
TYPES = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (CORE, "import time"),
        (CORE, "import asyncio"),
        (CORE, "def f():\n    import os"),
        (CORE, "from random import random"),
        (CORE, "from collections import OrderedDict"),
        (CORE, "import collections"),
        (CORE, "from ..drive import drive"),
        (CORE, "from .. import drive"),
        (CORE, "from ..linux import http"),
        (CORE, "from pairlet.config import Config"),
        (CORE, TYPES + "from ..ports import Clock"),
        (CORE, TYPES + "from ..config import Config"),
        (SHELL, "import sys"),
        (SHELL, "import time"),
        (SHELL, "from .linux.http import Http"),
        (SHELL, "from . import linux"),
        (SHELL, "from .ports import Clock"),
        (SHELL, "import requests"),
        (SHELL, "from pairlet_sim import clock"),
        ("agent/pairlet/__init__.py", "from .agent import Agent"),
        (LINUX, "from ..agent import Agent"),
        (LINUX, "from pairlet import drive"),
        (LINUX, "from ..ports import Clock"),
        (LINUX, "import pairlet_sim"),
        (LINUX, "from pairlet_board.tls import x"),
        ("agent/pairlet/linux/drawing/x.py", "from ...agent import Agent"),
        ("agent/pairlet/linux/cli.py", "from pairlet_sim.demo import command"),
        ("firmware/pairlet_board/x.py", "from pairlet.agent import Agent"),
        ("firmware/pairlet_board/x.py", "from pairlet.linux import http"),
        ("simulator/pairlet_sim/board/x.py", "from pairlet.agent import Agent"),
        ("simulator/pairlet_sim/board/x.py", "from pairlet_board import tls"),
        ("simulator/pairlet_sim/authserver/x.py", "from pairlet.core.form import decode"),
        ("simulator/pairlet_sim/authserver/x.py", "from ..broker import server"),
        ("simulator/pairlet_sim/broker/x.py", "import pairlet"),
        ("simulator/pairlet_sim/broker/x.py", TYPES + "from pairlet.core.mqtt import Message"),
        ("simulator/pairlet_sim/console/x.py", "from pairlet_sim.board import virtual"),
        ("simulator/pairlet_sim/console/x.py", "from pairlet import __version__"),
        ("simulator/pairlet_sim/soak/model/x.py", "from pairlet.core.http import Response"),
        ("simulator/pairlet_sim/soak/model/x.py", TYPES + "from pairlet.core.token import Token"),
        ("simulator/pairlet_sim/soak/model/x.py", "from ..clock import DeviceClock"),
        ("simulator/pairlet_sim/soak/rules/x.py", "from pairlet.core.answer import read_answer"),
        ("simulator/pairlet_sim/soak/rules/x.py", "from pairlet.core import token"),
        ("simulator/pairlet_sim/soak/network.py", "from pairlet.drive import first_of"),
        ("simulator/pairlet_sim/soak/process.py", "from pairlet.linux import http"),
        ("simulator/pairlet_sim/soak/process.py", "from pairlet_sim.authserver import Settings"),
        ("simulator/pairlet_sim/faults/x.py", "from pairlet.core.form import decode"),
        ("simulator/pairlet_sim/faults/scenarios/x.py", "from ...conformance.client import Client"),
        ("simulator/pairlet_sim/conformance/x.py", "from pairlet.linux import http"),
        ("simulator/pairlet_sim/faultproxy/x.py", "from pairlet.core.mqtt import Message"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str) -> None:
    assert [finding.rule for finding in import_findings(path, source)] == ["imports"]


def test_an_import_by_a_call_is_found() -> None:
    findings = import_findings(SHELL, "x = __import__('os')")
    assert [finding.rule for finding in findings] == ["hidden import"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (CORE, "import json, struct, binascii, hashlib\nfrom collections import namedtuple"),
        (CORE, "from . import url\nfrom .errors import ConfigError\nfrom .. import core"),
        (CORE, TYPES + "from typing import Any\n    from collections.abc import Sequence"),
        (SHELL, "import asyncio\nimport json\nfrom .core import url\nfrom .drive import drive"),
        (SHELL, TYPES + "from .ports import Clock"),
        (LINUX, "import requests, os\nfrom ..core.http import Request\nfrom . import tls"),
        (LINUX, "from .. import __version__\n" + TYPES + "from ..ports import Clock"),
        ("agent/pairlet/linux/drawing/x.py", "from ...core.screen import Screen\nfrom ..qr import matrix"),
        ("agent/pairlet/linux/drawing/__init__.py", "from .text import x\nfrom ..qr import matrix"),
        ("agent/pairlet/linux/cli.py", "from ..agent import Agent\nfrom .store import Files"),
        ("agent/pairlet/linux/commands_pair.py", "from ..agent import Agent"),
        ("firmware/main.py", "from pairlet.agent import Agent\nimport pairlet_board.wifi"),
        (
            "firmware/pairlet_board/x.py",
            "import machine\nfrom pairlet.core.http import Request\nfrom .tls import y",
        ),
        (
            "simulator/pairlet_sim/authserver/x.py",
            "import authlib\nfrom .pages import y\nfrom ..clock import Clock",
        ),
        ("simulator/pairlet_sim/soak/model/x.py", "import json\nfrom . import MARK"),
        ("simulator/pairlet_sim/soak/rules/x.py", "from pairlet.core.wall import x\nfrom ..model import y"),
        ("simulator/pairlet_sim/soak/process.py", "from pairlet.agent import Agent\nfrom .edges import x"),
        ("simulator/pairlet_sim/soak/system_calls.py", "from pairlet.linux import store as linux_store"),
        ("simulator/pairlet_sim/demo.py", "from pairlet.linux import http\nfrom .broker import Broker"),
        (
            "simulator/pairlet_sim/faults/scenarios/x.py",
            "from ..steps import real\nfrom ...authserver import Person\nfrom ...person import walk",
        ),
        ("simulator/pairlet_sim/conformance/x.py", "from ..faults.site import Site\nimport rich"),
    ],
)
def test_an_allowed_import_is_not_found(path: str, source: str) -> None:
    assert import_findings(path, source) == []


# ---- bad examples: the portable subset -------------------------------------------------------

NOT_PORTABLE = [
    ("match", "match x:\n    case 1:\n        pass"),
    ("except*", "try:\n    pass\nexcept* ValueError:\n    pass"),
    ("raise from", "def f(error):\n    raise ValueError(1) from error"),
    ("star in display", "x = [*a, 1]"),
    ("star in display", "x = (*a, 1)"),
    ("star in display", "x = {*a, 1}"),
    ("star in display", "x = {**a, 'b': 1}"),
    ("async comprehension", "async def f(y):\n    return [x async for x in y]"),
    ("slice step", "x = y[::-1]"),
    ("slice step", "x = y[0:10:2]"),
    ("del slice", "del x[:3]"),
    ("positional-only", "def f(a, /):\n    pass"),
    ("positional-only", "f = lambda a, /: a"),
    ("multiple inheritance", "class A(B, C):\n    pass"),
    ("class keywords", "class A(metaclass=B):\n    pass"),
    ("with in generator", "def f():\n    with x:\n        yield 1"),
    ("f-string", 'x = f"{a!a}"'),
    ("f-string", "x = f\"{f'{a}'}\""),
    ("f-string", "x = f\"{a + '}'}\""),
    ("string concatenation", 'x = f"{a}" "b"'),
    ("string concatenation", 'x = ("{}"\n    f"{a}")'),
    ("__future__", "from __future__ import annotations"),
    ("absent module", "import typing"),
    ("absent module", "import dataclasses"),
    ("absent module", "from urllib.parse import quote"),
    ("absent module", "def f():\n    from enum import Enum"),
    ("absent name", "try:\n    pass\nexcept TimeoutError:\n    pass"),
    ("absent name", "try:\n    pass\nexcept (OSError, ConnectionError):\n    pass"),
    ("absent name", "x = vars(y)"),
    ("evaluated type", "Pairs = list[tuple[str, str]]"),
    ("evaluated type", "Maybe = int | None"),
    ("evaluated type", "def f(a=dict[str, int]):\n    pass"),
    ("absent method", "x = y.removeprefix('a')"),
    ("absent method", "x = y.zfill(2)"),
    ("absent method", "x = y.ljust(2)"),
    ("absent method", "x = y.isalnum()"),
    ("absent method", "x = point._replace(x=1)"),
    ("absent method", "import hashlib\nx = hashlib.sha256(b'').hexdigest()"),
    ("absent keyword", "x = y.split(maxsplit=1)"),
    ("absent keyword", "x = int.from_bytes(y, 'big', signed=True)"),
    ("absent keyword", "x = y.decode('utf-8', errors='replace')"),
    ("absent keyword", "import json\nx = json.dumps(y, indent=1)"),
    ("absent keyword", "x = zip(a, b, strict=True)"),
    ("absent keyword", "from collections import namedtuple\nP = namedtuple('P', 'a b', defaults=(1,))"),
    ("decode errors", "x = y.decode('utf-8', 'replace')"),
    ("absent module part", "import asyncio\nx = asyncio.Queue()"),
    ("absent module part", "from asyncio import TaskGroup"),
    ("absent module part", "import json\ntry:\n    pass\nexcept json.JSONDecodeError:\n    pass"),
    ("absent module part", "import binascii\ntry:\n    pass\nexcept binascii.Error:\n    pass"),
    ("recursion", "def f(n):\n    return f(n - 1)"),
    ("recursion", "def f(n):\n    return g(n)\ndef g(n):\n    return f(n)"),
    ("recursion", "class A:\n    def f(self, n):\n        return self.f(n - 1)"),
    ("recursion", "async def f(n):\n    return await f(n - 1)"),
]

PORTABLE = """
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    Pairs = list[tuple[str, str]]

def f(a: "int | None", *, b: list[str], c: "dict[str, Any]" = {}) -> "tuple[int, ...]":
    x: list[int] = [1, 2][0:1]
    first, *rest = x
    f2(*rest, **c)
    name = f"{a} and {c['k']} {a:>5}" + "{}"
    text = "a" "b"
    if (n := len(x)) > 3:
        raise ValueError(name) from None
    telemetry.encode(x, True)
    return b"".decode("utf-8"), y.split(",", 1), sorted(x, key=len)

class A(B):
    count: int = 0

    @property
    def close(self) -> int:
        return self.link.close()

    def title(self):
        return self.title_of(1)

    def run(self):
        super().run()
        run()

    def shown(self):
        return self.title()
"""


@pytest.mark.parametrize(("rule", "source"), NOT_PORTABLE, ids=[source for _, source in NOT_PORTABLE])
def test_what_boards_can_not_run_is_found(rule: str, source: str) -> None:
    assert rule in [finding.rule for finding in portable_findings("x.py", source)]


def test_what_boards_can_run_is_not_found() -> None:
    assert portable_findings("x.py", PORTABLE) == []


# ---- bad examples: shape ---------------------------------------------------------------------

DOCUMENTED = '"""Words."""\n'


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("file length", DOCUMENTED + "x = 1\n" * 400),
        ("function length", DOCUMENTED + "def _f():\n" + "    x = 1\n" * 60),
        ("function length", DOCUMENTED + "class _A:\n    async def f(self):\n" + "        x = 1\n" * 60),
        ("docstring", "x = 1\n"),
        ("docstring", DOCUMENTED + "def f():\n    return 1\n"),
        ("docstring", DOCUMENTED + "async def f():\n    return 1\n"),
        ("docstring", DOCUMENTED + "class A:\n    x = 1\n"),
        ("docstring", DOCUMENTED + 'class A:\n    """Words."""\n    def f(self):\n        return 1\n'),
    ],
)
def test_a_bad_shape_is_found(rule: str, source: str) -> None:
    assert [finding.rule for finding in shape_findings("agent/x.py", source)] == [rule]


@pytest.mark.parametrize(
    "source",
    [
        DOCUMENTED + "x = 1\n" * 399,
        DOCUMENTED + "def _f():\n" + "    x = 1\n" * 59,
        DOCUMENTED + "def f():\n" + '    """Words.\n' + "\n" * 80 + '    """\n    return 1\n',
        DOCUMENTED + "def now() -> int: ...\n",
        DOCUMENTED + 'class A:\n    """Words."""\n    def __init__(self):\n        self.x = 1\n',
    ],
)
def test_a_good_shape_is_not_found(source: str) -> None:
    assert shape_findings("agent/x.py", source) == []


def house(folder: Path) -> Path:
    """A repository in small, with nothing wrong."""
    (folder / "agent/pairlet/core").mkdir(parents=True)
    (folder / "agent/pairlet/linux").mkdir()
    (folder / "agent/pairlet/__init__.py").write_text('__version__ = "1.2.3"\n')
    for name in ("agent.py", "ports.py", "core/errors.py", "linux/http.py"):
        (folder / "agent/pairlet" / name).write_text("")
    (folder / ".gitignore").write_text(".venv/\n*.egg-info/\n")
    (folder / "firmware/pairlet_board").mkdir(parents=True)
    (folder / "firmware/pairlet_board/wifi.py").write_text("")
    for package in PACKAGES:
        (folder / package / "package.json").write_text(json.dumps(mip_list(folder, package)))
    return folder


def test_a_house_in_order_has_no_findings(tmp_path: Path) -> None:
    root = house(tmp_path)
    (root / ".venv").mkdir()
    (root / "pairlet.egg-info").mkdir()
    assert [*top_level_findings(root), *mip_findings(root)] == []


def test_a_stray_file_at_the_top_is_found(tmp_path: Path) -> None:
    root = house(tmp_path)
    (root / "notes.txt").write_text("")
    assert [(finding.rule, finding.path) for finding in top_level_findings(root)] == [
        ("top level", "notes.txt")
    ]


def test_a_wrong_mip_list_is_found(tmp_path: Path) -> None:
    root = house(tmp_path)
    urls = [name for name, _ in mip_list(root)["urls"]]  # type: ignore[attr-defined]
    assert urls == ["pairlet/__init__.py", "pairlet/agent.py", "pairlet/core/errors.py"]
    (root / "agent/pairlet/core/new.py").write_text("")
    assert [finding.words.split()[0] for finding in mip_findings(root)] == ["urls"]
    (root / "agent/pairlet/core/new.py").unlink()
    (root / "agent/pairlet/__init__.py").write_text('__version__ = "1.2.4"\n')
    assert [(finding.path, finding.words.split()[0]) for finding in mip_findings(root)] == [
        ("agent/package.json", "version"),
        ("firmware/package.json", "version"),
    ]


def test_a_wrong_mip_list_of_the_firmware_is_found(tmp_path: Path) -> None:
    root = house(tmp_path)
    (root / "firmware/pairlet_board/wifi.py").unlink()
    assert [(finding.path, finding.words.split()[0]) for finding in mip_findings(root)] == [
        ("firmware/package.json", "urls")
    ]
    (root / "firmware/package.json").unlink()
    assert {finding.path for finding in mip_findings(root)} == {"firmware/package.json"}
