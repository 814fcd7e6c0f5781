"""Flash files that are made on the host, with the board's own LittleFS."""

from collections.abc import Callable
from pathlib import Path

import littlefs
import pytest
from pairlet_sim.board import BoardError, Settings, VirtualBoard, mpy_version
from pairlet_sim.board.flash import filled
from support import micropython

FILES = {
    "main.py": b"print('it starts')\n",
    "lib/a/b/c.py": b"x = 1\n",
    "lib/a/empty": b"",
    "large": bytes(range(256)) * 400,
    "lib/a/\u00e4.txt": b"\n\nnames and data may hold anything\n",
}


def test_another_implementation_reads_what_was_put_in() -> None:
    flash = filled(FILES, micropython.required())
    assert len(flash) == Settings.size
    system = littlefs.LittleFS(block_size=4096, block_count=len(flash) // 4096, mount=False)
    system.context.buffer = bytearray(flash)
    system.mount()
    found = {}
    for folder, _, names in system.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with system.open(path, "rb") as file:
                found[path.lstrip("/")] = file.read()
    assert found == FILES


def test_a_board_starts_from_it(make_board: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    path = tmp_path / "flash.bin"
    path.write_bytes(filled(FILES, micropython.required(), 64 * 4096))
    board = make_board(flash=path, size=64 * 4096)
    board.wait_for_console("it starts")
    assert board.execute("import sys\nsys.path.append('/lib/a/b')\nimport c\nprint(c.x)") == "1\n"


def test_files_that_do_not_fit() -> None:
    with pytest.raises(BoardError, match="^A flash of 65536 bytes is too small for these files"):
        filled(FILES, micropython.required(), 16 * 4096)


@pytest.mark.parametrize("interpreter", ["/bin/false", "/nowhere/micropython"])
def test_no_interpreter(interpreter: str) -> None:
    with pytest.raises(BoardError, match=f"^{interpreter} does not make a flash") as raised:
        filled(FILES, Path(interpreter))
    assert raised.value.missing
    with pytest.raises(BoardError, match=f"^{interpreter} does not say which .mpy files"):
        mpy_version(Path(interpreter))


def test_the_interpreter_says_which_mpy_files_it_loads() -> None:
    assert mpy_version(micropython.required()) == 6
