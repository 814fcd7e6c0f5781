"""The terminal display, seen through a terminal model that takes the very bytes it writes."""

import pytest
from pairlet.core.screen import DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED, Screen
from pairlet.linux.drawing.look import Look, look_from
from support.drawn import ADDRESS, COMPLETE, KINDS, SIZES, Drawn, code_screen, read_qr
from support.vt100 import BLACK, WHITE, Color, Terminal

SOLARIZED: Color = (0, 43, 54)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_code_and_address_are_there_in_every_size(columns: int, rows: int) -> None:
    drawn = Drawn(columns, rows)
    drawn.show(code_screen())
    text = drawn.terminal.text()
    assert ADDRESS in text  # RFC 8628 sections 3.3 and 3.3.1: whole, also next to a QR code
    assert "WDJB-MJHT" in text
    assert "Valid for 14:32" in text


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (60, 40), (240, 67)])
@pytest.mark.parametrize("paper", [BLACK, WHITE, SOLARIZED])
@pytest.mark.parametrize("exact", [True, False])
def test_the_qr_code_is_read_from_the_screen_in_colour(
    columns: int, rows: int, paper: Color, exact: bool
) -> None:
    drawn = Drawn(columns, rows, Look(exact=exact))
    drawn.show(code_screen())
    assert read_qr(drawn.terminal, paper=paper) == [COMPLETE]
    assert "or scan the QR code" in drawn.terminal.text()


def test_the_margin_is_as_wide_below_as_on_the_other_sides() -> None:
    drawn = Drawn()
    drawn.show(code_screen())
    image = drawn.terminal.picture(paper=SOLARIZED, cell=1)
    paper = [
        (x, y) for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == WHITE
    ]
    left, top = min(paper)
    assert max(paper) == (left + 29 + 8 - 1, top + 29 + 8 - 1)  # a square: version 3 and its quiet zone


def test_without_colours_the_qr_code_is_normal_on_a_dark_background() -> None:
    drawn = Drawn(look=look_from({"NO_COLOR": "1", "TERM": "xterm-256color"}))
    drawn.show(code_screen())
    assert not drawn.terminal.colors_used
    assert read_qr(drawn.terminal, paper=(20, 20, 20)) == [COMPLETE]


def test_without_colours_the_qr_code_is_normal_on_a_background_known_to_be_light() -> None:
    drawn = Drawn(look=look_from({"NO_COLOR": "1", "COLORFGBG": "0;default;15"}))
    drawn.show(code_screen())
    assert not drawn.terminal.colors_used
    assert read_qr(drawn.terminal, ink=(20, 20, 20), paper=WHITE) == [COMPLETE]


def test_without_colours_an_unknown_light_background_takes_a_reader_that_inverts() -> None:
    drawn = Drawn(look=look_from({"NO_COLOR": "1"}))
    drawn.show(code_screen())
    assert read_qr(drawn.terminal, ink=(20, 20, 20), paper=WHITE, invert=True) == [COMPLETE]


@pytest.mark.parametrize("kind", KINDS)
def test_no_color_means_no_color(kind: str) -> None:
    drawn = Drawn(look=look_from({"NO_COLOR": "1"}))
    drawn.show(Screen(kind, user_code="AB", verification_uri=ADDRESS, message="m", advice="a"))
    assert not drawn.terminal.colors_used


def test_an_empty_no_color_is_no_wish() -> None:
    drawn = Drawn(look=look_from({"NO_COLOR": ""}))
    drawn.show(Screen(PAIRED))
    assert drawn.terminal.colors_used


def test_without_a_complete_address_the_qr_code_holds_the_short_one() -> None:
    drawn = Drawn()
    drawn.show(code_screen(verification_uri_complete=None))
    assert read_qr(drawn.terminal, paper=BLACK) == [ADDRESS]


def test_a_window_without_room_says_so() -> None:
    drawn = Drawn(80, 17)
    drawn.show(code_screen())
    assert "A larger window shows a QR code" in drawn.terminal.text()
    assert "scan" not in drawn.terminal.text()


