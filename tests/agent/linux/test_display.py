"""Which display a name stands for."""

import io

import pytest
from pairlet.core.errors import ConfigError
from pairlet.core.screen import RUNNING, Screen
from pairlet.linux.display import NAMES, NoDisplay, open_display
from pairlet.linux.plain_display import PlainDisplay
from pairlet.linux.serial_display import SerialDisplay
from pairlet.linux.terminal import TerminalDisplay
from support.pseudo_terminal import PseudoTerminal

XTERM = {"TERM": "xterm-256color"}


def test_auto_draws_on_a_terminal() -> None:
    with PseudoTerminal() as pty:
        display = open_display("auto", pty.stream, XTERM)
        assert isinstance(display, TerminalDisplay)
        display.show(Screen(RUNNING, message="at work"))
        pty.settle_on("at work")
        display.close()


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}, {}])
def test_auto_writes_lines_on_a_terminal_that_can_not_be_drawn_on(environ: dict[str, str]) -> None:
    with PseudoTerminal() as pty:
        assert isinstance(open_display("auto", pty.stream, environ), PlainDisplay)


def test_auto_writes_lines_where_the_encoding_has_no_blocks() -> None:
    with PseudoTerminal() as pty, open(pty.slave, "w", encoding="latin-1", closefd=False) as stream:
        assert isinstance(open_display("auto", stream, XTERM), PlainDisplay)
        with pytest.raises(ConfigError, match="latin-1|iso") as caught:
            open_display("terminal", stream, XTERM)
        assert "LC_ALL" in caught.value.advice


def test_auto_writes_lines_where_there_is_no_terminal() -> None:
    assert isinstance(open_display("auto", io.StringIO(), XTERM), PlainDisplay)
    closed = io.StringIO()
    closed.close()
    assert isinstance(open_display("auto", closed, XTERM), PlainDisplay)


def test_terminal_draws_even_where_there_is_none() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert isinstance(open_display("terminal", stream, {}), TerminalDisplay)


def test_plain_and_none() -> None:
    assert isinstance(open_display("plain", io.StringIO(), XTERM), PlainDisplay)
    stream = io.StringIO()
    nothing = open_display("none", stream, XTERM)
    assert isinstance(nothing, NoDisplay)
    nothing.show(Screen(RUNNING, message="unseen"))
    nothing.close()
    assert stream.getvalue() == ""


def test_serial_takes_the_port() -> None:
    with PseudoTerminal() as pty:
        display = open_display("serial", io.StringIO(), {"NO_COLOR": "1"}, port=pty.path, baudrate=9600)
        assert isinstance(display, SerialDisplay)
        display.show(Screen(RUNNING, message="at work"))
        pty.settle_on("at work")
        assert not pty.terminal.colors_used
        display.close()


@pytest.mark.parametrize("port", [None, ""])
def test_serial_without_a_port_says_which_setting_is_missing(port: str | None) -> None:
    with pytest.raises(ConfigError, match="needs a port") as caught:
        open_display("serial", io.StringIO(), {}, port=port)
    assert "display.port" in caught.value.advice


@pytest.mark.parametrize("name", ["oled", "", "Terminal", "\x1b[2J"])
def test_an_unknown_name_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_display(name, io.StringIO(), {})
    assert all(known in caught.value.advice for known in NAMES)
    assert "\x1b" not in str(caught.value)
