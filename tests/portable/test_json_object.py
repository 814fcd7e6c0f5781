"""pairlet.core.json_object: any bytes give an object or a ProtocolError, the same on both interpreters."""

import json

from pairlet.core.errors import ProtocolError
from pairlet.core.json_object import parse, seconds_member, secret_member, text_member
from scenario import code_members, metadata_members, refused, token_members


def refuses(*bodies):
    for body in bodies:
        try:
            value = parse(body)
        except ProtocolError:
            continue
        raise AssertionError("%r was taken for %r" % (body, value))


def test_reads_every_kind_of_value():
    members = parse(b' {"a": "x", "b": 1, "c": [1, {"d": null}], "e": true, "f": {}, "g": [], "h": 1.5} \r\n')
    assert members["a"] == "x" and members["b"] == 1 and members["c"] == [1, {"d": None}]
    assert members["e"] is True and members["f"] == {} and members["g"] == [] and members["h"] == 1.5
    assert parse(b"{}") == {}


def test_takes_a_byte_order_mark():
    assert parse(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_text_beyond_ascii():
    assert parse('{"n":"Käse €"}'.encode())["n"] == "Käse €"
    assert parse(b'{"n":"K\\u00e4se"}')["n"] == "Käse"


def test_refuses_what_is_no_object():
    refuses(b"[]", b'"text"', b"1", b"null", b"true", b'["a","b"]', b"")


def test_refuses_bytes_that_are_no_text():
    refuses(b"\xff\xfe{\x00", b'{"a":"\xe4"}', b"\x80", b'{"a":"\xf0\x9f\x98')


def test_refuses_what_the_parser_of_a_board_would_take():
    refuses(b'{"a" "b"}', b'{"a","b"}', b'{"a":1,}', b'{"a":1 "b":2}', b"{1:2}", b'{"a"}', b'{"a":}')
    refuses(b"{:}", b"{,}", b'{,"a":1}', b'{"a":[1,]}', b'{"a":[,1]}', b'{"a":[}', b'{"a":[1}', b'{"a":{]}')
    refuses(
        b'{"a":1}\x00', b'{"a":1}}', b'{"a":1}{}', b'{{"a":1}:2}', b'{"a":{[1]:2}}', b'{"a"::1}', b'{"a":1:2}'
    )
    refuses(b']{"a":1}[', b'{"a":1},', b'{"a":1 2}', b'{"a":"x" "y"}')


def test_refuses_a_document_cut_anywhere():
    for members in (code_members(), token_members(), metadata_members(), {"a": [1, {"b": 20}], "c": 3600}):
        whole = json.dumps(members).encode()
        assert parse(whole) == members
        for size in range(len(whole)):
            refuses(whole[:size])


def test_item_05_refuses_a_member_that_stands_twice():
    refuses(b'{"a":1,"a":1}', b'{"access_token":"x","access_token":"y"}')
    refuses(b'{"token":1,"tok\\u0065n":2}', b'{"a":{"b":1},"a":2}', b'{"a\\"b":1,"c":2,"a\\u0022b":3}')
    # The colon of the second one far away: the name counts all the same.
    refuses(b'{"a":1,"a"' + b" " * 500 + b":2}", b'{"a":1,"a"\n\t\r\n:2}')


def test_the_same_name_in_other_places_is_no_repeat():
    assert parse(b'{"a":{"a":1},"b":["a","a"],"c":"a"}')["a"] == {"a": 1}
    assert parse(b'{"a":"a:","b":"\\"a\\":1"}')["b"] == '"a":1'


def test_backslashes_before_a_quote():
    assert parse(b'{"a":"\\\\","b":1}') == {"a": "\\", "b": 1}
    assert parse(b'{"a":"\\\\\\"","b":1}') == {"a": '\\"', "b": 1}
    refuses(b'{"a":"\\"}', b'{"a":"\\\\\\"}', b'{"a":"\\')


def test_refuses_deep_nesting():
    assert parse(b'{"a":' + b"[" * 15 + b"]" * 15 + b"}")["a"]
    refuses(b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", b"[" * 5000, b'{"a":' * 5000, b"]" * 100 + b"[" * 5000)


def test_refuses_numbers_of_absurd_length():
    refuses(b'{"a":' + b"9" * 5000 + b"}")
    assert parse(b'{"a":' + b"9" * 30 + b"}")["a"] == 10**30 - 1


def test_text_member():
    members = {"t": "ok", "empty": "", "null": None, "number": 5, "long": "x" * 2049, "list": ["x"]}
    assert text_member(members, "t") == "ok"
    for name in ("empty", "null", "missing"):
        assert text_member(members, name) is None, name
    for name in ("number", "long", "list"):
        assert name in str(refused(ProtocolError, text_member, members, name))
    assert text_member({"t": "x" * 9}, "t", 9) == "x" * 9
    refused(ProtocolError, text_member, {"t": "x" * 10}, "t", 9)


def test_text_member_refuses_what_steers_a_screen():
    for bad in (
        "\x1b[2J",
        "a\nb",
        "\x9b2J",
        "a\u202eb",
        "\u2066",
        "\u200b",
        "\x7f",
        "\ufeff",
        "\u061c",
        "\x00",
    ):
        refused(ProtocolError, text_member, {"user_code": bad}, "user_code")


def test_text_member_refuses_half_a_surrogate_pair():
    # Both interpreters read the escape; neither could print it.
    refused(ProtocolError, text_member, parse(b'{"t":"\\ud83d"}'), "t")


def test_secret_member():
    assert secret_member({"t": "abc ~!"}, "t").reveal() == "abc ~!"
    for nothing in ("", None):
        assert secret_member({"t": nothing}, "t") is None
    assert secret_member({}, "t") is None
    assert secret_member({"t": "x" * 16384}, "t").reveal() == "x" * 16384


def test_secret_member_never_tells_the_value():
    for bad in (
        "hidden\r\nX-Evil: 1",
        "hidden\x00",
        "hidden\u00e9",
        "hidden" * 3000,
        ["hidden"],
        {"hidden": 1},
        True,
    ):
        error = refused(ProtocolError, secret_member, {"access_token": bad}, "access_token")
        assert "hidden" not in str(error) and "hidden" not in repr(error) and "access_token" in str(error)


def test_seconds_member_takes_what_servers_send():
    cases = (
        (5, 5),
        ("5", 5),
        (5.0, 5),
        ("5.0", 5),
        (4.2, 5),
        ("0.1", 1),
        (0.001, 1),
        (900, 900),
        ("1800", 1800),
    )
    for value, seconds in cases:
        assert seconds_member({"n": value}, "n", 86400) == seconds, value


def test_seconds_member_tames_what_makes_no_sense():
    bad = [
        0,
        -5,
        0.0,
        -0.1,
        None,
        True,
        False,
        "",
        "five",
        "0",
        "-5",
        "nan",
        "inf",
        "1e3",
        [],
        {},
        [5],
        "0x10",
        "9" * 21,
    ]
    bad.append(float("nan"))
    bad.append(float("-inf"))
    for value in bad:
        assert seconds_member({"n": value}, "n", 86400) is None, value
    assert seconds_member({}, "n", 86400) is None


def test_seconds_member_caps():
    for value in (86400, 86401, 10**30, "99999999999", float("inf"), 1e300, "5.e999"):
        assert seconds_member({"n": value}, "n", 86400) in (86400, None), value
    assert seconds_member({"n": 10**30}, "n", 300) == 300
    assert seconds_member({"n": float("inf")}, "n", 300) == 300


def test_seconds_member_is_a_whole_number():
    for value in (1, 1.5, "2.5", 1e9, True, "7"):
        seconds = seconds_member({"n": value}, "n", 300)
        assert seconds is None or (isinstance(seconds, int) and 1 <= seconds <= 300), value
