"""The display's model on its own: what commands do to what is seen."""

import io

import pytest
from pairlet_sim.board.picture import braille, half_blocks, png
from pairlet_sim.board.ssd1306 import Ssd1306
from PIL import Image

# What drivers send: clock, multiplex, offset, start line, charge pump, memory mode, orientation, pins ...
INIT_64 = bytes.fromhex("ae 2000 40 a1 a83f c8 d300 da12 d580 d9f1 db30 81ff a4 a6 8d14 af")
INIT_32 = bytes.fromhex("ae 2000 40 a1 a81f c8 d300 da02 d580 d9f1 db30 81ff a4 a6 8d14 af")


def commands(*values: int) -> bytes:
    return bytes([0x00, *values])


def shown(display: Ssd1306) -> set[tuple[int, int]]:
    """The places (x, y) of lit pixels."""
    return {(x, y) for y, line in enumerate(display.pixels()) for x, pixel in enumerate(line) if pixel}


@pytest.fixture
def display() -> Ssd1306:
    made = Ssd1306()
    made.write(b"\x00" + INIT_64)
    return made


def place(display: Ssd1306, page: int, column: int) -> None:
    display.write(commands(0x21, column, 127, 0x22, page, 7))


def test_a_byte_is_eight_pixels_of_a_column_the_lowest_bit_above(display: Ssd1306) -> None:
    place(display, 2, 5)
    display.write(b"\x40\x81\x01")
    assert shown(display) == {(5, 16), (5, 23), (6, 16)}


def test_nothing_is_seen_before_it_is_switched_on() -> None:
    display = Ssd1306()
    display.write(b"\x00" + INIT_64[:-1])
    display.write(b"\x40\xff")
    assert shown(display) == set()
    display.write(commands(0xAF))
    assert (0, 0) in shown(display)


def test_without_charge_pump_the_glass_stays_dark(display: Ssd1306) -> None:
    display.write(b"\x40\xff")
    display.write(commands(0x8D, 0x10))
    assert shown(display) == set()


def test_a_picture_in_horizontal_mode_fills_all_and_begins_anew(display: Ssd1306) -> None:
    display.write(commands(0x21, 0, 127, 0x22, 0, 7))
    display.write(b"\x40" + b"\xff" * 1024 + b"\x00")
    assert len(shown(display)) == 128 * 64 - 8
    assert (0, 0) not in shown(display)


def test_horizontal_mode_keeps_within_its_window(display: Ssd1306) -> None:
    display.write(commands(0x21, 10, 11, 0x22, 1, 2))
    display.write(b"\x40" + b"\x01" * 4)
    assert shown(display) == {(10, 8), (11, 8), (10, 16), (11, 16)}


def test_vertical_mode_goes_down_first(display: Ssd1306) -> None:
    display.write(commands(0x20, 1, 0x21, 10, 11, 0x22, 1, 2))
    display.write(b"\x40" + b"\x01" * 3)
    assert shown(display) == {(10, 8), (10, 16), (11, 8)}


def test_page_mode_stays_in_its_page(display: Ssd1306) -> None:
    display.write(commands(0x20, 2, 0xB3, 0x0F, 0x17))
    display.write(b"\x40" + b"\x01" * 2)
    assert shown(display) == {(127, 24), (0, 24)}


def test_mirrored_columns_count_for_what_is_written_later_only(display: Ssd1306) -> None:
    display.write(b"\x40\x01")
    display.write(commands(0xA0, 0x21, 0, 127))
    display.write(b"\x40\x01")
    assert shown(display) == {(0, 0), (127, 0)}


def test_the_scan_direction_turns_the_picture_at_once(display: Ssd1306) -> None:
    display.write(b"\x40\x01")
    display.write(commands(0xC0))
    assert shown(display) == {(0, 63)}


@pytest.mark.parametrize("command", [(0x48,), (0xD3, 8)])
def test_start_line_and_offset_move_the_picture_up(display: Ssd1306, command: tuple[int, ...]) -> None:
    place(display, 1, 0)
    display.write(b"\x40\x01")
    display.write(commands(*command))
    assert shown(display) == {(0, 0)}


def test_inverse_and_all_on(display: Ssd1306) -> None:
    display.write(b"\x40\x01")
    display.write(commands(0xA7))
    assert len(shown(display)) == 128 * 64 - 1
    display.write(commands(0xA6, 0xA5))
    assert len(shown(display)) == 128 * 64
    display.write(commands(0xA4))
    assert shown(display) == {(0, 0)}


def test_fewer_lines_than_the_glass_has(display: Ssd1306) -> None:
    display.write(commands(0xA5, 0xA8, 31))
    assert {y for _, y in shown(display)} == set(range(32))


def test_wrong_com_pins_shuffle_the_lines(display: Ssd1306) -> None:
    display.write(b"\x40\x02")
    assert shown(display) == {(0, 1)}
    display.write(commands(0xDA, 0x02))
    assert shown(display) == {(0, 2)}


def test_the_small_glass() -> None:
    display = Ssd1306(128, 32)
    display.write(b"\x00" + INIT_32)
    place(display, 3, 127)
    display.write(b"\x40\x80")
    assert shown(display) == {(127, 31)}
    display.write(commands(0xDA, 0x12))
    assert shown(display) == set()


def test_single_bytes_with_a_control_byte_each(display: Ssd1306) -> None:
    display.write(b"\x80\xa7\x80\xa6\xc0\x01")
    assert shown(display) == {(0, 0)}
    assert display.unknown == []


def test_contrast_and_unknown_commands_are_known(display: Ssd1306) -> None:
    display.write(commands(0x81, 0x12, 0xF0))
    assert (display.contrast, display.unknown) == (0x12, [0xF0])


def test_a_command_may_be_split_over_messages(display: Ssd1306) -> None:
    display.write(b"\x80\x81")
    display.write(b"\x80\x33")
    assert display.contrast == 0x33


def test_the_status_says_whether_it_is_on(display: Ssd1306) -> None:
    assert display.read(2) == b"\x00\x00"
    display.write(commands(0xAE))
    assert display.read(1) == b"\x40"


def test_a_png_has_the_very_pixels() -> None:
    pixels = [bytes([0, 1, 1]), bytes([1, 0, 0])]
    picture = Image.open(io.BytesIO(png(pixels, 3)))
    picture.load()
    assert picture.size == (9, 6)
    lit = [[picture.getpixel((x * 3 + 1, y * 3 + 1)) for x in range(3)] for y in range(2)]
    assert lit == [[0, 1, 1], [1, 0, 0]]


def test_half_blocks() -> None:
    assert half_blocks([bytes([0, 1, 0, 1]), bytes([0, 0, 1, 1]), bytes([1, 0, 0, 0])]) == " ▀▄█\n▀   "


def test_braille() -> None:
    """The dots of a character as the Unicode standard numbers them: 1 4, 2 5, 3 6, 7 8."""
    numbers = ((1, 4), (2, 5), (3, 6), (7, 8))
    for y, row in enumerate(numbers):
        for x, number in enumerate(row):
            lines = [bytes(2) for _ in range(4)]
            lines[y] = bytes([1 - x, x])
            assert braille(lines) == chr(0x2800 + (1 << (number - 1)))
    assert braille([bytes([1, 0, 1])] * 5) == "\u2847\u2847\n\u2801\u2801"
    assert braille([]) == ""
