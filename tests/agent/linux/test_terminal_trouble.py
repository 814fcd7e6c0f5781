"""The terminal display when things go wrong: hostile fields, and real terminals that stall or go away."""

import io
import os
import re
import termios
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pairlet.core.screen import CODE, Screen
from pairlet.linux.drawing.look import Look
from pairlet.linux.plain_display import PlainDisplay
from pairlet.linux.terminal import TerminalDisplay
from support.drawn import ADDRESS, COMPLETE, KINDS, SIZES, Drawn, code_screen, read_qr
from support.pseudo_terminal import PseudoTerminal
from support.vt100 import BLACK, Terminal

OWN_SEQUENCE = re.compile(r"\x1b\[(\?25[hl]|[0-9;]*[mHJK])")


def harmful(text: str) -> str:
    """The characters of `text` that could steer a terminal or reorder what a person reads."""
    return "".join(
        character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )


NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b\x9b\x07\r\n\t\x00\x7f\u202e\u2066\u200b\u200d\ufeff\u0301\ufe0f漢👍\U000e0041\u1160"
        ),
        st.sampled_from("ABC-019[]0m;H"),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from([*KINDS, "no such kind"]),
    fields=st.tuples(NASTY, NASTY, NASTY, NASTY, NASTY, NASTY),
    size=st.sampled_from([*SIZES, (1, 1), (2, 2), (3, 50), (200, 3)]),
)
@example(CODE, ("\x1b]0;x\x07", "https://a\x1b[2Jb", "\x9b31m", "\u202egnp", "\r\n", "\x1b[?1049h"), (80, 24))
def test_no_field_can_steer_the_terminal(kind: str, fields: tuple[str, ...], size: tuple[int, int]) -> None:
    user_code, address, complete, scope, message, advice = fields
    screen = Screen(
        kind,
        user_code=user_code,
        verification_uri=address,
        verification_uri_complete=complete,
        remaining_s=-5,
        scope=scope,
        message=message,
        advice=advice,
    )
    drawn = Drawn(*size)
    written = drawn.show(screen) + drawn.show(code_screen()) + drawn.show(screen) + drawn.close()
    # The model refuses every sequence that is not one of a display's own; what is left is text:
    text = drawn.terminal.text() + drawn.terminal.history()
    assert harmful(text.replace("\n", "")) == ""
    assert OWN_SEQUENCE.sub("", written).count("\x1b") == 0
    lines = io.StringIO()
    PlainDisplay(lines).show(screen)
    assert harmful(lines.getvalue().removesuffix("\n")) == ""


@settings(max_examples=60, deadline=None)
@given(message=NASTY, size=st.sampled_from([(80, 24), (30, 20)]))
def test_widths_are_measured_so_that_every_row_stays_a_row(message: str, size: tuple[int, int]) -> None:
    drawn = Drawn(*size)
    drawn.show(code_screen(message="before"))
    drawn.show(code_screen(message=message))
    anew = Drawn(*size)
    anew.show(code_screen(message=message))
    assert drawn.terminal.rows == anew.terminal.rows
    assert not anew.terminal.soft_wraps


def test_an_endless_code_and_address_do_not_break_the_display() -> None:
    drawn = Drawn()
    drawn.show(code_screen(user_code="W" * 5000, verification_uri="https://example.com/" + "d" * 5000))
    drawn.show(code_screen())
    assert ADDRESS in drawn.terminal.text()


def test_on_a_real_terminal_the_size_is_the_terminals_own() -> None:
    with PseudoTerminal(100, 30) as pty:
        display = TerminalDisplay(pty.stream, look=Look(exact=True))
        display.show(code_screen())
        pty.settle_on("Valid for 14:32")
        assert read_qr(pty.terminal, paper=BLACK) == [COMPLETE]
        pty.resize(40, 12)
        pty.terminal = Terminal(40, 12)
        display.show(code_screen(remaining_s=871))
        pty.settle_on("Valid for 14:31")
        assert ADDRESS in pty.terminal.text()
        display.close()


def test_a_terminal_that_does_not_know_its_size_counts_as_80_by_24() -> None:
    with PseudoTerminal(80, 24) as pty:
        pty.resize(0, 0)
        display = TerminalDisplay(pty.stream)
        display.show(code_screen())
        pty.settle_on("Valid for 14:32")
        display.close()


def test_a_terminal_that_is_held_up_never_holds_up_the_agent() -> None:
    with PseudoTerminal() as pty:
        display = TerminalDisplay(pty.stream)
        for number in range(3000):  # megabytes, and nobody reads: a plain write() would never return
            display.show(code_screen(user_code="CODE%04d" % number))
        pty.settle(lambda terminal: "CODE0" in terminal.text())
        while "LAST-CODE" not in pty.terminal.text():  # the person reads on; the test's time-out bounds this
            display.show(code_screen(user_code="LAST-CODE"))
            pty.read_some()
        pty.settle_on("Valid for 14:32")
        display.close()


def test_control_s_is_survived() -> None:
    with PseudoTerminal() as pty:
        display = TerminalDisplay(pty.stream)
        display.show(code_screen())
        pty.settle_on("Valid for 14:32")
        termios.tcflow(pty.slave, termios.TCOOFF)
        for remaining in range(871, 600, -1):
            display.show(code_screen(remaining_s=remaining))
        termios.tcflow(pty.slave, termios.TCOON)
        display.show(code_screen(remaining_s=600))  # hands on what waited
        display.show(code_screen(remaining_s=599))
        pty.settle_on("Valid for 9:59")
        display.close()


def test_a_terminal_that_is_gone_does_not_end_the_agent() -> None:
    with PseudoTerminal() as pty:
        display = TerminalDisplay(pty.stream)
        display.show(code_screen())
        pty.hang_up()
        for remaining in range(3):
            display.show(code_screen(remaining_s=remaining))
        display.close()


def test_closing_gives_back_every_descriptor() -> None:
    with PseudoTerminal() as pty:
        before = len(os.listdir("/proc/self/fd"))
        display = TerminalDisplay(pty.stream)
        display.show(code_screen())
        display.close()
        display.close()
        display.show(code_screen())
        assert len(os.listdir("/proc/self/fd")) == before
        print("still usable", file=pty.stream, flush=True)
        pty.settle_on("still usable")
