"""The firmware as files for a board: what is in it, that it is reproducible, and what a wheel needs."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from pairlet.core.errors import ConfigError
from pairlet.linux.flash import image

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_the_core_the_shell_the_board_and_its_main() -> None:
    found = image.sources()
    listed = {target for target, _ in json.loads((ROOT / "agent/package.json").read_text())["urls"]}
    boards = {file.relative_to(ROOT / "firmware").as_posix() for file in (ROOT / "firmware").rglob("*/*.py")}
    assert set(found) == listed | boards | {"pairlet_main.py"}
    assert "pairlet/core/errors.py" in listed and "pairlet_board/wifi.py" in boards
    assert not [name for name in found if "linux" in name]


def test_it_is_compiled_and_the_same_every_time() -> None:
    one = image.build(6)
    sentences = "pairlet_board/sentences.txt"
    assert set(one) - {sentences} < {name.removesuffix(".py") + ".mpy" for name in image.sources()}
    assert {"pairlet_main.mpy", "pairlet/pairing.mpy", sentences} <= set(one)
    assert all(code[:2] == b"M\x06" for name, code in one.items() if name != sentences)
    assert b"joining the Wi-Fi" in one[sentences]
    assert image.build(6) == one
    assert not [name for name, code in one.items() if str(ROOT).encode() in code], "a path of this machine"


def test_a_dialect_comes_along_where_it_is_spoken() -> None:
    more = {"pairlet/core/dialect.py", "pairlet/translating.py"}
    # That they run there is for tests/e2e/test_flash_provider.py to say.
    assert set(image.sources(dialect=True)) - set(image.sources()) == more


@pytest.mark.parametrize("version", [0, 5, 7])
def test_a_board_that_loads_other_mpy_files_gets_the_sources(version: int) -> None:
    files = image.build(version)
    assert files == {name: source.read_bytes() for name, source in image.sources().items()}


def test_a_wheel_s_layout_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "agent/pairlet", site / "pairlet")
    (site / "pairlet_firmware").mkdir()
    shutil.copytree(ROOT / "firmware/pairlet_board", site / "pairlet_firmware/pairlet_board")
    shutil.copy(ROOT / "firmware/main.py", site / "pairlet_firmware/main.py")
    shutil.copy(ROOT / "agent/package.json", site / "pairlet_firmware/agent.json")
    wanted = {name: file.read_bytes() for name, file in image.sources().items()}
    monkeypatch.setattr(image, "__file__", str(site / "pairlet/linux/flash/image.py"))
    found = image.sources()
    assert all(file.is_relative_to(site) for file in found.values())
    assert {name: file.read_bytes() for name, file in found.items()} == wanted
    (site / "pairlet_firmware/main.py").unlink()
    with pytest.raises(ConfigError, match="no firmware: main.py is missing"):
        image.sources()
    shutil.rmtree(site / "pairlet_firmware")
    with pytest.raises(ConfigError, match=r"no firmware: agent\.json is missing"):
        image.sources()


def test_the_wheel_carries_it() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"] == {
        "firmware/main.py": "pairlet_firmware/main.py",
        "firmware/pairlet_board": "pairlet_firmware/pairlet_board",
        "agent/package.json": "pairlet_firmware/agent.json",
    }


def test_a_source_that_does_not_compile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f(:\n")
    monkeypatch.setattr(image, "sources", lambda _: {"pairlet/bad.py": bad})
    with pytest.raises(ConfigError, match="^pairlet/bad.py does not compile"):
        image.build(6)
