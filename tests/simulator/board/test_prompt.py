"""The board at its prompt, as a person at the serial port sees it."""

import os
import re
import select
from collections.abc import Callable
from pathlib import Path

import pytest
from pairlet_sim.board import BoardError, VirtualBoard


def talk(board: VirtualBoard, keys: str, until: str) -> str:
    """Type, and return what came until the text `until` was among it."""
    mark = board.mark()
    board.type(keys)
    return board.wait_for_console(until, since=mark)


def test_it_greets_with_who_it_is(board: VirtualBoard) -> None:
    text = board.wait_for_console(">>> ")
    assert re.search(r"^MicroPython v1\.\d+\.\d+.*; Raspberry Pi Pico W with RP2040 \(virtual\)$", text, re.M)


def test_expressions_are_shown_and_errors_told(board: VirtualBoard) -> None:
    board.wait_for_console(">>> ")
    assert talk(board, "6*7\r", "\n>>> ") == "6*7\n42\n>>> "
    assert talk(board, "1/0\r", "\n>>> ").endswith(
        'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
        "ZeroDivisionError: divide by zero\n>>> "
    )


def test_blocks_brackets_and_texts_go_over_several_lines(board: VirtualBoard) -> None:
    board.wait_for_console(">>> ")
    assert "0\n1\n>>> " in talk(board, "for i in range(2):\r print(i)\r\r", "1\n>>> ")
    assert "3\n>>> " in talk(board, "sum([1,\r2])\r", "3\n>>> ")
    assert "3\n>>> " in talk(board, "len('''a\rb''')\r", "3\n>>> ")
    assert "5\n>>> " in talk(board, "2 + \\\r3\r", "5\n>>> ")


def test_backspace_and_history(board: VirtualBoard) -> None:
    board.wait_for_console(">>> ")
    talk(board, "40+1\x7f2\r", "42\n>>> ")
    assert "42\n>>> " in talk(board, "\x1b[A\r", "42\n>>> ")


def test_ctrl_c_gives_up_a_line_and_ctrl_e_takes_a_block(board: VirtualBoard) -> None:
    board.wait_for_console(">>> ")
    assert talk(board, "1/0\x03", "\n>>> ") == "1/0\n>>> "
    assert "paste mode" in talk(board, "\x05", "=== ")
    assert "done 3\n>>> " in talk(board, "def f(a):\r  return a\r\rprint('done', f(3))\r\x04", "done 3\n>>> ")


def test_names_of_boot_and_main_are_there_afterwards(board: VirtualBoard) -> None:
    board.execute("with open('boot.py', 'w') as f: f.write('first = 1')")
    board.execute("with open('main.py', 'w') as f: f.write('second = first + 1; print(__name__, second)')")
    mark = board.mark()
    board.reset()
    board.wait_for_console("__main__ 2\n", since=mark)
    board.wait_for_console(">>> ", since=mark)
    assert "(1, 2)" in talk(board, "first, second\r", ")\n>>> ")


def test_ctrl_d_is_a_soft_reset_that_runs_main_again(board: VirtualBoard) -> None:
    board.execute("with open('main.py', 'w') as f: f.write('print(\"main runs\")')")
    mark = board.mark()
    board.reset()
    board.wait_for_console(">>> ", since=mark)
    said = talk(board, "\x04", "main runs\n")
    assert "MPY: soft reboot\n" in said


def test_ctrl_c_stops_main(board: VirtualBoard) -> None:
    board.execute("with open('main.py', 'w') as f: f.write('print(\"on\")\\nwhile True: pass')")
    mark = board.mark()
    board.reset()
    board.wait_for_console("on\n", since=mark)
    said = talk(board, "\x03", ">>> ")
    assert re.search(r'File "main.py", line \d, in <module>\nKeyboardInterrupt', said)


def test_ctrl_c_stops_a_sleeping_event_loop(board: VirtualBoard) -> None:
    source = "import asyncio\nasync def f():\n  print('on')\n  await asyncio.sleep(3600)\nasyncio.run(f())"
    board.execute(f"with open('main.py', 'w') as f: f.write({source!r})")
    mark = board.mark()
    board.reset()
    board.wait_for_console("on\n", since=mark)
    assert "KeyboardInterrupt" in talk(board, "\x03", ">>> ")


def test_an_error_in_main_is_told_and_the_prompt_comes(board: VirtualBoard) -> None:
    board.execute("with open('main.py', 'w') as f: f.write('def f():\\n  int(\"x\")\\nf()')")
    mark = board.mark()
    board.reset()
    said = board.wait_for_console(">>> ", since=mark)
    assert (
        'Traceback (most recent call last):\n  File "main.py", line 3, in <module>\n'
        '  File "main.py", line 2, in f\nValueError: ' in said
    )


def test_a_program_finds_as_much_memory_as_asked_for(
    make_board: Callable[..., VirtualBoard], board: VirtualBoard
) -> None:
    for made, wanted in ((board, 187_072), (make_board(heap=131_072), 131_072)):
        free = int(made.execute("import gc\ngc.collect()\nprint(gc.mem_free())"))
        print("free", free, "of", wanted)
        assert abs(free - wanted) < 0.01 * wanted


def test_running_out_of_memory_is_an_error_like_any(board: VirtualBoard) -> None:
    with pytest.raises(BoardError, match="MemoryError"):
        board.execute("x = bytearray(1000000)")
    assert board.execute("print('still here')") == "still here\n"


def test_it_is_a_board_and_no_desktop(board: VirtualBoard) -> None:
    assert board.execute("import sys, os; print(sys.platform, os.uname().machine)").startswith("rp2 Rasp")
    for name in ("os.system", "os.getenv", "sys.executable"):
        with pytest.raises(BoardError, match="AttributeError"):
            board.execute(f"import os, sys\n{name}")
    assert board.execute("import os; print(os.listdir('/'), os.getcwd())") == "[] /\n"
    with pytest.raises(BoardError, match="ENOENT"):
        board.execute("open('/etc/passwd')")


def test_the_port_is_raw_and_what_nobody_reads_is_lost(board: VirtualBoard) -> None:
    board.execute("print('lost')")
    port = os.open(board.serial_path, os.O_RDWR | os.O_NOCTTY)
    try:
        board.until(lambda: board.board.serial.is_open)
        os.write(port, b"\r\x03print('a\\nb')\r")
        received = b""
        while b"b\r\n>>> " not in received:
            assert select.select([port], [], [], 20)[0], received
            received += os.read(port, 4096)
        assert b"lost" not in received
        assert b"a\r\nb\r\n" in received
    finally:
        os.close(port)


def test_an_interpreter_that_dies_resets_the_board(board: VirtualBoard) -> None:
    boots = board.boots
    board.type("from machine import mem32\rmem32[0]\r")
    board.wait_for_boot(boots + 1)
    board.wait_for_console("the interpreter ended by itself")
    assert board.execute("print('back')") == "back\n"


def test_the_same_flash_is_the_same_board(make_board: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    question = "import machine; print(machine.unique_id())"
    with VirtualBoard(flash=tmp_path / "a.bin") as first:
        first.wait_for_boot()
        told = first.execute(question)
        first.execute("open('kept', 'w').close()")
    again = make_board(flash=tmp_path / "a.bin")
    other = make_board(flash=tmp_path / "b.bin")
    assert again.execute(question) == told != other.execute(question)
    assert again.execute("import os; print(os.listdir())") == "['kept']\n"
