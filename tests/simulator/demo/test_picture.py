"""The demo's live picture: what a person sees and can scan, in terminals of all sizes."""

import io
import itertools
import re

import pytest
from pairlet_sim.board.picture import half_blocks
from pairlet_sim.demo.picture import picture
from pairlet_sim.demo.state import Device, State
from rich.console import Console
from support.qr_reader import read_qr
from support.terminal import CursorTerminal

NOW = 1000.0
PORT = 61234  # of five digits: the longest address there is
ADDRESS = f"http://127.0.0.1:{PORT}/device"
CODES = ("BCDF-GHJK", "LMNP-QRST")
# Light and dark in no order that a QR code could have.
PIXELS = [bytes((x * x + 3 * y * x + y) % 7 < 3 for x in range(128)) for y in range(64)]
SIZES = list(itertools.product((30, 40, 60, 74, 80, 100, 140, 200), (10, 14, 20, 24, 30, 40, 45, 60)))


def devices_of(count: int) -> State:
    """A demo of one device or two that has just begun."""
    state = State("ada", "engine-1843", f"http://127.0.0.1:{PORT}", "mqtt://127.0.0.1:51883")
    state.devices = [Device("one", "the device" if count == 1 else "the Linux device", state.log)]
    if count == 2:
        state.devices.append(Device("two", "the board", state.log, "the board: ", "a virtual Pico W"))
        state.devices[1].display = lambda: PIXELS
    for number in range(20):
        state.tell(f"line {number} of the log, which is longer than the narrowest terminals are")
    return state


def wait(device: Device, user_code: str) -> None:
    """Let a device wait for a person; half of the ten minutes are over."""
    device.phase, device.user_code, device.code_ends = "waiting", user_code, NOW + 299.5
    device.verification_uri = ADDRESS
    device.verification_uri_complete = f"{ADDRESS}?user_code={user_code}"


def work(device: Device) -> None:
    """Let a device be paired and publish."""
    device.phase, device.token_issued, device.token_ends = "paired", NOW - 20, NOW + 10
    device.refreshed, device.arrived, device.status = 12, 345, "online"
    device.values = {"heap_free_bytes": 70016, "chip_temperature_celsius": 24.0, "uptime_seconds": 99}


def waiting(count: int) -> State:
    state = devices_of(count)
    for device, user_code in zip(state.devices, CODES, strict=False):
        wait(device, user_code)
    return state


def working(count: int) -> State:
    state = devices_of(count)
    for device in state.devices:
        work(device)
    return state


def mixed() -> State:
    state = devices_of(2)
    work(state.devices[0])
    wait(state.devices[1], CODES[1])
    return state


STATES = {
    "one starting": lambda: devices_of(1),
    "one waiting": lambda: waiting(1),
    "one working": lambda: working(1),
    "both starting": lambda: devices_of(2),
    "both waiting": lambda: waiting(2),
    "both working": lambda: working(2),
    "mixed": mixed,
}