def test_an_address_beyond_any_qr_code_is_no_reason_to_ask_for_a_larger_window() -> None:
    drawn = Drawn(120, 40)
    drawn.show(code_screen(verification_uri_complete="https://example.com/" + "x" * 3000))
    assert "window" not in drawn.terminal.text()
    assert ADDRESS in drawn.terminal.text() and "WDJB-MJHT" in drawn.terminal.text()


def test_a_long_address_is_one_piece_when_it_is_copied() -> None:
    address = "https://login.example.com/common/oauth2/deviceauth/" + "0123456789" * 6
    for columns, rows in ((40, 24), (80, 24), (100, 24)):
        drawn = Drawn(columns, rows)
        written = drawn.show(code_screen(verification_uri=address))
        assert address in drawn.terminal.text()
        assert written.count(address) == 1 and written.count("0123456789") == 6
        assert any(line.startswith("https://") for line in drawn.terminal.lines())


def test_the_code_is_large_where_there_is_room() -> None:
    drawn = Drawn(80, 24)
    drawn.show(code_screen(verification_uri_complete="x" * 3000))  # no QR code: every block is a letter
    blocks = sum(line.count(block) for line in drawn.terminal.lines() for block in "█▀▄")
    assert blocks > 100
    small = Drawn(20, 10)
    small.show(code_screen())
    assert not any(block in small.terminal.text() for block in "█▀▄")


def test_a_code_that_has_no_large_letters_is_spaced() -> None:
    drawn = Drawn(60, 24)
    drawn.show(code_screen(user_code="wdjb.mjht"))
    assert "wdjb.mjht" in drawn.terminal.text()
    assert "w d j b . m j h t" in drawn.terminal.text()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (UNPAIRED, "Not paired"),
        (PAIRED, "paired"),
        (DENIED, "declined"),
        (EXPIRED, "expired"),
        (TROUBLE, "Trouble"),
        (RUNNING, "Running"),
    ],
)
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 12), (20, 24)])
def test_every_screen_says_what_happened_and_what_to_do(
    kind: str, words: str, columns: int, rows: int
) -> None:
    drawn = Drawn(columns, rows)
    drawn.show(Screen(kind, message="no network", advice="check cable"))
    text = drawn.terminal.text()
    assert words in text and "no network" in text and "check cable" in text


def test_paired_shows_what_was_granted() -> None:
    drawn = Drawn()
    drawn.show(Screen(PAIRED, scope="telemetry:write"))
    assert "Allowed: telemetry:write" in drawn.terminal.text()


def test_what_does_not_fit_scrolls_by_in_whole_lines() -> None:
    drawn = Drawn(20, 4)
    drawn.show(code_screen())
    seen = drawn.terminal.history() + drawn.terminal.text()
    assert ADDRESS in seen.replace("\n", "") and "WDJB-MJHT" in seen
    assert drawn.show(code_screen(remaining_s=871)) == ""  # one line for each change, not one a second


def test_a_second_that_passes_touches_nothing_but_the_time() -> None:
    drawn = Drawn()
    drawn.show(code_screen(remaining_s=872))
    drawn.terminal.printed = 0
    written = drawn.show(code_screen(remaining_s=871))
    assert drawn.terminal.printed == 1  # 14:32, 14:31
    assert "\n" not in written
    assert len(written) < 50
    assert "Valid for 14:31" in drawn.terminal.text()
    assert drawn.show(code_screen(remaining_s=871)) == ""


def test_the_countdown_leaves_the_same_picture_as_drawing_it_anew() -> None:
    drawn = Drawn()
    for remaining in (601, 600, 599, 61, 60, 59, 10, 9, 0):
        drawn.show(code_screen(remaining_s=remaining))
        anew = Drawn()
        anew.show(code_screen(remaining_s=remaining))
        assert drawn.terminal.rows == anew.terminal.rows


