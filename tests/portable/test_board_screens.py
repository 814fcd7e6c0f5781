"""The board's small display: what a person finds on a panel of 128x64 or 128x32 pixels."""

import sys

from pairlet.core.errors import ConfigError
from pairlet.core.screen import CODE, DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED, Screen
from pairlet_board import words
from pairlet_board.screens import PanelDisplay, fit_code
from pairlet_board.ssd1306 import Ssd1306
from panel import ADDRESS, Panel, code_screen, shows_large, small_lines, tall_line

# Too long for any QR code on a panel, so that only words are left.
NO_QR = {"verification_uri": "https://a.co/" + "d" * 300, "verification_uri_complete": None}


def display(height=64):
    """A display and the panel that it draws on."""
    panel = Panel(128, height)
    return PanelDisplay(Ssd1306(panel, 128, height)), panel


def stands_at_the_bottom(panel, place):
    """Whether the lines of a code are at the left, above the countdown or, on a low panel, beside it."""
    lines, advance = place
    height = 16 if advance else 8
    top = panel.height - height * len(lines) - (8 if panel.height == 64 else 0)
    for line in lines:
        if advance > 8:
            found = shows_large(panel, line, advance, 0, top)
        elif advance:
            found = tall_line(panel, top)[: len(line)] == line
        else:
            found = small_lines(panel)[top // 8][: len(line)] == line
        if not found:
            return False
        top += height
    return True


def lit_box(panel, size):
    """Whether the edge of a square of `size` pixels at the left, half way up, is lit all around."""
    top = (panel.height - size) // 2
    for at in range(size):
        for x, y in ((at, top), (at, top + size - 1), (0, top + at), (size - 1, top + at)):
            if not panel.lit(x, y):
                return False
    return True


# ---- the driver


def test_the_panel_is_on_and_dark_before_the_first_screen():
    for height in (64, 32):
        panel = Panel(128, height)
        Ssd1306(panel, 128, height)
        assert panel.ready()
        assert not any(panel.ram[: 16 * height])


def test_a_panel_that_is_not_there_is_told_in_words():
    panel = Panel(address=0x3D)
    try:
        Ssd1306(panel)
        told = ""
    except ConfigError as error:
        told = str(error) + " " + error.advice
    assert "0x3c" in told and "wires" in told


def test_a_part_of_the_panel_can_be_sent_alone():
    panel = Panel()
    canvas = Ssd1306(panel)
    canvas.fill(1)
    panel.bytes_taken = 0
    canvas.show(6, 7)
    assert panel.bytes_taken == 256
    assert bytes(panel.ram) == bytes(768) + b"\xff" * 256
    canvas.show()
    assert bytes(panel.ram) == b"\xff" * 1024


def test_dimming_and_closing():
    panel = Panel()
    canvas = Ssd1306(panel)
    bright = panel.settings[0x81][0]
    canvas.dim(True)
    assert panel.settings[0x81][0] < bright
    canvas.dim(False)
    assert panel.settings[0x81][0] == bright
    canvas.close()
    assert not panel.ready()
    canvas.show()
    assert panel.ready()


# ---- codes on a panel


def test_the_qr_code_comes_first_and_the_code_beside_it():
    shown, panel = display()
    shown.show(code_screen(872))
    assert lit_box(panel, 64)
    assert shows_large(panel, "WDJB-", 15, 64, 8)
    assert shows_large(panel, "MJHT", 15, 64, 24)
    assert small_lines(panel)[7][11:] == "14:32"


def test_the_low_panel_has_both_too():
    shown, panel = display(32)
    shown.show(code_screen(872))
    assert lit_box(panel, 32)
    assert tall_line(panel, 0)[4:] == "WDJB-MJHT"
    assert small_lines(panel)[3][11:] == "14:32"


def test_the_address_in_full_takes_turns_with_the_qr_code():
    shown, panel = display()
    seen = []
    for remaining in range(600, 570, -1):
        shown.show(code_screen(remaining))
        with_qr = lit_box(panel, 64)
        seen.append(with_qr)
        if not with_qr:
            assert tall_line(panel, 0) == "https://example."
            assert tall_line(panel, 16) == "com/device"
            assert shows_large(panel, "WDJB-MJHT", 15, 0, 40)
    assert seen == [True] * 6 + [False] * 6 + [True] * 6 + [False] * 6 + [True] * 6


def test_the_code_is_on_every_page_of_the_low_panel():
    for message in ("", "no network: trying again, in a while, and again"):
        shown, panel = display(32)
        text = ""
        for remaining in range(600, 560, -1):
            shown.show(code_screen(remaining, message=message))
            if lit_box(panel, 32):
                assert tall_line(panel, 0)[4:] == "WDJB-MJHT"
            else:
                assert tall_line(panel, 16)[:9] == "WDJB-MJHT"
                text += "".join(small_lines(panel)[:2]) + " "
        assert ADDRESS in text
        for word in message.split():
            assert word in text


def test_a_message_stands_below_the_address():
    shown, panel = display()
    shown.show(code_screen(600))
    shown.show(code_screen(594, message="no network: trying again"))
    assert small_lines(panel)[:4] == ["https://example.", "com/device", "no network:", "trying again"]


def test_without_room_for_a_qr_code_the_words_have_the_panel():
    shown, panel = display()
    shown.show(code_screen(600, **NO_QR))
    assert not lit_box(panel, 64)
    assert small_lines(panel)[:5] == ["https://a.co/ddd"] + ["d" * 16] * 4
    assert shows_large(panel, "WDJB-MJHT", 15, 0, 40)


def test_the_plain_address_is_scanned_where_the_complete_one_is_too_long():
    complete = ADDRESS + "?user_code=WDJB-MJHT&language=en"
    shown, panel = display(32)
    shown.show(code_screen(600, verification_uri_complete=complete))
    plain, other = display(32)
    plain.show(code_screen(600, verification_uri_complete=None))
    assert lit_box(panel, 32)
    assert panel.ram == other.ram


def test_capitals_make_larger_modules():
    # 62 characters: version 4 in bytes, so single pixels; version 3 in capitals, so double ones.
    shown, panel = display()
    shown.show(code_screen(600, verification_uri_complete="https://example.com/" + "W" * 42))
    assert lit_box(panel, 64)
    shown.show(code_screen(600, verification_uri_complete="https://example.com/" + "w" * 42))
    assert not lit_box(panel, 64)
    assert lit_box(panel, 41)


def test_only_the_countdown_is_sent_while_nothing_else_changes():
    shown, panel = display()
    shown.show(code_screen(600))
    panel.bytes_taken = 0
    shown.show(code_screen(599))
    assert panel.bytes_taken == 128
    assert small_lines(panel)[7][12:] == "9:59"
    assert panel.lit(63, 63)


def test_a_new_code_begins_with_its_qr_code():
    shown, panel = display()
    shown.show(code_screen(600))
    shown.show(code_screen(594))
    assert not lit_box(panel, 64)
    shown.show(code_screen(600, user_code="NEWC-ODES"))
    assert lit_box(panel, 64)
    assert shows_large(panel, "NEWC-", 15, 64, 8)


def test_time_that_runs_backwards_or_out_does_no_harm():
    shown, panel = display()
    for remaining in (5, 900, 0):
        shown.show(code_screen(remaining))
        assert lit_box(panel, 64)
    shown.show(code_screen(-3))
    assert small_lines(panel)[7][12:] == "0:00"


def test_codes_of_all_lengths_are_on_every_page_or_on_pages_of_their_own():
    for height, width, rows in ((64, 128, 5), (32, 72, 3)):
        for size in (1, 5, 8, 9, 13, 16, 17, 33, 64):
            code = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"[:size]
            place = fit_code(code, width, rows)
            shown, panel = display(height)
            text = ""
            for remaining in range(600, 400, -6):
                shown.show(code_screen(remaining, user_code=code, **NO_QR))
                if place:
                    assert stands_at_the_bottom(panel, place), (height, code)
                else:
                    text += "".join(small_lines(panel)[:-1])
            assert place or code in text, (height, code, text)


def test_a_code_is_broken_at_its_dashes_if_it_must_be_and_nothing_is_lost():
    assert fit_code("WDJB-MJHT", 128, 5) == (["WDJB-MJHT"], 15)
    assert fit_code("WDJB", 128, 5) == (["WDJB"], 16)
    assert fit_code("WDJB-MJHT", 64, 7) == (["WDJB-", "MJHT"], 15)
    assert fit_code("WDJB-MJHT", 72, 3) == (["WDJB-MJHT"], 8)
    assert fit_code("123-456-789", 72, 2) == (["123-456-", "789"], 0)
    assert fit_code("wdjbmjhtwdjb", 64, 7) == (["wdjb", "mjht", "wdjb"], 15)
    assert fit_code("AB CD-EF GH IJ KL", 64, 3) == (["AB CD-", "EF GH ", "IJ KL"], 0)
    assert fit_code("x" * 64, 128, 3) is None
    for code in ("ABCD-EFGH-IJKL", "x" * 20, "A-B-C-D-E-F-G-H-I-J", "----------", "1 2 3 4 5 6 7"):
        for width in (64, 72, 87, 96, 128):
            for rows in (3, 5, 7):
                place = fit_code(code, width, rows)
                assert place is None or "".join(place[0]) == code
                if place:
                    lines, advance = place
                    assert len(lines) * (2 if advance else 1) <= rows
                    assert advance > 8 or max([len(line) for line in lines]) * 8 <= width


# ---- words on a panel


def test_every_other_screen_says_its_word_large():
    titles = {
        STARTING: "Starting",
        UNPAIRED: "Unpaired",
        PAIRED: "Paired",
        DENIED: "Declined",
        EXPIRED: "Expired",
        RUNNING: "Running",
        TROUBLE: "Trouble",
    }
    for height in (64, 32):
        shown, panel = display(height)
        for kind, title in titles.items():
            shown.show(Screen(kind, message="in few words"))
            assert shows_large(panel, title, 15, 0, 0), kind
            assert small_lines(panel)[2] == "in few words"


def test_message_and_advice_are_wrapped_between_words():
    shown, panel = display()
    shown.show(Screen(TROUBLE, message="the server can't be reached", advice="Trying again."))
    assert small_lines(panel)[2:] == ["the server can't", "be reached", "Trying again.", "", "", ""]


def test_the_granted_scope_is_told():
    shown, panel = display()
    shown.show(Screen(PAIRED, scope="telemetry:write"))
    assert small_lines(panel)[2:4] == ["Allowed:", "telemetry:write"]


def test_what_is_too_long_keeps_its_title_and_shows_that_there_is_more():
    shown, panel = display(32)
    shown.show(Screen(EXPIRED, advice="one two three four five six seven eight nine ten eleven twelve"))
    assert small_lines(panel) == ["Expired", "one two three", "four five six", "seven eight n..."]


def test_characters_that_the_letters_lack_become_question_marks():
    shown, panel = display()
    shown.show(Screen(RUNNING, message="caf\u00e9 \x1b[31m \u202egnp"))
    assert small_lines(panel)[2] == "caf? [31m gnp"


def test_an_unchanged_screen_is_not_drawn_again():
    shown, panel = display()
    shown.show(Screen(RUNNING, message="paired"))
    panel.bytes_taken = 0
    shown.show(Screen(RUNNING, message="paired"))
    assert panel.bytes_taken == 0


def test_the_panel_is_dim_while_there_is_nothing_to_do_for_a_person():
    shown, panel = display()
    shown.show(code_screen())
    bright = panel.settings[0x81][0]
    shown.show(Screen(RUNNING, message="paired"))
    assert panel.settings[0x81][0] < bright
    shown.show(code_screen())
    assert panel.settings[0x81][0] == bright


def test_a_cable_that_comes_out_and_goes_in_again():
    for before, after in ((code_screen(600), code_screen(598)), (Screen(RUNNING), Screen(RUNNING))):
        shown, panel = display()
        shown.show(before)
        picture = bytes(panel.ram[:896])
        panel.gone = True
        shown.show(code_screen(599) if before.kind == CODE else before)
        shown.show(Screen(TROUBLE))
        panel.gone = False
        shown.show(after)
        assert panel.ready()
        assert bytes(panel.ram[:896]) == picture


def test_the_encoder_is_forgotten_once_it_has_done_its_work():
    shown, panel = display()
    shown.show(code_screen())
    assert lit_box(panel, 64)
    assert "pairlet_board.qr" not in sys.modules
    assert "pairlet_board.qr_mask" not in sys.modules


def test_close_switches_the_panel_off_and_is_harmless_without_one():
    shown, panel = display()
    shown.close()
    assert not panel.ready()
    panel.gone = True
    shown.close()


# ---- words


def test_wrapping_breaks_between_words_and_cuts_only_what_is_too_long():
    assert words.wrap("one two three", 7) == ["one two", "three"]
    assert words.wrap("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert words.wrap("  ", 4) == []
    assert words.wrap("a", 1) == ["a"]
    assert words.chop("abcdef", 4) == ["abcd", "ef"]
    assert words.chop("", 4) == []
