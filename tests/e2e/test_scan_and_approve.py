"""A person's path: the code and the QR code on a real terminal, a phone's browser on the server's pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.agent_process import environment, run
from support.chromium import chromium, open_page
from support.cloud import CLIENT_ID, PASSWORD, USERNAME, Cloud, cloud
from support.person_in_browser import approve_in_browser
from support.ports import free_port
from support.processes import marked_environment, marked_processes, until
from support.qr_reader import read_qr
from support.terminal import CursorTerminal, Session, at_terminal
from support.vt100 import Terminal

SIZES = [(80, 24), (100, 40)]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """Our authorization server and broker."""
    with cloud(interval_s=1) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for all tests; each opens a context of its own."""
    with chromium() as started:
        yield started


@pytest.fixture
def common(simulated: Cloud, tmp_path: Path) -> list[str]:
    """The options of a device that is not paired yet."""
    options = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    return [*options, "--state-dir", str(tmp_path / "state"), "--scope", "telemetry:write offline_access"]


def code_is_shown(screen: Terminal) -> bool:
    """A complete frame with a code: the cursor comes back after each."""
    return "Valid for" in screen.text() and screen.cursor_visible


def scanned(session: Session) -> str:
    """What a phone's camera reads off the screen as it is now."""
    session.wait_for(lambda screen: code_is_shown(screen) and len(read_qr(screen.picture())) == 1)
    return read_qr(session.screen.picture())[0]


def typed_code(session: Session) -> tuple[str, str]:
    """Address and code as a person copies them from the letters on the screen."""
    session.wait_for(code_is_shown)
    text = session.screen.text()
    address = re.search(r"http://\S+/device(?=\s)", text)
    code = re.search(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", text)
    assert address and code, text
    return address[0], code[0]


def ends_paired(session: Session) -> None:
    """The process has ended well, and the person can read that on the screen it left behind."""
    assert session.end() == 0
    text = session.screen.text()
    assert "This device is paired with your account." in text and "telemetry:write" in text
    assert session.screen.cursor_visible and "Traceback" not in text
    # What a shell prints next goes below the picture, at the left edge.
    assert session.screen.column == 0 and not session.screen.lines()[session.screen.row]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_scan_the_terminal_and_approve(
    simulated: Cloud, browser: Browser, common: list[str], columns: int, rows: int
) -> None:
    with at_terminal(["pair", *common], columns=columns, rows=rows) as session:
        address = scanned(session)
        assert address.startswith(simulated.issuer + "/device?user_code=")
        with open_page(browser, phone=True) as page:
            seen = approve_in_browser(page, address, USERNAME, PASSWORD)
        assert "Paired" in seen[-1]
        ends_paired(session)
    assert run("token", *common).stdout.count(".") == 2


@pytest.mark.parametrize(("columns", "rows"), [*SIZES, (40, 15)])
def test_type_the_code_by_hand(
    simulated: Cloud, browser: Browser, common: list[str], columns: int, rows: int
) -> None:
    with at_terminal(["pair", *common], columns=columns, rows=rows) as session:
        address, user_code = typed_code(session)
        assert address == simulated.issuer + "/device"
        with open_page(browser, phone=True) as page:
            seen = approve_in_browser(page, address, USERNAME, PASSWORD, user_code=user_code.lower())
        assert "Paired" in seen[-1]
        ends_paired(session)


def test_saying_no_on_the_phone_is_said_on_the_terminal(browser: Browser, common: list[str]) -> None:
    with at_terminal(["pair", *common]) as session:
        with open_page(browser, phone=True) as page:
            seen = approve_in_browser(page, scanned(session), USERNAME, PASSWORD, "deny")
        assert "Denied" in seen[-1]
        assert session.end() == 3
        assert "The request was declined: this device is not paired." in session.screen.text()


def test_ctrl_c_leaves_the_terminal_as_it_was(common: list[str]) -> None:
    with at_terminal(["pair", *common]) as session:
        session.wait_for(code_is_shown)
        session.type("\x03")
        assert session.end() == 130
        assert session.screen.cursor_visible and session.screen.column == 0
        assert "Traceback" not in session.screen.text()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (110, 44)])
def test_the_demo_is_paired_with_a_phone(browser: Browser, tmp_path: Path, columns: int, rows: int) -> None:
    (tmp_path / "tmp").mkdir()
    environ, mark = marked_environment(TMPDIR=str(tmp_path / "tmp"))
    words = ["demo", "--no-browser", "--port", str(free_port())]
    with at_terminal(words, columns=columns, rows=rows, screen=CursorTerminal, environ=environ) as session:
        session.wait_for(lambda screen: len(read_qr(screen.picture())) == 1)
        text = session.screen.text()
        address = read_qr(session.screen.picture())[0]
        account = re.search(r"Sign in as (\S+) with the password (\S+)", text)
        assert account and address in text
        with open_page(browser, phone=True) as page:
            seen = approve_in_browser(page, address, account[1], account[2])
        assert "Paired" in seen[-1]
        session.wait_for(lambda screen: "online" in screen.text() and telemetry_rows(screen) > 0)
        session.type("\x03")
        assert session.end() == 130
        assert "Traceback" not in session.screen.text() + session.screen.history()
        assert session.screen.cursor_visible
    until(lambda: not marked_processes(mark), "every process of the demo to end")
    assert list((tmp_path / "tmp").iterdir()) == []


def telemetry_rows(screen: Terminal) -> int:
    """How many measured values the demo's picture shows."""
    card = screen.text().partition("─ the device ─")[2].partition("╰")[0]
    return len(re.findall(r"│ [a-z_]+_[a-z_0-9]+\s+[\d,.]+", card))


def test_without_colours_it_still_scans(simulated: Cloud, common: list[str]) -> None:
    """A terminal that may not use colours draws the QR code in its own two."""
    environ = environment(NO_COLOR="1")
    with at_terminal(["pair", *common], columns=100, rows=40, environ=environ) as session:
        assert scanned(session).startswith(simulated.issuer)
        assert not session.screen.colors_used
