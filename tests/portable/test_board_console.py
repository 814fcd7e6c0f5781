"""The board's serial console: plain lines, and pictures for a terminal at its other end."""

from pairlet.core.screen import PAIRED, RUNNING, Screen
from pairlet_board.console import ConsoleDisplay
from pairlet_board.terminal import TerminalDisplay
from panel import ADDRESS, code_screen


def console(kind=ConsoleDisplay, **options):
    """A display on a console and the list of what it wrote."""
    written = []
    return kind(written.append, **options), written


def test_the_console_says_each_thing_once():
    shown, written = console()
    for remaining in (600, 599, 598):
        shown.show(code_screen(remaining))
    shown.show(Screen(PAIRED, scope="telemetry:write"))
    shown.show(Screen(RUNNING, message="published 3 samples", advice="All is well."))
    assert written == [
        "Open " + ADDRESS + " and enter the code WDJB-MJHT or open " + ADDRESS + "?user_code=WDJB-MJHT. "
        "Valid for 10:00\n",
        "Paired: Allowed: telemetry:write.\n",
        "Running: published 3 samples. All is well.\n",
    ]


def test_the_console_reminds_of_the_code_each_minute():
    shown, written = console()
    for remaining in range(600, 470, -1):
        shown.show(code_screen(remaining))
    assert written[1:] == [
        "The code WDJB-MJHT is valid for 9:00\n",
        "The code WDJB-MJHT is valid for 8:00\n",
    ]


def test_the_console_takes_only_what_it_knows():
    shown, written = console()
    shown.show(Screen(RUNNING, message="caf\u00e9 \x1b[31m"))
    assert written == ["Running: caf? [31m.\n"]
    shown, written = console(utf8=True)
    shown.show(Screen(RUNNING, message="caf\u00e9 \x1b[31m"))
    assert written == ["Running: caf\u00e9 [31m.\n"]


def test_a_console_that_is_gone_does_no_harm():
    def refuse(text):
        raise OSError(5)

    for kind in (ConsoleDisplay, TerminalDisplay):
        shown = kind(refuse)
        for screen in (code_screen(600), code_screen(599), Screen(PAIRED)):
            shown.show(screen)
        shown.close()


def taken(written):
    """What was written since the last time, in one piece."""
    text = "".join(written)
    while written:
        written.pop()
    return text


def test_the_terminal_draws_once_and_then_tells_the_time():
    shown, written = console(TerminalDisplay)
    shown.show(code_screen(600))
    picture = taken(written)
    for text in ("\u2588", ADDRESS, "WDJB-MJHT", "Valid for 10:00"):
        assert text in picture
    shown.show(code_screen(599))
    time = taken(written)
    assert "Valid for 9:59" in time
    assert len(time) < 40
    shown.show(Screen(PAIRED))
    assert taken(written) == "Paired\n"
    shown.close()
    assert taken(written) == ""


def test_the_terminal_is_drawn_anew_now_and_then_and_for_a_new_message():
    shown, written = console(TerminalDisplay)
    pictures = 0
    for remaining in range(600, 400, -1):
        shown.show(code_screen(remaining))
        pictures += "\u2588" in taken(written)
    assert pictures == 4
    shown.show(code_screen(400, message="no network"))
    picture = taken(written)
    assert "\u2588" in picture and "no network" in picture
    assert "\n" not in picture  # painted over the one that is there


def test_a_terminal_with_a_code_on_it_is_left_in_order():
    shown, written = console(TerminalDisplay)
    shown.show(code_screen(600))
    taken(written)
    shown.close()
    assert taken(written) == "\x1b[0m\x1b[?25h"


def test_a_terminal_that_is_not_utf8_gets_ascii_alone():
    shown, written = console(TerminalDisplay, utf8=False, columns=132, rows=50)
    shown.show(code_screen(600, message="caf\u00e9"))
    # Piece by piece: all of it together is a good part of a board's memory.
    assert [piece for piece in written if "##" in piece]
    assert [piece for piece in written if "caf?" in piece]
    for piece in written:
        assert len(piece.encode()) == len(piece) < 1200


def test_a_small_terminal_gets_the_words_alone():
    shown, written = console(TerminalDisplay, columns=40, rows=12)
    shown.show(code_screen(600))
    picture = taken(written)
    assert "\u2588" not in picture
    for text in (ADDRESS, "WDJB-MJHT", "Valid for 10:00"):
        assert text in picture
