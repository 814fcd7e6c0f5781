"""What a command says, whether it may be carried out, and what is answered."""

import json

from pairlet.core.command import check, interval_ms, is_name, read, reply
from pairlet.core.command_error import CommandError
from pairlet.core.handlers import check_result
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall

NOW = 1_750_000_000
BUILT_IN = ["ping", "re-pair", "report-now", "restart", "set-interval", "unpair"]


def refusal(function, *arguments):
    """The code of the CommandError that the call raises."""
    try:
        function(*arguments)
    except CommandError as error:
        assert error.message and error.advice
        return error.error
    raise AssertionError("it was not refused")


def verdict(name, payload=b'{"id": "1"}', allowed=BUILT_IN, wall=None, late=False):
    """The code of the refusal, or "" if the command may be carried out."""
    command = read(name, payload)
    try:
        check(command, allowed, BUILT_IN + ["open-door"], wall or Wall(SYNCED, NOW), late)
    except CommandError as error:
        return error.error
    return ""


def test_a_command_is_a_json_object():
    command = read("set-interval", b'{"id": "a-1", "expires": 12, "interval": 30}')
    assert (command.name, command.id, command.expires) == ("set-interval", "a-1", 12)
    assert command.arguments == {"interval": 30}
    assert read("ping", b"{}").id is None


def test_anything_else_is_refused():
    for payload in (
        b"[]",
        b"1",
        b"null",
        b"PRESS",
        b'"ping"',
        b"{",
        b"{]",
        b"\xff",
        b'{"id": "1"',
        b"\0" * 30,
    ):
        assert refusal(read, "ping", payload) == "invalid_request", payload
    assert refusal(read, "ping", b'{"id": "1", "id": "2"}') == "invalid_request"
    assert refusal(read, "ping", b"[" * 4000) == "invalid_request"
    assert refusal(read, "ping", b" " * 8193) == "too_large"


def test_every_prefix_of_a_command_is_refused():
    whole = b'{"id": "a", "interval": 30, "s": "\\u00e4\xc3\xa4", "l": [1, {"x": null}]}'
    assert read("set-interval", whole).arguments["interval"] == 30
    for end in range(len(whole)):
        assert refusal(read, "set-interval", whole[:end]) == "invalid_request", end


def test_an_id_is_short_printable_text():
    for wrong in ("", "x" * 65, "a\nb", "\u00e4"):
        assert refusal(read, "ping", json.dumps({"id": wrong}).encode()) == "invalid_request", wrong
    for wrong in (1, True, [], {}):
        assert refusal(read, "ping", json.dumps({"id": wrong}).encode()) == "invalid_request", wrong
    assert read("ping", b'{"id": null}').id is None
    assert read("ping", json.dumps({"id": "x" * 64}).encode()).id == "x" * 64


def test_names_are_plain():
    assert is_name("ping") and is_name("open-door-2")
    for name in ("", "Ping", "a/b", "a b", "../x", "\u00e4", "a\0", "x" * 41, "+", "#", "__import__"):
        assert not is_name(name), name


def test_only_what_is_allowed_is_carried_out():
    assert verdict("ping") == ""
    assert verdict("ping", allowed=[]) == "not_allowed"
    assert verdict("restart", allowed=["ping"]) == "not_allowed"
    assert verdict("format-disk", allowed=["format-disk"]) == "unknown_command"


def test_what_must_not_run_twice_needs_an_id():
    for name in ("restart", "unpair", "re-pair"):
        assert verdict(name, b"{}") == "id_required"
        assert verdict(name) == ""
    assert verdict("ping", b"{}") == ""


def test_a_command_ends_when_it_expires():
    def sent(expires, wall, late=False):
        return verdict("ping", json.dumps({"expires": expires}).encode(), wall=wall, late=late)

    assert sent(NOW + 10, Wall(SYNCED, NOW)) == ""
    assert sent(NOW, Wall(SYNCED, NOW)) == ""
    assert sent(NOW - 1, Wall(SYNCED, NOW)) == "expired"
    # What is not before a time may be long after it.
    assert sent(NOW - 1, Wall(FLOOR, NOW)) == "expired"
    # What has come without waiting anywhere is in time in any case; for the rest it takes a clock.
    for wall in (Wall(FLOOR, NOW), Wall(UNSET, None)):
        assert sent(NOW + 10, wall) == ""
        assert sent(NOW + 10, wall, late=True) == "stale"
    assert sent(NOW + 10, Wall(SYNCED, NOW), late=True) == ""
    for wrong in ("soon", [], True, {}):
        assert sent(wrong, Wall(SYNCED, NOW)) == "invalid_request"
    assert verdict("ping", b'{"expires": 1e999}') == "invalid_request"
    assert verdict("ping", b'{"expires": null}') == ""


def test_what_may_have_waited_is_carried_out_only_if_that_does_no_harm():
    for name in ("ping", "report-now", "set-interval", "unpair"):
        assert verdict(name, late=True) == "", name
    for name in ("restart", "re-pair", "open-door"):
        assert verdict(name, allowed=BUILT_IN + ["open-door"], late=True) == "stale", name
    # Who says until when it counts has thought of that.
    expires = json.dumps({"id": "1", "expires": NOW + 5}).encode()
    assert verdict("restart", expires, late=True) == ""


def test_intervals_are_seconds_within_reason():
    assert interval_ms({"interval": 30}) == 30000
    assert interval_ms({"interval": 0.5}) == 500
    assert interval_ms({"interval": None}) is None
    for wrong in (0, -1, 0.05, 604801, "30", True, [], 10**400, float("inf"), float("nan")):
        assert refusal(interval_ms, {"interval": wrong}) == "invalid_request", wrong
    assert refusal(interval_ms, {}) == "invalid_request"


def test_replies():
    assert json.loads(reply("7", {"seq": 3})) == {"id": "7", "ok": True, "seq": 3}
    assert json.loads(reply(None, None)) == {"ok": True}
    error = CommandError("busy", "later")
    assert json.loads(reply("7", error)) == {
        "id": "7",
        "ok": False,
        "error": "busy",
        "error_description": "later",
    }
    # A handler can't pretend to have answered something else.
    assert json.loads(reply("7", {"ok": False, "id": "8"})) == {"id": "7", "ok": True}


def test_a_handler_returns_what_json_has():
    assert check_result(None) is None
    fine = {"a": [1, 2.5, None, True, "x", {"b": []}], "t": (1, 2)}
    assert check_result(fine) is fine
    loop = {}
    loop["again"] = [loop, loop]
    for wrong in (1, "x", [], {"a": b"x"}, {1: 2}, {"a": float("nan")}, {"a": object()}, {"a": {2: 3}}, loop):
        assert refusal(check_result, wrong) == "failed", wrong
    deep = {}
    for _ in range(9):
        deep = {"a": deep}
    assert refusal(check_result, deep) == "failed"
    assert refusal(check_result, {"a": "x" * 9000}) == "failed"
    wide = [0] * 500
    for _ in range(4):
        wide = [wide] * 500
    assert refusal(check_result, {"a": wide}) == "failed"
