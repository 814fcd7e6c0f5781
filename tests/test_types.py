"""The types of the whole product, on CPython and on both boards: what `./run lint` checks, by its code."""

from pathlib import Path

import house_types
import pytest
from house_types import BOARDS, CHECKS, CPYTHON, ROOT, FalseAlarm
from support.missing import missing


def findings(check: str, *arguments: object) -> list[str]:
    """As house_types.findings, a line each. Without the means the test skips; with CI=true it fails."""
    try:
        return [str(finding) for finding in house_types.findings(check, *arguments)]  # type: ignore[arg-type]
    except house_types.Missing as absent:
        missing(str(absent))


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_found(check: str) -> None:
    found = findings(check)
    assert not found, "\n".join(["", *found])


def test_what_is_checked() -> None:
    on = {
        check: {file.relative_to(ROOT).as_posix() for file in house_types.files_of(check)} for check in CHECKS
    }
    assert all("agent/pairlet/core/token.py" in files for files in on.values())
    assert all("firmware/pairlet_board/http.py" in files for files in on.values())
    assert {check for check in CHECKS if "firmware/main.py" in on[check]} == set(BOARDS)
    assert {check for check in CHECKS if "agent/pairlet/linux/cli.py" in on[check]} == {CPYTHON}


# What boards lack, as people write it, and what the stubs have for it.
LACKING = [
    ("import time\nx = time.monotonic()", "monotonic"),
    ("import dataclasses", "dataclasses"),
    ("import pathlib", "pathlib"),
    ("import json\nx = json.dumps({}, indent=1)", "indent"),
    ("import machine\nx = machine.Pin(1).colour", "colour"),
    ("import network\nnetwork.WLAN(network.STA_IF).connect(1, 2, 3)", "connect"),
]


@pytest.mark.parametrize("board", BOARDS)
def test_what_a_board_lacks_is_found(board: str, tmp_path: Path) -> None:
    files = []
    for number, (source, _) in enumerate(LACKING):
        files.append(tmp_path / f"lacking_{number}.py")
        files[-1].write_text(source + "\n")
    found = findings(board, files)
    for file, (source, words) in zip(files, LACKING, strict=True):
        assert any(file.name in line and words in line for line in found), f"not found: {source}\n{found}"


@pytest.mark.parametrize("check", CHECKS)
def test_types_that_do_not_fit_are_found(check: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "from pairlet.core.secret import Secret\n\n\ndef f(a: int) -> str:\n    return a\n\n\nSecret(1)\n"
    )
    found = "\n".join(findings(check, [file]))
    assert "wrong.py:5: types" in found and "wrong.py:8: types" in found
    file.write_text("def f(a):\n    return a\n")
    assert "no-untyped-def" in "\n".join(findings(check, [file]))


def test_a_false_alarm_is_let_pass_where_it_is_named_and_nowhere_else(tmp_path: Path) -> None:
    source = "import time\nx = time.monotonic()\n"
    for name in ("here.py", "there.py"):
        (tmp_path / name).write_text(source)
    alarm = FalseAlarm("board", "*/here.py", '"monotonic"', "a test")
    found = findings(BOARDS[0], [tmp_path / "here.py", tmp_path / "there.py"], [alarm])
    assert [line.partition(":")[0].rpartition("/")[2] for line in found] == ["there.py"]


def test_a_false_alarm_that_is_none_any_more_is_found() -> None:
    alarm = FalseAlarm("cpython", "agent/*", "nobody says this", "a test")
    found = findings(CPYTHON, None, [*house_types.FALSE_ALARMS, alarm])
    assert len([line for line in found if "nobody says this" in line]) == 1


def test_without_stubs_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(house_types, "stubs", lambda board: tmp_path / board)
    with pytest.raises(house_types.Missing, match="./run lint"):
        house_types.findings(BOARDS[0], [])


def test_old_stubs_are_not_taken_for_the_ones_that_are_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(house_types, "stubs", lambda board: tmp_path)
    assert not house_types.is_installed("esp32")
    (tmp_path / "made-of").write_text("micropython-esp32-stubs==1.24.0.*")
    assert not house_types.is_installed("esp32")