def test_a_message_comes_and_goes_without_moving_the_picture() -> None:
    drawn = Drawn()
    drawn.show(code_screen())
    before = drawn.terminal.rows[:]
    drawn.terminal.printed = 0
    drawn.show(code_screen(message="no network: trying again"))
    assert "no network: trying again" in drawn.terminal.text()
    assert drawn.terminal.printed == len("no network: trying again")
    drawn.show(code_screen())
    assert drawn.terminal.rows == before


def test_nothing_scrolls_while_a_code_is_on_the_screen() -> None:
    drawn = Drawn()
    drawn.show(code_screen())
    scrolled = len(drawn.terminal.scrolled)
    for remaining in range(871, 700, -1):
        drawn.show(code_screen(remaining_s=remaining, message="x" * (remaining % 7)))
    assert len(drawn.terminal.scrolled) == scrolled


def test_what_was_there_before_and_the_code_stay_in_the_scroll_back() -> None:
    drawn = Drawn()
    drawn.terminal.feed("$ pairlet pair\r\n")
    drawn.show(code_screen())
    assert "$ pairlet pair" in drawn.terminal.history()
    drawn.show(Screen(PAIRED))
    assert "WDJB-MJHT" in drawn.terminal.history() and ADDRESS in drawn.terminal.history()
    assert "WDJB-MJHT" not in drawn.terminal.text()


def test_a_code_takes_the_place_of_what_led_up_to_it() -> None:
    drawn = Drawn()
    drawn.show(Screen(STARTING, message="asking for a code"))
    scrolled = len(drawn.terminal.scrolled)
    drawn.show(code_screen())
    assert len(drawn.terminal.scrolled) == scrolled
    assert "asking" not in drawn.terminal.text()


def test_states_that_alternate_do_not_fill_the_scroll_back() -> None:
    drawn = Drawn()
    drawn.show(Screen(RUNNING))
    scrolled = len(drawn.terminal.scrolled)
    for _ in range(10):
        drawn.show(Screen(TROUBLE, message="no network"))
        drawn.show(Screen(RUNNING, message="42 samples sent"))
    assert len(drawn.terminal.scrolled) == scrolled
    assert "no network" not in drawn.terminal.text()


def test_the_cursor_is_visible_after_every_show_and_below_the_picture() -> None:
    drawn = Drawn()
    for kind in KINDS:
        drawn.show(Screen(kind, user_code="WDJB-MJHT", verification_uri=ADDRESS, message="m"))
        assert drawn.terminal.cursor_visible
        assert not any(drawn.terminal.lines()[drawn.terminal.row :])


def test_close_leaves_the_terminal_fit_for_a_prompt() -> None:
    drawn = Drawn()
    drawn.show(code_screen())
    drawn.close()
    before = drawn.terminal.text()
    drawn.terminal.feed("$ ")
    assert drawn.terminal.cursor_visible
    assert drawn.terminal.style == Terminal().style
    assert drawn.terminal.column == 2 and drawn.terminal.lines()[drawn.terminal.row] == "$"
    assert all(line in drawn.terminal.text() for line in before.split("\n"))


def test_a_resized_window_is_laid_out_anew() -> None:
    drawn = Drawn(80, 24)
    drawn.show(code_screen())
    for columns, rows in ((40, 12), (120, 40), (20, 24), (80, 24)):
        drawn.size = (columns, rows)
        drawn.terminal = Terminal(columns, rows)
        drawn.terminal.feed(("garbage " * (columns // 8) + "\r\n") * (rows - 1))  # what a reflow leaves
        drawn.show(code_screen())
        anew = Drawn(columns, rows)
        anew.show(code_screen())
        assert drawn.terminal.rows == anew.terminal.rows


def test_a_picture_that_was_written_over_heals_within_a_minute() -> None:
    drawn = Drawn()
    drawn.show(code_screen(remaining_s=872))
    drawn.terminal.feed("\x1b[5;1Hsome other program")
    for remaining in range(871, 811, -1):
        drawn.show(code_screen(remaining_s=remaining))
    assert "some other program" not in drawn.terminal.text()
