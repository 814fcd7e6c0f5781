"""The installation on a virtual board, through the real mpremote: slots, settings, power cuts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pairlet.core.errors import PairletError, StoreError, TransportError
from pairlet.linux.flash import slots
from pairlet.linux.flash.install import Done, Installation
from pairlet.linux.flash.serial_board import SerialBoard
from pairlet_sim.board import VirtualBoard
from support.flashing import Silence, firmware, install, said, settings, virtual_board


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with virtual_board(tmp_path / "flash.bin") as board:
        board.wait_for_boot()
        yield board


def flashed(board: VirtualBoard, version: str, config: str) -> Done:
    """Flash and wait until the firmware has said that it runs."""
    mark = board.mark()
    done = install(board.serial_path, version, config)
    board.wait_for_console(said(version, config), since=mark)
    board.wait_for_console(">>> ", since=mark)
    return done


def names(board: VirtualBoard, folder: str = "/") -> list[str]:
    """What lies in a folder of the board."""
    return sorted(board.execute(f"import os\nprint(*os.listdir({folder!r}))").split())


def test_a_bare_board_gets_all(board: VirtualBoard) -> None:
    done = flashed(board, "one", "x")
    assert (done.slot, done.changed, done.sent, done.copied) == ("pairlet-a", True, 4, 0)
    assert done.size == sum(map(len, firmware("one").values()))
    assert names(board) == ["config.json", "main.py", "pairlet-a", "pairlet-slot.0"]
    assert names(board, "/pairlet-a/pairlet/core") == ["only_one.py", "same.py"]


def test_nothing_is_sent_twice(board: VirtualBoard) -> None:
    flashed(board, "one", "x")
    done = flashed(board, "one", "x")
    assert (done.slot, done.changed, done.sent, done.copied) == ("pairlet-a", False, 0, 0)


def test_an_update_sends_what_changed_and_takes_the_old_away(board: VirtualBoard) -> None:
    flashed(board, "one", "x")
    done = flashed(board, "two", "y")
    assert (done.slot, done.changed, done.sent, done.copied) == ("pairlet-b", True, 2 + 1, 1)
    assert names(board) == ["config.json", "main.py", "pairlet-b", "pairlet-slot.0", "pairlet-slot.1"]
    assert names(board, "/pairlet-b/pairlet/core") == ["only_two.py", "same.py"]
    done = flashed(board, "three", "y")
    assert done.slot == "pairlet-a"


def test_new_settings_alone_leave_the_firmware(board: VirtualBoard) -> None:
    flashed(board, "one", "x")
    done = flashed(board, "one", "y")
    assert (done.slot, done.changed, done.sent) == ("pairlet-a", True, 0)
    assert names(board, "/pairlet-a") == ["pairlet", "pairlet_main.py", "pairlet_part.py"]


def test_settings_that_no_start_has_taken_yet_are_replaced(board: VirtualBoard) -> None:
    flashed(board, "one", "x")
    for config in ("y", "z", "x"):
        link = SerialBoard(board.serial_path)
        link.connect()
        link.prepare()
        Installation(link, firmware("one"), settings(config), Silence()).run()
        link.close()
    mark = board.mark()
    board.reset()
    board.wait_for_console(said("one", "x"), since=mark)


def test_a_program_of_somebody_else_is_kept(board: VirtualBoard) -> None:
    board.execute("with open('main.py','w') as f: f.write('print(\"mine\")\\n')")
    board.execute("import os\nos.mkdir('lib')\nos.mkdir('lib/pairlet')\nopen('lib/pairlet/x.py','w').close()")
    board.execute("open('lib/other.py','w').close()\nopen('ca-0123.pem','w').close()")
    flashed(board, "one", "x")
    assert board.execute("print(open('main-before-pairlet.py').read())").strip() == 'print("mine")'
    assert names(board, "/lib") == ["other.py"]
    assert "ca-0123.pem" not in names(board)
    flashed(board, "two", "x")
    assert board.execute("print(open('main-before-pairlet.py').read())").strip() == 'print("mine")'


def test_a_file_that_rotted_is_sent_again(board: VirtualBoard) -> None:
    flashed(board, "one", "x")
    board.execute("with open('/pairlet-a/pairlet_part.py','w') as f: f.write('version = 9\\n')")
    done = flashed(board, "one", "x")
    assert (done.slot, done.sent, done.copied) == ("pairlet-b", 1, 3)


def test_certificates_come_before_the_settings_that_name_them_and_go_with_them(board: VirtualBoard) -> None:
    for number in "12":
        link = SerialBoard(board.serial_path)
        link.connect()
        link.prepare()
        name = f"ca-{number}.pem"
        wanted = settings(name)._replace(certificates={name: b"pem " * 500})
        Installation(link, firmware("one"), wanted, Silence()).run()
        assert [path for path in link.names("/") if "ca-" in path] == ["/" + name]
        assert link.read("/" + name) == b"pem " * 500
        link.close()


def test_a_full_flash_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with virtual_board(tmp_path / "flash.bin", size=24 * 4096) as board:
        board.wait_for_boot()
        flashed(board, "one", "x")
        large = {**firmware("two"), "large.py": bytes(80_000)}
        link = SerialBoard(board.serial_path)
        link.connect()
        link.prepare()
        with pytest.raises(
            StoreError, match=r"^the board's flash is full: the firmware needs \d+ KB, \d+ KB"
        ):
            Installation(link, large, settings("y"), Silence()).run()
        assert link.files("/pairlet-b") == {}
        mark = board.mark()
        link.close(stopped=True)
        board.wait_for_console(said("one", "x"), since=mark)


def test_a_flash_that_fills_up_on_the_way_is_told(board: VirtualBoard) -> None:
    link = SerialBoard(board.serial_path)
    link.connect()
    link.prepare()
    with pytest.raises(StoreError, match="^the board's flash is full$"):
        link.write("/large", bytes(900_000))
    link.close()


def test_a_watchdog_is_fed_meanwhile(board: VirtualBoard) -> None:
    board.execute("with open('config.json','w') as f: f.write('{\"board\": {\"watchdog\": true}}')")
    link = SerialBoard(board.serial_path)
    link.connect()
    link.prepare()
    fed: list[bytes] = []
    watchdog = board.board._watchdog
    real = watchdog.feed

    def heard() -> None:
        fed.append(b".")
        real()

    board.call(setattr, watchdog, "feed", heard)
    link.write("/x", bytes(5000))
    board.until(lambda: len(fed) >= 5)
    link.close()


# ---- power cuts ------------------------------------------------------------------------------


class CutBoard(SerialBoard):
    """Loses its power right after the command `fatal` (counted from 0) has been sent to it."""

    def __init__(self, board: VirtualBoard, fatal: int):
        super().__init__(board.serial_path)
        self._board = board
        self._fatal = fatal
        self.commands = 0

    def run(self, source: str) -> str:
        """As SerialBoard's, until the power is gone."""
        if self.commands == self._fatal:
            self._link.exec_raw_no_follow(source)
            self._board.power_cut()
            raise TransportError("the power is gone")
        self.commands += 1
        return super().run(source)


