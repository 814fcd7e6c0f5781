"""Power cuts: the process is killed between two instructions, the flash file is what is left."""

import random
from collections.abc import Callable
from pathlib import Path

import littlefs
from pairlet_sim.board import VirtualBoard
from pairlet_sim.board.flash import apply, read_trace

# Saves a record again and again, in the way that is safe on LittleFS. Old and new differ in every byte.
SAVER = """
import os
try:
    with open("record") as f: last = f.read()
    n = int(last[:6])
    assert last == "%06d" % n * 300, "torn"
except OSError:
    n = 0
print("found", n)
while True:
    n += 1
    with open("record.tmp", "w") as f: f.write("%06d" % n * 300)
    os.rename("record.tmp", "record")
"""


def saved(image: bytes) -> int | None:
    """The number of the record in a flash image, as another implementation of LittleFS reads it."""
    system = littlefs.LittleFS(block_size=4096, block_count=len(image) // 4096, mount=False)
    system.context.buffer = bytearray(image)
    system.mount()
    if "record" not in system.listdir("/"):
        return None
    with system.open("record", "r") as file:
        text = file.read()
    assert text == text[:6] * 300, "torn"
    return int(text[:6])


def test_kill_in_the_middle_of_writes_leaves_old_or_new(
    make_board: Callable[..., VirtualBoard], tmp_path: Path
) -> None:
    flash = tmp_path / "flash.bin"
    board = make_board(flash=flash, size=64 * 4096)
    board.execute(f"with open('main.py', 'w') as f: f.write({SAVER!r})")
    chance = random.Random(8628)
    before = 0
    cuts = 0
    board.reset("power")
    while cuts < 25:
        mark = board.mark()
        start = flash.stat().st_mtime_ns
        board.until(lambda start=start: flash.stat().st_mtime_ns != start)
        for _ in range(chance.randrange(4000)):
            pass
        board.power_cut()
        cuts += 1
        board.power_on()
        said = board.wait_for_console("found ", since=mark)
        board.until(lambda mark=mark: "\n" in board.board.console.since(mark).partition("found ")[2])
        found = int(board.since(mark).rpartition("found ")[2].split()[0])
        assert "torn" not in said
        assert found >= before
        before = found
    print("cuts", cuts, "saves", before)
    assert before > cuts
    board.power_cut()
    left = saved(flash.read_bytes())
    assert left is not None and left >= before


def test_every_prefix_of_the_trace_is_a_flash_with_old_or_new(
    make_board: Callable[..., VirtualBoard], tmp_path: Path
) -> None:
    flash, trace = tmp_path / "flash.bin", tmp_path / "trace.bin"
    board = make_board(flash=flash, trace=trace, size=64 * 4096)
    board.execute(
        "import os\ndef save(n):\n  with open('record.tmp', 'w') as f: f.write('%06d' % n * 300)\n"
        "  os.rename('record.tmp', 'record')"
    )
    board.execute("for n in range(1, 9): save(n)")
    board.power_cut()
    image = bytearray(b"\xff" * flash.stat().st_size)
    seen: list[int | None] = []
    for count, write in enumerate(read_trace(trace)):
        apply(image, write)
        if count >= 12:  # the file system itself is made by the first ones
            seen.append(saved(image))
    assert image == flash.read_bytes()
    numbers = [number for number in seen if number is not None]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 9))
    assert None not in seen[seen.index(1) :]


def test_a_file_that_was_not_closed_is_lost(board: VirtualBoard) -> None:
    board.execute("f = open('open', 'w')\nf.write('x')\nwith open('closed', 'w') as g: g.write('y')")
    board.power_cut()
    assert board.state()["powered"] is False
    board.power_on()
    assert board.execute(
        "import os\nprint(os.listdir(), os.stat('open')[6] if 'open' in os.listdir() else 0)"
    ) in (
        "['closed'] 0\n",
        "['closed', 'open'] 0\n",
    )


def test_without_power_nothing_answers(board: VirtualBoard) -> None:
    board.power_cut()
    mark = board.mark()
    board.type("print('ghost')\r")
    board.power_on()
    board.wait_for_console(">>> ", since=mark)
    assert "ghost" not in board.since(mark)


def test_the_flash_can_be_read_on_the_host(board: VirtualBoard, tmp_path: Path) -> None:

    board.execute("import os\nos.mkdir('d')\nwith open('d/f', 'w') as f: f.write('from the board')")
    system = littlefs.LittleFS(block_size=4096, block_count=212, mount=False)
    system.context.buffer = bytearray((tmp_path / "flash.bin").read_bytes())
    system.mount()
    with system.open("d/f", "r") as file:
        assert file.read() == "from the board"


def test_a_full_flash_is_an_error_and_no_harm(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(size=16 * 4096)
    board.execute("with open('kept', 'w') as f: f.write('k')")
    said = board.execute(
        "try:\n  with open('big', 'wb') as f:\n    for _ in range(40): f.write(bytes(4096))\n"
        "except OSError as e: print(e.errno)"
    )
    assert said == "28\n"
    assert board.execute("import os\nos.remove('big')\nprint(open('kept').read())") == "k\n"


def test_a_flash_full_of_noise_is_formatted(make_board: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    flash = tmp_path / "noise.bin"
    flash.write_bytes(random.Random(1).randbytes(32 * 4096))
    board = make_board(flash=flash, size=32 * 4096)
    assert board.execute("import os\nprint(os.listdir())") == "[]\n"


def test_who_loses_power_in_a_deep_sleep_wakes_by_power(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(profile="esp32")
    boots = board.boots
    board.type("import machine; machine.deepsleep(86400000)\r")
    board.until(lambda: not board.board.interpreter.running)
    board.power_cut()
    board.power_on()
    board.wait_for_boot(boots + 1)
    said = board.execute("import machine\nprint(machine.reset_cause() == machine.PWRON_RESET)")
    assert said == "True\n"
