"""Every file of tests/portable once more, on a real MicroPython with a board's heap."""

import re
from pathlib import Path

import pytest
from house_calls import ABSENT_METHODS, MODULE_NAMES
from house_portable import ABSENT_NAMES
from support import micropython

PORTABLE = micropython.ROOT / "tests/portable"
FILES = sorted(PORTABLE.glob("test_*.py"))
# tests/ comes last, for `from portable.x import y`, which reads the same under pytest.
ROOT = micropython.ROOT
SEARCH_PATH: list[str | Path] = [ROOT / "agent", ROOT / "firmware", ".frozen", ROOT / "tests"]

# Tests that need more than a board's heap for themselves, and why.
HEAPS = {
    "test_agent": "1M",  # the whole agent compiled from source, a model server, and its tests
    "test_link_delivery": "2M",  # the link compiled from source, and a model broker, over hours
    "test_link_tokens": "2M",
    "test_link_downlink": "1M",
    "test_link_echo": "1M",
    "test_clock_states": "2M",  # as test_agent, over hours
    "test_keeping": "6M",  # as test_agent, with several agents at once
    "test_pace": "2M",  # as test_agent, over hours
    "test_revocation": "2M",  # as test_agent
    "test_trouble": "4M",  # as test_agent, over whole days
    "test_resume": "4M",  # as test_agent, and many starts
    "test_resume_cuts": "4M",
    "test_prompting": "4M",
    "test_authorization_code_grant": "256k",  # for a browser on the device: of no use on a board
    "test_introspection": "1M",  # of no use on a board
    "test_following": "4M",
    "test_downlink": "4M",
    "test_announcing": "4M",
    "test_signing_in": "2M",  # as test_agent
    "test_resources": "1M",  # as test_agent
    "test_own_name": "2M",  # as test_agent, over hours
    "test_lending": "2M",
    "test_proximity": "256k",  # the agent compiled from source, in the middle of a run
    "test_json_object": "192k",  # builds answers of 25 KB in one piece
    "test_outbox": "2M",  # a disk in memory with hundreds of records
    "test_outbox_damage": "2M",
    "test_board_log": "256k",  # the outbox compiled from source, and a disk in one piece of 32 KB
}


def run_portable(file: Path) -> tuple[int, str]:
    """Run one file of portable tests; returns the exit status and what it printed."""
    answer = micropython.run(
        [PORTABLE / "run_micropython.py", file.stem],
        path=[file.parent, *SEARCH_PATH],
        heap=HEAPS.get(file.stem, micropython.BOARD_HEAP),
    )
    return answer.returncode, answer.stdout


def test_there_are_portable_tests() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_on_micropython(file: Path) -> None:
    status, output = run_portable(file)
    print(micropython.description())
    print(output)
    assert status == 0, f"{file.name} on {micropython.description()}:\n{output}"
    assert re.search(r"^[1-9]\d* passed, 0 failed$", output, re.MULTILINE), output


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def test_wrong():\n    assert 1 + 1 == 3\n", "AssertionError"),
        ("import dataclasses\ndef test_never():\n    pass\n", "FAILED to import"),
        ("async def test_not_awaited():\n    assert False\n", "is it an async function?"),
        ("def test_big():\n    bytearray(10_000_000)\n", "MemoryError"),
        ("def check():\n    pass\n", "0 passed, 0 failed"),
        ("def test_good():\n    pass\ndef test_bad():\n    raise ValueError('x')\n", "1 passed, 1 failed"),
    ],
)
def test_the_runner_tells_of_failures(tmp_path: Path, source: str, words: str) -> None:
    file = tmp_path / "test_bad_example.py"
    file.write_text(source)
    status, output = run_portable(file)
    assert status == 1
    assert words in output


def test_what_the_house_rules_say_of_micropython_is_so(tmp_path: Path) -> None:
    modules = {name: sorted(parts) for name, parts in MODULE_NAMES.items()}
    script = tmp_path / "facts.py"
    script.write_text(
        "import builtins, hashlib\n"
        "from collections import namedtuple\n"
        "values = ['', b'', bytearray(), 1, 1.0, [], {}, set(), ()]\n"
        "values += [hashlib.sha256(), namedtuple('P', 'a')(1)]\n"
        f"for name in {sorted(ABSENT_NAMES)!r}:\n"
        "    if hasattr(builtins, name): print('there is', name)\n"
        f"for name in {sorted(ABSENT_METHODS)!r}:\n"
        "    if any(hasattr(value, name) for value in values): print('there is a method', name)\n"
        f"for module, names in {modules!r}.items():\n"
        "    for name in names:\n"
        "        if not hasattr(__import__(module), name): print('there is no', module, name)\n"
    )
    answer = micropython.run([script], folder=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_the_package_is_the_one_in_agent(tmp_path: Path) -> None:
    file = tmp_path / "test_place.py"
    agent = micropython.ROOT / "agent"
    file.write_text(
        "import pairlet.core.errors as errors\n"
        f"def test_place():\n    assert errors.__file__ == {str(agent / 'pairlet/core/errors.py')!r}\n"
    )
    status, output = run_portable(file)
    assert status == 0, output