def cut_at(board: VirtualBoard, fatal: int, version: str, config: str) -> int | None:
    """Flash with a power cut at command `fatal`; None, or how many commands it took if it came before."""
    link = CutBoard(board, fatal)
    try:
        link.connect()
        link.prepare()
        Installation(link, firmware(version), settings(config), Silence()).run()
        return link.commands
    except PairletError:
        return None
    finally:
        link.close()


def started(board: VirtualBoard) -> str:
    """Give the power back; what the program said."""
    mark = board.mark()
    board.power_on()
    board.wait_for_console(">>> ", since=mark)
    return board.since(mark)


@pytest.mark.parametrize("first", range(0, 5))
def test_a_power_cut_leaves_the_old_or_the_new(board: VirtualBoard, first: int) -> None:
    flashed(board, "one", "x")
    old, new = ("one", "x"), ("two", "y")
    for fatal in range(first, 1000, 5):
        if cut_at(board, fatal, *new) is not None:
            break
        start = started(board)
        assert (said(*old) in start) != (said(*new) in start), (fatal, start)
        if said(*new) in start:
            # It was the new one: the way back is the next to be cut.
            old, new = new, old
    assert fatal > 30, "the cuts came after the end"
    flashed(board, *new)


def test_a_power_cut_in_a_first_flash_leaves_the_program_of_before(board: VirtualBoard) -> None:
    board.execute("with open('main.py','w') as f: f.write('print(\"mine\")\\n')")
    for fatal in range(0, 1000, 3):
        if cut_at(board, fatal, "one", "x") is not None:
            break
        start = started(board)
        assert ("mine\n" in start) != (said("one", "x") in start), (fatal, start)
    mark = board.mark()
    board.reset()
    board.wait_for_console(said("one", "x"), since=mark)


def test_what_a_cut_flash_brought_over_is_used(board: VirtualBoard) -> None:
    assert cut_at(board, 20, "one", "x") is None
    board.power_on()
    done = flashed(board, "one", "x")
    assert 0 < done.sent < 4


def test_torn_choices_count_for_nothing() -> None:
    one, two = slots.choice(9, "pairlet-a"), slots.choice(10, "pairlet-b")
    assert slots.chosen([None, None]) == (0, None, 0)
    assert slots.chosen([one, None]) == (9, "pairlet-a", 1)
    assert slots.chosen([two, one]) == (10, "pairlet-b", 1)
    for size in range(len(two)):
        assert slots.chosen([one, two[:size]]) == (9, "pairlet-a", 1)
    assert slots.chosen([b"\xff\x00 x end\n", b"-1 pairlet-a end\n"]) == (0, None, 0)
