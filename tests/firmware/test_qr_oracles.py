"""The board's QR encoder against two that share no code with it: the qrcode library and zxing-cpp."""

import random

import pytest
import qrcode
from pairlet_board import qr
from PIL import Image
from qrcode.util import MODE_8BIT_BYTE, MODE_ALPHA_NUM, MODE_NUMBER, QRData, lost_point
from support.panels import read_qr

LEVELS = {"L": qrcode.ERROR_CORRECT_L, "M": qrcode.ERROR_CORRECT_M}
MODES = {"numeric": MODE_NUMBER, "alphanumeric": MODE_ALPHA_NUM, "byte": MODE_8BIT_BYTE}
LETTERS = {
    "numeric": "0123456789",
    "alphanumeric": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:",
    "byte": "abcdefghijklmnopqrstuvwxyz/?=&.:%#~ÄßéABC123",
}
FIRST = {"numeric": "0", "alphanumeric": "A", "byte": "a"}  # no denser mode holds these
VERSIONS = range(1, 11)
Matrix = list[list[bool]]


def modules(code: qr.QrCode) -> Matrix:
    """The symbol as rows of modules."""
    return [[code.get(x, y) for x in range(code.size)] for y in range(code.size)]


def reference(text: str, mode: str, level: str, version: int, mask: int) -> Matrix:
    """The same symbol by the qrcode library, in one segment."""
    code = qrcode.QRCode(version=version, error_correction=LEVELS[level], border=0, mask_pattern=mask)
    code.add_data(QRData(text.encode(), mode=MODES[mode]))
    code.make(fit=False)
    return [[bool(module) for module in row] for row in code.get_matrix()]


def largest(mode: str, level: str, version: int) -> int:
    """How many characters a symbol holds; of those in LETTERS, a byte each."""
    count = 0
    while 0 < qr.smallest_version(FIRST[mode] * (count + 1), level) <= version:
        count += 1
    return count


def texts(mode: str, level: str, version: int) -> list[str]:
    """Texts of every length modulo a group of characters, short and long, the longest among them."""
    chosen = random.Random(f"{mode} {level} {version}")
    room = largest(mode, level, version)
    sizes = {1, 2, 3, room // 2, room - 2, room - 1, room}
    letters = LETTERS[mode].replace("Äßé", "")  # one byte each, so that the size is right
    made = ["".join(chosen.choices(letters, k=size)) for size in sorted(sizes)]
    # The densest mode is chosen for each text: this keeps it from being a denser one by chance.
    return [FIRST[mode] + text[1:] for text in made]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", MODES)
def test_every_module_is_that_of_the_qrcode_library(mode: str, version: int, level: str) -> None:
    for number, text in enumerate(texts(mode, level, version)):
        for mask in range(8) if number < 2 else [number % 8]:
            ours = qr.encode(text, level, mask, version)
            assert (ours.version, ours.level, ours.mask) == (version, level, mask)
            assert modules(ours) == reference(text, mode, level, version, mask), (text, mask)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_mask_is_the_one_with_the_fewest_lost_points(version: int, level: str) -> None:
    for mode in MODES:
        for text in texts(mode, level, version)[2:5]:
            points = [lost_point(reference(text, mode, level, version, mask)) for mask in range(8)]
            assert qr.encode(text, level, None, version).mask == points.index(min(points)), (text, points)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", VERSIONS)
def test_zxing_reads_what_was_encoded(version: int, level: str) -> None:
    for mode in MODES:
        for text in texts(mode, level, version):
            (found,) = read_qr(picture(modules(qr.encode(text, level, None, version))))
            assert found.text == text
            assert found.ec_level == level


def picture(matrix: Matrix) -> Image.Image:
    """A symbol three pixels a module, with the standard's quiet zone."""
    image = Image.new("L", (len(matrix) + 8, len(matrix) + 8), 255)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                image.putpixel((x + 4, y + 4), 0)
    return image.resize((image.width * 3, image.height * 3), Image.Resampling.NEAREST)


def test_letters_beyond_ascii_are_read_as_they_were_written() -> None:
    for text in ("https://bücher.example/gerät", "https://例え.example/コード", "é"):
        (found,) = read_qr(picture(modules(qr.encode(text))))
        assert found.text == text


@pytest.mark.parametrize("version", VERSIONS)
def test_damage_that_level_m_is_made_for_is_repaired(version: int) -> None:
    # The error correction codewords are right if a reader can use them: a fortieth of the modules is wrong.
    chosen = random.Random(version)
    text = texts("byte", "M", version)[-1]
    matrix = modules(qr.encode(text, "M", None, version))
    size = len(matrix)
    # Below and right of the finder patterns, in one patch, as a fleck on a panel is.
    side = max(2, size // 6)
    left, top = (chosen.randrange(9, size - 9 - side + 1) for _ in range(2))
    before = read_qr(picture(matrix))[0].text
    for y in range(top, top + side):
        for x in range(left, left + side):
            matrix[y][x] = not matrix[y][x]
    found = read_qr(picture(matrix))
    assert before == text
    assert [one.text for one in found] == [text]


def test_the_smallest_version_is_the_one_that_the_library_would_take() -> None:
    for text in ("https://example.com/device?user_code=WDJB-MJHT", "HTTPS://A.CO/WDJB", "1" * 200, "x" * 150):
        for level, number in LEVELS.items():
            code = qrcode.QRCode(error_correction=number, border=0)
            code.add_data(text, optimize=0)
            code.make(fit=True)
            assert qr.smallest_version(text, level) == code.version
