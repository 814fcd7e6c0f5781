"""The parts of a picture: measured text, big letters, a canvas that refuses what lies outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairlet.linux.drawing.canvas import Canvas, cells, chop, drawable, width, wrap
from pairlet.linux.drawing.half_blocks import enlarge, half_blocks
from pairlet.linux.drawing.lettering import can_letter, lettering, lettering_width

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"


def test_every_letter_can_be_told_from_every_other() -> None:
    assert len({lettering(letter, 1) for letter in ALPHABET}) == len(ALPHABET)


@pytest.mark.parametrize("letter", ALPHABET)
@pytest.mark.parametrize(("scale", "lines"), [(1, 3), (2, 5), (3, 8)])
def test_a_letter_has_the_size_it_says(letter: str, scale: int, lines: int) -> None:
    drawn = lettering(letter, scale)
    assert len(drawn) == lines
    assert {len(line) for line in drawn} == {lettering_width(letter, scale)}


def test_a_word_is_its_letters_side_by_side() -> None:
    left, right, both = lettering("W", 2), lettering("-", 2), lettering("W-", 2)
    assert both == tuple(one + "  " + other for one, other in zip(left, right, strict=True))


@pytest.mark.parametrize("text", ["", "wdjb", "A.B", "Ä", "A\nB"])
def test_what_has_no_letters_says_so(text: str) -> None:
    assert not can_letter(text)


def test_half_blocks_of_an_odd_number_of_rows() -> None:
    assert half_blocks([[True, False], [False, True], [True, False]]) == ["▀▄", "▀ "]
    assert enlarge([[True, False]], 2) == [[True, True, False, False]] * 2


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("漢字", 4),
        ("e\u0301", 1),
        ("👍", 2),
        ("a\u0301\u0302\u0303\u0304", 1),
        ("\u0301", 0),
        ("", 0),
    ],
)
def test_width_counts_cells(text: str, columns: int) -> None:
    assert width(text) == columns


def test_a_tower_of_marks_is_taken_down() -> None:
    assert cells("x\u0332\u0333\u0334\u0335") == (("x\u0332\u0333", ""),)


def test_cells_drop_what_could_steer_and_keep_spaces() -> None:
    assert "".join(text for text, _ in cells("  a\x1b[m\u202eb\x9b  ")) == "  a[mb  "


def test_drawable_drops_what_could_steer() -> None:
    assert drawable("a\x1b[31mb\u202ec\u200dd\ufe0f\ue000\U0010ffff") == "a [31mb c d"


@given(st.text(st.sampled_from("ab 漢👍e\u0301-"), max_size=80), st.integers(2, 20))
def test_wrapping_loses_nothing_and_fits(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert _letters("".join(lines)) == _letters(drawable(text))
    pieces = chop(drawable(text), columns)
    assert all(width(piece) <= columns for piece in pieces)
    assert sum(map(width, pieces)) == width(drawable(text))


def _letters(text: str) -> str:
    """`text` without spaces, and without marks: towers of them are taken down, see above."""
    return "".join(character for character in text if character not in " \u0301")


def test_wrapping_breaks_between_words() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("a incomprehensible", 8) == ["a", "incompre", "hensible"]


@pytest.mark.parametrize(("row", "column"), [(-1, 0), (2, 0), (0, -1), (0, 3)])
def test_a_canvas_refuses_what_lies_outside(row: int, column: int) -> None:
    with pytest.raises(IndexError):
        Canvas(4, 2).put(row, column, cells("ab"))
