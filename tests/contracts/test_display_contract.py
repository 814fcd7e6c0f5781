"""The contract of the port Display (pairlet.ports), for every implementation there is.

To add one: write a context manager that yields a Subject, and add it to SUBJECTS.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest
from pairlet.core.screen import CODE, DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED, Screen
from pairlet.linux.display import NoDisplay
from pairlet.linux.plain_display import PlainDisplay
from pairlet.linux.serial_display import SerialDisplay
from pairlet.linux.terminal import TerminalDisplay
from pairlet.ports import Display
from pairlet_board.console import ConsoleDisplay
from pairlet_board.terminal import TerminalDisplay as BoardTerminalDisplay
from support.panels import Watched, new_panel
from support.pseudo_terminal import PseudoTerminal

ADDRESS = "https://example.com/device"
KINDS = [STARTING, UNPAIRED, CODE, PAIRED, DENIED, EXPIRED, RUNNING, TROUBLE]


class Subject:
    """A display under test, and how to find out what a person can see on it.

    `sees(text)`: whether a person can read `text` by now. `vanish()`: the person, the window or the
    cable goes away. `blind`: the display shows nothing, on purpose.
    """

    def __init__(
        self,
        display: Display,
        sees: Callable[[str], bool],
        vanish: Callable[[], None],
        *,
        blind: bool = False,
    ):
        self.display = display
        self.sees = sees
        self.vanish = vanish
        self.blind = blind


def _on_screen(pty: PseudoTerminal, text: str) -> bool:
    pty.settle_on(text)  # fails, with what there is, if it never comes
    return True


def _in_bytes(pty: PseudoTerminal, text: str) -> bool:
    while text.encode() not in pty.received:
        pty.read_some()  # the test's time-out bounds this
    return True


@contextmanager
def terminal_display() -> Iterator[Subject]:
    with PseudoTerminal() as pty:
        display = TerminalDisplay(pty.stream)
        yield Subject(display, lambda text: _on_screen(pty, text), pty.hang_up)
        display.close()


@contextmanager
def terminal_display_on_a_foreign_stream() -> Iterator[Subject]:
    stream = io.StringIO()
    display = TerminalDisplay(stream)
    yield Subject(display, lambda text: text in stream.getvalue(), stream.close)
    display.close()


@contextmanager
def plain_display() -> Iterator[Subject]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    received = bytearray()

    def sees(text: str) -> bool:
        with suppress(BlockingIOError):  # all of it has been read before
            received.extend(os.read(reader, 65536))
        return text in received.decode()

    with open(writer, "w", encoding="utf-8") as stream:
        display = PlainDisplay(stream)
        yield Subject(display, sees, lambda: os.close(reader))
        display.close()


@contextmanager
def serial_display() -> Iterator[Subject]:
    with PseudoTerminal() as pty:
        display = SerialDisplay(pty.path)
        yield Subject(display, lambda text: _on_screen(pty, text), pty.hang_up)
        display.close()


@contextmanager
def plain_serial_display() -> Iterator[Subject]:
    with PseudoTerminal() as pty:
        display = SerialDisplay(pty.path, ansi=False)
        yield Subject(display, lambda text: _in_bytes(pty, text), pty.hang_up)
        display.close()


@contextmanager
def no_display() -> Iterator[Subject]:
    yield Subject(NoDisplay(), lambda text: False, lambda: None, blind=True)


@contextmanager
def board_panel(height: int) -> Iterator[Subject]:
    # Not at the top: on CPython, the framebuf that these import stands beside support.panels' model.
    from pairlet_board.screens import PanelDisplay
    from pairlet_board.ssd1306 import Ssd1306

    panel = new_panel(height)
    display = Watched(PanelDisplay(Ssd1306(panel, 128, height)), panel)

    def pull_the_cable() -> None:
        panel.gone = True

    yield Subject(display, display.sees, pull_the_cable)
    display.close()


def board_panel_of_64_rows() -> AbstractContextManager[Subject]:
    return board_panel(64)


def board_panel_of_32_rows() -> AbstractContextManager[Subject]:
    return board_panel(32)


@contextmanager
def board_console() -> Iterator[Subject]:
    stream = io.StringIO()
    display = ConsoleDisplay(stream.write)
    yield Subject(display, lambda text: text in stream.getvalue(), stream.close)
    display.close()


@contextmanager
def board_terminal() -> Iterator[Subject]:
    with PseudoTerminal() as pty:

        def write(text: str) -> None:
            pty.stream.write(text)
            pty.stream.flush()

        display = BoardTerminalDisplay(write)
        yield Subject(display, lambda text: _on_screen(pty, text), pty.hang_up)
        display.close()


SUBJECTS: list[Callable[[], AbstractContextManager[Subject]]] = [
    terminal_display,
    terminal_display_on_a_foreign_stream,
    plain_display,
    serial_display,
    plain_serial_display,
    no_display,
    board_panel_of_64_rows,
    board_panel_of_32_rows,
    board_console,
    board_terminal,
]


@pytest.fixture(params=SUBJECTS, ids=lambda make: make.__name__)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with request.param() as made:
        yield made


def code_screen(remaining_s: int = 600, *, complete: bool = True, message: str = "") -> Screen:
    return Screen(
        CODE,
        user_code="WDJB-MJHT",
        verification_uri=ADDRESS,
        verification_uri_complete=ADDRESS + "?user_code=WDJB-MJHT" if complete else None,
        remaining_s=remaining_s,
        message=message,
    )


@pytest.mark.parametrize("complete", [True, False])
def test_code_and_address_can_be_read(subject: Subject, complete: bool) -> None:
    # RFC 8628 section 3.3.1: the user code MUST, the address SHOULD, whatever else is shown.
    subject.display.show(code_screen(complete=complete))
    if not subject.blind:
        assert subject.sees("WDJB-MJHT")
        assert subject.sees(ADDRESS)


def test_a_message_can_be_read_besides_the_code(subject: Subject) -> None:
    subject.display.show(code_screen())
    subject.display.show(code_screen(599, message="no network: trying again"))
    if not subject.blind:
        assert subject.sees("no network: trying again")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != CODE])
def test_message_and_advice_can_be_read(subject: Subject, kind: str) -> None:
    subject.display.show(Screen(kind, message="the cable is out", advice="Put it back."))
    if not subject.blind:
        assert subject.sees("the cable is out")
        assert subject.sees("Put it back.")


def test_the_granted_scope_can_be_read(subject: Subject) -> None:
    subject.display.show(Screen(PAIRED, scope="telemetry:write"))
    if not subject.blind:
        assert subject.sees("telemetry:write")


def test_any_order_of_screens_is_fine(subject: Subject) -> None:
    for kind in [*KINDS, *reversed(KINDS), "a kind from the future"]:
        subject.display.show(Screen(kind))
    subject.display.show(Screen(RUNNING, message="still at work"))
    if not subject.blind:
        assert subject.sees("still at work")


def test_a_whole_countdown_is_fine(subject: Subject) -> None:
    for remaining in range(130, -2, -1):
        subject.display.show(code_screen(remaining))
    if not subject.blind:
        assert subject.sees("WDJB-MJHT")


def test_no_trouble_with_the_device_reaches_the_agent(subject: Subject) -> None:
    subject.display.show(code_screen())
    subject.vanish()
    for remaining in (3, 2, 1):
        subject.display.show(code_screen(remaining))
    subject.display.show(Screen(PAIRED))
    subject.display.close()


def test_close_is_harmless_twice_and_show_after_it(subject: Subject) -> None:
    subject.display.show(code_screen())
    subject.display.close()
    subject.display.close()
    subject.display.show(Screen(PAIRED))


def test_close_without_show_is_harmless(subject: Subject) -> None:
    subject.display.close()


def test_no_escape_of_a_field_arrives(subject: Subject) -> None:
    screen = Screen(
        CODE,
        user_code="AB\x1b[31mCD\x9b2J",
        verification_uri="https://example.com/\x1b]0;title\x07x",
        message="\u202egnp.exe\x1b[2J",
        remaining_s=5,
    )
    subject.display.show(screen)  # the terminal model refuses what it should not get
    subject.display.show(Screen(RUNNING, message="\x1b[?1049hdone"))
    if not subject.blind:
        assert subject.sees("done")
