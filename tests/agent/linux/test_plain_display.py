"""Plain lines, and streams that are no terminals."""

import io
import os
from collections.abc import Callable

import pytest
from pairlet.core.screen import PAIRED, RUNNING, STARTING, TROUBLE, Screen
from pairlet.linux.drawing.words import OURS
from pairlet.linux.plain_display import PlainDisplay
from pairlet.linux.terminal import TerminalDisplay
from support.drawn import ADDRESS, COMPLETE, Drawn, code_screen
from support.vt100 import Terminal


def plain(screens: list[Screen], encoding: str = "utf-8") -> list[str]:
    buffer = io.BytesIO()
    display = PlainDisplay(io.TextIOWrapper(buffer, encoding=encoding, newline="\n"))
    for screen in screens:
        display.show(screen)
    display.close()
    return buffer.getvalue().decode(encoding).splitlines()


def test_plain_lines_tell_a_code_once_and_remind_each_minute() -> None:
    lines = plain([code_screen(remaining_s=left) for left in range(300, 170, -1)])
    assert lines == [
        "Open %s and enter the code WDJB-MJHT or open %s. Valid for 5:00. %s" % (ADDRESS, COMPLETE, OURS),
        "The code WDJB-MJHT is valid for 4:00",
        "The code WDJB-MJHT is valid for 3:00",
    ]


def test_item_57_the_code_is_for_nobody_else() -> None:
    assert "to nobody" in OURS and plain([code_screen()])[0].endswith(OURS)
    drawn = Drawn()
    drawn.show(code_screen())
    assert OURS in drawn.terminal.text()


def test_plain_lines_tell_every_change_once() -> None:
    running = [
        Screen(RUNNING, message="sent 1"),
        Screen(RUNNING, message="sent 1"),
        Screen(RUNNING, message="sent 2"),
    ]
    lines = plain([Screen(STARTING), *running, Screen(TROUBLE, message="no network", advice="Check it.")])
    assert lines == ["Starting", "Running: sent 1.", "Running: sent 2.", "Trouble: no network. Check it."]


def test_plain_lines_fit_the_encoding() -> None:
    assert plain([Screen(RUNNING, message="grün 漢")], "ascii") == ["Running: gr?n ?."]
    assert plain([Screen(RUNNING, message="grün")], "latin-1") == ["Running: grün."]


def test_a_pipe_that_nobody_reads_never_holds_up_the_agent() -> None:
    reader, writer = os.pipe()
    with open(writer, "w", encoding="utf-8") as stream:
        display = PlainDisplay(stream)
        for number in range(3000):  # more than a pipe holds
            display.show(Screen(RUNNING, message="line %d " % number + "x" * 100))
        assert os.read(reader, 65536).startswith(b"Running: line 0 ")
        os.close(reader)
        display.show(Screen(RUNNING, message="nobody is there"))  # EPIPE
        display.show(Screen(RUNNING, message="still nobody"))
        display.close()


def test_a_picture_into_a_pipe_that_nobody_reads_never_holds_up_the_agent() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    terminal = Terminal(200, 60)
    with open(writer, "w", encoding="utf-8") as stream:
        display = TerminalDisplay(stream, size=lambda: (200, 60))
        for number in range(300):  # pictures of more bytes than a pipe promises to take at once
            display.show(code_screen(user_code="CODE%04d" % number))
        while "LAST-CODE" not in terminal.text():  # bounded by the test's time-out
            terminal.feed(os.read(reader, 65536))
            display.show(code_screen(user_code="LAST-CODE"))
        display.close()
    terminal.feed(os.read(reader, 65536))
    os.close(reader)
    assert ADDRESS in terminal.text() and terminal.cursor_visible


def closed_stream() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [PlainDisplay, TerminalDisplay])
def test_a_closed_stream_is_no_error(make: Callable[[io.StringIO], PlainDisplay | TerminalDisplay]) -> None:
    display = make(closed_stream())
    display.show(code_screen())
    display.show(Screen(PAIRED))
    display.close()
