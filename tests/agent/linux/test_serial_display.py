"""The serial display, over real pseudo-terminals opened by pyserial."""

import fcntl
import os
from pathlib import Path

import pytest
import zxingcpp
from pairlet.core.errors import ConfigError
from pairlet.core.screen import CODE, PAIRED, RUNNING, Screen
from pairlet.linux.drawing.look import Look
from pairlet.linux.serial_display import SerialDisplay
from support.pseudo_terminal import PseudoTerminal

QR_CODE = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
ADDRESS = "https://example.com/device"
COMPLETE = "https://example.com/device?user_code=WDJB-MJHT"


def code_screen(remaining_s: int = 872, user_code: str = "WDJB-MJHT") -> Screen:
    return Screen(
        CODE,
        user_code=user_code,
        verification_uri=ADDRESS,
        verification_uri_complete=COMPLETE,
        remaining_s=remaining_s,
    )


def test_the_picture_arrives_at_the_other_end() -> None:
    with PseudoTerminal() as pty:
        display = SerialDisplay(pty.path, 115200)
        display.show(code_screen(872))
        pty.settle_on("Valid for 14:32")
        assert ADDRESS in pty.terminal.text() and "WDJB-MJHT" in pty.terminal.text()
        image = pty.terminal.picture()
        (barcode,) = zxingcpp.read_barcodes(image, QR_CODE, try_invert=False)
        assert barcode.text == COMPLETE
        display.show(code_screen(871))
        pty.settle_on("Valid for 14:31")
        display.close()


def test_size_and_colours_are_those_asked_for() -> None:
    with PseudoTerminal(40, 12) as pty:
        display = SerialDisplay(pty.path, 9600, columns=40, rows=12, look=Look(color=False))
        display.show(code_screen())
        pty.settle_on("Valid for 14:32")
        assert ADDRESS in pty.terminal.text()
        assert not pty.terminal.colors_used
        display.close()


def test_plain_lines_are_ascii_and_end_in_cr_lf() -> None:
    with PseudoTerminal() as pty:
        display = SerialDisplay(pty.path, ansi=False)
        display.show(code_screen(300))
        for remaining in range(299, 230, -1):
            display.show(code_screen(remaining))
        display.show(Screen(RUNNING, message="grün"))
        display.close()
        # pyserial makes the line raw: what arrives is what was written.
        assert pty.read_until(b"gr?n.\r\n").split(b"\r\n") == [
            b"Open %s and enter the code WDJB-MJHT or open %s. Valid for 5:00. Pass the code on to nobody."
            % (ADDRESS.encode(), COMPLETE.encode()),
            b"The code WDJB-MJHT is valid for 4:00",
            b"Running: gr?n.",
            b"",
        ]


def test_a_missing_port_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such port") as caught:
        SerialDisplay(str(tmp_path / "ttyUSB9"))
    assert "display.port" in caught.value.advice


def test_a_busy_port_is_an_error_at_once() -> None:
    with PseudoTerminal() as pty:
        first = SerialDisplay(pty.path)
        with pytest.raises(ConfigError, match="another program uses it"):
            SerialDisplay(pty.path)
        first.close()
        SerialDisplay(pty.path).close()


def test_what_is_no_serial_port_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a port")
    for path in (tmp_path / "file", tmp_path):
        with pytest.raises(ConfigError, match="serial port|may not"):
            SerialDisplay(str(path))


@pytest.mark.parametrize("port", ["", "\x00"])
def test_a_port_that_can_not_be_named_is_an_error_at_once(port: str) -> None:
    with pytest.raises(ConfigError):
        SerialDisplay(port)


@pytest.mark.parametrize("baudrate", [-1, 10**12])
def test_a_baud_rate_that_can_not_be_is_an_error_at_once(baudrate: int) -> None:
    with PseudoTerminal() as pty, pytest.raises(ConfigError):
        SerialDisplay(pty.path, baudrate)


def test_a_port_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "ttyDISPLAY"  # as udev would make: the same name for the next adapter
    with PseudoTerminal() as first, PseudoTerminal() as second:
        link.symlink_to(first.path)
        display = SerialDisplay(str(link))
        display.show(code_screen(872))
        first.settle_on("Valid for 14:32")
        link.unlink()
        first.hang_up()
        for remaining in (871, 870, 869):
            display.show(code_screen(remaining))
        assert display.trouble is not None and "there is no such port" in str(display.trouble)
        link.symlink_to(second.path)
        display.show(code_screen(868))
        second.settle_on("Valid for 14:28")  # all of the picture, not only what changed
        assert ADDRESS in second.terminal.text() and "WDJB-MJHT" in second.terminal.text()
        assert display.trouble is None
        display.close()


def test_a_line_that_takes_nothing_never_holds_up_the_agent() -> None:
    with PseudoTerminal() as pty:
        display = SerialDisplay(pty.path)
        for number in range(3000):  # megabytes, and nobody reads
            display.show(code_screen(user_code="CODE%04d" % number))
        while "LAST-CODE" not in pty.terminal.text():  # bounded by the test's time-out
            display.show(code_screen(user_code="LAST-CODE"))
            pty.read_some()
        pty.settle_on("Valid for 14:32")
        display.close()


def test_close_restores_the_terminal_and_gives_the_port_back() -> None:
    with PseudoTerminal() as pty:
        before = len(os.listdir("/proc/self/fd"))
        display = SerialDisplay(pty.path)
        display.show(Screen(PAIRED))
        display.close()
        display.close()
        display.show(code_screen())
        assert pty.read_until(b"\x1b[0m\x1b[?25h")
        assert len(os.listdir("/proc/self/fd")) == before
        fcntl.flock(pty.slave, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if somebody still holds it
