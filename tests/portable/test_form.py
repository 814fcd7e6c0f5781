"""pairlet.core.form: application/x-www-form-urlencoded."""

from pairlet.core.form import encode, quote
from scenario import unquoted


def test_item_01_form_is_utf8_with_plus_for_space():
    assert quote("a b") == "a+b"
    assert quote("Zürich €") == "Z%C3%BCrich+%E2%82%AC"
    assert encode([("scope", "a b"), ("x", "1&2=3")]) == b"scope=a+b&x=1%262%3D3"


def test_every_byte_comes_back():
    text = "".join([chr(code) for code in range(0x300)]) + "\u20ac\uffff\U0001f600"
    assert unquoted(quote(text)) == text
    for character in quote(text):
        assert character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*%+"


def test_order_is_kept():
    assert encode([("b", "1"), ("a", "2"), ("b", "3")]) == b"b=1&a=2&b=3"


def test_item_05_a_parameter_without_a_value_is_left_out():
    assert encode([("a", None), ("b", ""), ("c", "0")]) == b"c=0"
    assert encode([]) == b"" and encode([("a", "")]) == b""