def seen(
    state: State, columns: int, rows: int, *, encoding: str = "utf-8", colors: bool = True
) -> CursorTerminal:
    """The picture on a terminal, which must have had room for it."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=file, width=columns, height=rows, force_terminal=True, no_color=not colors,
        color_system="256" if colors else None, legacy_windows=False,
    )  # fmt: skip
    console.print(picture(state, console, NOW))
    file.flush()
    screen = CursorTerminal(columns, rows)
    screen.feed(file.buffer.getvalue().decode(encoding).replace("\n", "\r\n"))
    return screen


def scanned(screen: CursorTerminal) -> list[str]:
    return sorted(read_qr(screen.picture()))


@pytest.mark.parametrize("name", STATES)
def test_it_fits_and_every_frame_is_closed(name: str) -> None:
    for columns, rows in SIZES:
        if rows < 20:
            continue
        screen = seen(STATES[name](), columns, rows)
        where = f"{columns}x{rows}\n{screen.text()}"
        assert not screen.scrolled and not screen.soft_wraps, where
        assert screen.text().count("╭") == screen.text().count("╯") > 0, where


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 40), (140, 45), (200, 60)])
def test_whoever_waits_can_be_scanned(columns: int, rows: int) -> None:
    for state in (waiting(1), waiting(2), mixed()):
        screen = seen(state, columns, rows)
        assert scanned(screen) == [device.verification_uri_complete for device in state.waiting]
        assert "too small" not in screen.text()
        assert "Sign in as ada with the password engine-1843" in screen.text()
        for device in state.waiting:
            text = screen.text()
            assert device.name in text and "4:59 left" in text and ADDRESS in text
            assert device.user_code in text or " ".join(device.user_code) in text


def test_one_device_s_complete_address_can_be_copied() -> None:
    for columns, rows in [(80, 24), (80, 20), (110, 44)]:
        assert f"{ADDRESS}?user_code={CODES[0]}" in seen(waiting(1), columns, rows).text()


@pytest.mark.parametrize("count", [1, 2])
def test_without_room_for_a_qr_code_it_says_so_and_what_it_takes(count: int) -> None:
    sizes = [size for size in SIZES if size[1] >= 14]
    small = [size for size in sizes if not scanned(seen(waiting(count), *size))]
    assert (80, 20) in small and (80, 24) not in small
    for columns, rows in small:
        text = seen(waiting(count), columns, rows).text()
        for user_code in CODES[:count]:
            assert user_code in text
        found = re.search(r"too small for a QR code: that takes (\d+)x(\d+)\.", " ".join(text.split()))
        assert found, f"{columns}x{rows}\n{text}"
        enough = seen(waiting(count), int(found[1]), int(found[2]))
        assert len(scanned(enough)) == count, f"{found[0]}\n{enough.text()}"
        less = seen(waiting(count), int(found[1]), int(found[2]) - 1)
        assert not scanned(less), f"{found[0]}\n{less.text()}"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (100, 40), (140, 45)])
def test_both_devices_at_work(columns: int, rows: int) -> None:
    text = seen(working(2), columns, rows).text()
    assert text.count("10 s") == 2 and text.count("refreshed 12") == 2 and text.count("━") > 8
    assert text.count("online, 345 samples arrived") == 2
    assert text.count("24.0") == 2 and text.count("70,016") == 2
    assert "line 19 of the log" in text and "too small" not in text


def test_the_board_s_display_is_as_large_as_the_terminal_allows() -> None:
    whole = half_blocks(PIXELS).split("\n")
    text = seen(working(2), 140, 45).text()
    assert all(line in text for line in whole) and "the board's display, 128x64 ─" in text
    text = seen(working(2), 129, 45).text()
    assert not any(line in text for line in whole) and "128x64, at half size" in text
    assert len(re.findall("[\u2800-\u28ff]{64}", text)) == 16
    # The sizes that the README names.
    assert "at half size" in seen(working(2), 80, 27).text()
    assert "display" not in seen(working(2), 80, 26).text()
    assert all(line in seen(working(2), 130, 43).text() for line in whole)
    assert "at half size" in seen(working(2), 130, 42).text()
    state = working(2)
    state.devices[1].display = None
    assert "display" not in seen(state, 140, 45).text()


def test_beside_the_display_there_is_the_log() -> None:
    lines = seen(waiting(2), 140, 45).lines()
    assert any("line 19 of the log" in line and re.search("[\u2800-\u28ff]{64}", line) for line in lines)


def test_without_colours_it_is_read_all_the_same() -> None:
    screen = seen(waiting(2), 80, 24, colors=False)
    assert not screen.colors_used and len(scanned(screen)) == 2


def test_in_ascii_there_are_codes_and_no_blocks() -> None:
    for state in (waiting(2), working(2)):
        text = seen(state, 100, 40, encoding="ascii").text()
        assert text.isascii() and "too small" not in text
    assert all(user_code in seen(waiting(2), 100, 40, encoding="ascii").text() for user_code in CODES)
    assert "==" in seen(working(2), 100, 40, encoding="ascii").text()
