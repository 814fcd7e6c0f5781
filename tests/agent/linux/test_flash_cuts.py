"""The power is cut at every single write that `pairlet flash` and the first start after it write."""

import shutil
from pathlib import Path

from support import micropython
from support.flashing import install, said, virtual_board

DEVICE = Path(__file__).with_name("flash_cuts_device.py")
SIZE = 64 * 4096


def recorded(folder: Path, flashes: list[tuple[str, str]]) -> tuple[Path, Path]:
    """The flash before the last of `flashes`, and the trace of what that one and its first start wrote."""
    flash, before, trace = folder / "flash.bin", folder / "before.bin", folder / "trace"
    for number, (version, config) in enumerate(flashes):
        is_last = number + 1 == len(flashes)
        if is_last and flash.exists():
            shutil.copy(flash, before)
        with virtual_board(flash, size=SIZE, trace=trace if is_last else None) as board:
            board.wait_for_boot()
            mark = board.mark()
            install(board.serial_path, version, config)
            board.wait_for_console(said(version, config), since=mark)
    return before, trace


def starts(before: Path, trace: Path) -> list[str]:
    """What each start after a cut says, in order."""
    answer = micropython.run([DEVICE, before, trace], heap="16m", timeout=110)
    assert answer.returncode == 0, answer.stdout[-2000:]
    return answer.stdout.split("cut ")[1:]


def judge(found: list[str], old: str, new: str, latest: float = 0.5) -> None:
    """Old up to some cut, not before the part `latest` of all, new from there on, never neither."""
    kinds = ["old" if old in start else "new" if new in start else start for start in found]
    switch = kinds.index("new")
    assert kinds == ["old"] * switch + ["new"] * (len(kinds) - switch)
    assert switch > latest * len(kinds), "there was a switch before everything was there"
    print(f"{len(kinds)} starts, the switch at {switch}")


def test_an_update_with_new_settings(tmp_path: Path) -> None:
    found = starts(*recorded(tmp_path, [("one", "x"), ("two", "y")]))
    assert len(found) > 100
    judge(found, said("one", "x"), said("two", "y"))


def test_the_way_back_to_the_first_slot(tmp_path: Path) -> None:
    found = starts(*recorded(tmp_path, [("one", "x"), ("two", "y"), ("three", "z")]))
    judge(found, said("two", "y"), said("three", "z"))


def test_settings_alone(tmp_path: Path) -> None:
    found = starts(*recorded(tmp_path, [("one", "x"), ("one", "y")]))
    judge(found, said("one", "x"), said("one", "y"), latest=0.2)


def test_the_cuts_find_an_update_in_place(tmp_path: Path) -> None:
    """What flash must not do: write over the files that start."""
    flash, before, trace = tmp_path / "flash.bin", tmp_path / "before.bin", tmp_path / "trace"
    with virtual_board(flash, size=SIZE) as board:
        board.wait_for_boot()
        mark = board.mark()
        install(board.serial_path, "one", "x")
        board.wait_for_console(said("one", "x"), since=mark)
    shutil.copy(flash, before)
    with virtual_board(flash, size=SIZE, trace=trace) as board:
        board.wait_for_console(">>> ")
        for name, old, new in (("pairlet_part", "one", "two"), ("pairlet_main", "one", "two")):
            board.execute(
                f"s=open('/pairlet-a/{name}.py').read().replace('{old}','{new}')\n"
                f"with open('/pairlet-a/{name}.py','w') as f: f.write(s)"
            )
    found = starts(before, trace)
    assert any(said("one", "x") not in start and said("two", "x") not in start for start in found)
