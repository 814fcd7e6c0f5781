"""pairlet.core.text: nothing from a server can steer a screen or a log."""

import json

from pairlet.core.text import clean, is_clean, is_printable_ascii

HARMFUL = [
    0x00,
    0x07,
    0x08,
    0x09,
    0x0A,
    0x0D,
    0x1B,
    0x1F,
    0x7F,
    0x80,
    0x85,
    0x9B,
    0x9F,
    0xAD,
    0x061C,
    0x200B,
    0x200E,
    0x200F,
] + [0x2028, 0x2029, 0x202A, 0x202E, 0x2060, 0x2066, 0x2069, 0xFEFF, 0xFFF9, 0xE0001, 0xE007F]


def test_harmful_characters_are_found():
    for code in HARMFUL:
        assert not is_clean("a" + chr(code) + "b"), hex(code)


def test_ordinary_text_is_clean():
    for text in ("", "WDJB-MJHT", "Zürich €", "日本語", "עברית", "\U0001f600", "a b ~ !"):
        assert is_clean(text), text


def test_clean_leaves_nothing_harmful():
    for code in HARMFUL:
        assert clean("a" + chr(code) + "b") == "a b", hex(code)
    assert clean("\x1b[31mred\x1b[0m\r\n") == "[31mred [0m"
    assert clean(" a \n\n b ") == "a b"


def test_clean_keeps_to_its_limit():
    assert clean("x" * 200) == "x" * 200
    assert clean("x" * 201) == "x" * 197 + "..."
    assert clean("x" * 100000, 10) == "xxxxxxx..."
    assert len(clean("\u20ac" * 500, 40)) == 40


def test_clean_of_half_a_surrogate_pair_can_be_encoded():
    broken = json.loads('"a\\ud83db"')
    assert clean(broken) == "a b"
    clean(broken).encode()


def test_printable_ascii():
    assert is_printable_ascii("") and is_printable_ascii(" ~abc")
    for bad in ("\x1f", "\x7f", "\n", "é", "\u2028"):
        assert not is_printable_ascii("a" + bad)
