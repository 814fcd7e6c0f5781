"""QR codes: read back by a decoder that is not ours, from pixels."""

import string

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pairlet.core.errors import ProtocolError
from pairlet.linux.qr import (
    NARROW_QUIET_ZONE,
    STANDARD_QUIET_ZONE,
    dark_ink,
    light_ink,
    matrix,
    with_quiet_zone,
)
from PIL import Image

COMPLETE = "https://example.com/device?user_code=WDJB-MJHT"  # RFC 8628 section 3.2
QR_CODE = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
DARK = (18, 18, 24)
LIGHT = (250, 250, 245)
PIXELS = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


def picture(lines: list[str], ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image.Image:
    """Lines of half blocks on a screen that shows `ink` on `paper`, with that paper all around."""
    around = 8
    scale = 6
    image = Image.new("RGB", (len(lines[0]) + 2 * around, 2 * len(lines) + 2 * around), paper)
    for row, line in enumerate(lines):
        for column, block in enumerate(line):
            for half, inked in enumerate(PIXELS[block]):
                image.putpixel((column + around, 2 * row + half + around), ink if inked else paper)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def read(image: Image.Image, *, invert: bool = False) -> list[str]:
    return [barcode.text for barcode in zxingcpp.read_barcodes(image, QR_CODE, try_invert=invert)]


def drawn(text: str) -> list[str]:
    return dark_ink(matrix(text), STANDARD_QUIET_ZONE)


@pytest.mark.parametrize(
    "text",
    [
        COMPLETE,
        "https://example.com/device",
        "HTTPS://EXAMPLE.COM/D",  # the alphanumeric mode
        "0123456789",  # the numeric mode
        "https://example.com/gerät",  # UTF-8
        "https://example.com/device?user_code=" + "WDJB-MJHT" * 40,  # a version with many alignment patterns
        "x",
    ],
)
def test_a_decoder_reads_what_was_put_in(text: str) -> None:
    assert read(picture(drawn(text), DARK, LIGHT)) == [text]


@settings(max_examples=40, deadline=None)
@given(st.text(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%", min_size=1, max_size=200))
def test_a_decoder_reads_any_address(text: str) -> None:
    assert read(picture(drawn(text), DARK, LIGHT)) == [text]


@pytest.mark.parametrize(
    ("length", "modules"), [(17, 21), (18, 25), (32, 25), (33, 29), (53, 29), (54, 33), (2953, 177)]
)
def test_the_code_is_the_smallest_that_holds_the_text(length: int, modules: int) -> None:
    # Capacities in bytes at level L: ISO/IEC 18004 table 7.
    rows = matrix("a" * length)
    assert len(rows) == modules
    assert all(len(row) == modules for row in rows)


@pytest.mark.parametrize(
    ("length", "level"), [(14, "M"), (15, "L"), (26, "M"), (27, "L"), (42, "M"), (43, "L")]
)
def test_more_error_correction_where_it_costs_nothing(length: int, level: str) -> None:
    (barcode,) = zxingcpp.read_barcodes(picture(drawn("a" * length), DARK, LIGHT))
    assert barcode.ec_level == level


@pytest.mark.parametrize("text", ["", "a" * 2954, "\ud800", "\x00" * 3000])
def test_what_no_code_can_hold_is_a_typed_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="QR code"):
        matrix(text)


def test_the_caller_can_not_spoil_the_next_code() -> None:
    first = matrix(COMPLETE)
    first[0][0] = not first[0][0]
    assert matrix(COMPLETE)[0][0] != first[0][0]


def test_the_quiet_zone_is_light_on_all_sides() -> None:
    rows = with_quiet_zone(matrix("x"), 3)
    assert len(rows) == 21 + 6
    border = rows[:3] + rows[-3:] + [row[:3] + row[-3:] for row in rows]
    assert not any(module for row in border for module in row)
    assert [row[3:-3] for row in rows[3:-3]] == matrix("x")


def test_half_blocks_hold_every_module() -> None:
    modules = with_quiet_zone(matrix(COMPLETE), 4)
    halves = [[PIXELS[block][half] for block in line] for line in drawn(COMPLETE) for half in (0, 1)]
    assert [[bool(pixel) for pixel in row] for row in halves[: len(modules)]] == modules
    assert not any(halves[len(modules)])  # 37 rows are odd: no ink below


@pytest.mark.parametrize("quiet_zone", [STANDARD_QUIET_ZONE, NARROW_QUIET_ZONE])
@pytest.mark.parametrize("scale", [1, 2])
def test_either_ink_is_a_normal_code_on_its_own_background(quiet_zone: int, scale: int) -> None:
    modules = matrix(COMPLETE)
    on_dark = picture(light_ink(modules, quiet_zone, scale), LIGHT, DARK)
    on_light = picture(dark_ink(modules, quiet_zone, scale), DARK, LIGHT)
    assert read(on_dark) == [COMPLETE]
    assert read(on_light) == [COMPLETE]


def test_the_wrong_background_needs_a_reader_that_inverts() -> None:
    # This is what NO_COLOR costs where the terminal does not tell its background: known, not hoped.
    image = picture(light_ink(matrix(COMPLETE), STANDARD_QUIET_ZONE), DARK, LIGHT)
    assert read(image, invert=True) == [COMPLETE]
    assert read(image, invert=False) == []


def test_without_a_quiet_zone_a_dark_screen_can_not_be_read() -> None:
    image = picture(light_ink(matrix(COMPLETE), 0), LIGHT, DARK)
    assert read(image, invert=True) == []
