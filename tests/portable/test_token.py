"""pairlet.core.token: reading it, keeping it, and when to replace it."""

import json

from pairlet.core.errors import ProtocolError
from pairlet.core.secret import Secret
from pairlet.core.token import Token
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from scenario import ACCESS_TOKEN, REFRESH_TOKEN, make_token, refused, token_members

NOON = 1700000000


def synced(seconds=NOON):
    return Wall(SYNCED, seconds)


def kept(token, then, wall_then, now, wall_now):
    """`token` written at `then`, read in another start at `now`."""
    return Token.from_record(json.loads(json.dumps(token.to_record(then, wall_then))), now, wall_now)


def test_reads_every_member():
    token = make_token(now=1000)
    assert token.access_token.reveal() == ACCESS_TOKEN and token.refresh_token.reveal() == REFRESH_TOKEN
    assert token.scope == "telemetry" and token.expires_in == 3600 and token.expires_at == 3601000


def test_item_34_bearer_in_any_case_and_nothing_else():
    for token_type in ("Bearer", "bearer", "BEARER"):
        assert make_token(token_type=token_type)
    for token_type in ("DPoP", "mac", "", "Bearer x", 5, ["Bearer"], True, "\x1b[2J"):
        members = token_members()
        members["token_type"] = token_type
        assert "\x1b" not in str(refused(ProtocolError, Token.from_answer, members, 0))
    refused(ProtocolError, make_token, token_type=None)


def test_an_access_token_is_required():
    refused(ProtocolError, make_token, access_token=None)
    for bad in ("", 5, ["x"], "hidden\r\n", "hidden\u00e9"):
        members = token_members()
        members["access_token"] = bad
        assert "hidden" not in str(refused(ProtocolError, Token.from_answer, members, 0))


def test_item_30_tokens_of_any_size_and_unknown_members():
    token = make_token(
        access_token="x" * 4096, refresh_token="y" * 16384, id_token="z", created_at=5, self="x", now_="x"
    )
    assert len(token.access_token.reveal()) == 4096 and len(token.refresh_token.reveal()) == 16384


def test_item_31_scope():
    assert make_token(scope="a").scope == "a"
    assert make_token(scope=None).scope == "telemetry"
    # Twitch sends a list.
    assert make_token(scope=["a", "b"]).scope == "a b"
    assert make_token(scope=["a", 5, None, "b"]).scope == "a b"
    for bad in (5, {}, "", [], [5]):
        assert make_token(scope=bad).scope == "telemetry", bad
    assert make_token(scope="a\x1b[2J\nb").scope == "a [2J b"


def test_lifetimes():
    for value, expires_in in ((1, 1), ("3600", 3600), (3599.5, 3600), ("3599.5", 3600), (10**12, 315360000)):
        token = make_token(expires_in=value)
        assert token.expires_in == expires_in and token.expires_at == 1000 * expires_in
    for bad in (0, -1, "soon", True, [], "nan"):
        token = make_token(expires_in=bad)
        assert token.expires_in is None and token.expires_at is None and token.remaining_ms(10**9) is None
    assert make_token(expires_in=None).expires_at is None


def test_remaining():
    token = make_token(now=1000, expires_in=10)
    assert token.remaining_ms(1000) == 10000 and token.remaining_ms(10999) == 1
    assert token.remaining_ms(11000) == 0 and token.remaining_ms(10**9) == 0


def test_refresh_at():
    # lifetime in s, chance, ms before the end
    for life, chance, ahead in (
        (1, 0, 500),
        (1, 255, 600),
        (30, 0, 15000),
        (30, 255, 18000),
        (60, 0, 30000),
        (60, 255, 36000),
        (119, 0, 59500),
        (120, 0, 60000),
        (300, 0, 60000),
        (3600, 0, 720000),
        (3600, 255, 1080000),
        (3600, 51, 792000),
        (86400, 0, 17280000),
    ):
        token = make_token(now=777, expires_in=life)
        assert token.refresh_at(chance) == token.expires_at - ahead, (life, chance)


def test_refresh_at_leaves_a_life_and_is_spread():
    for life in (1, 2, 3, 7, 30, 59, 60, 61, 299, 300, 301, 3600, 86400, 315360000):
        token = make_token(now=5, expires_in=life)
        points = [token.refresh_at(chance) for chance in range(256)]
        for point in points:
            assert isinstance(point, int)
            # Never in the first 40 % of its life: that would be a refresh without pause.
            assert 5 + 400 * life <= point < token.expires_at, life
        assert points == sorted(points, reverse=True)
        assert points[0] - points[255] == 100 * life, "jitter is a tenth of the life"
        if life >= 60:
            assert len(set(points)) == 256


def test_refresh_at_without_a_reason_or_a_way():
    assert make_token(refresh_token=None).refresh_at(0) is None
    assert make_token(expires_in=None).refresh_at(0) is None


def test_a_record_comes_back():
    token = make_token(now=1000)
    again = kept(token, 1000, synced(), 50, synced(NOON + 100))
    assert again.access_token == token.access_token and again.refresh_token == token.refresh_token
    assert again.scope == "telemetry" and again.expires_in == 3600
    assert again.expires_at == 50 + 3500000
    assert again.refresh_at(0) == again.expires_at - 720000


def test_a_record_of_a_token_without_extras():
    token = Token(Secret("x"))
    again = kept(token, 0, synced(), 0, synced())
    assert (
        again.refresh_token is None
        and again.expires_in is None
        and again.expires_at is None
        and again.scope == ""
    )


def test_a_record_written_late_in_life():
    token = make_token(now=0)
    assert kept(token, 3000000, synced(), 0, synced()).expires_at == 600000
    assert kept(token, 9000000, synced(), 0, synced()).expires_at == 0


def test_a_record_read_after_the_end():
    assert kept(make_token(), 0, synced(), 70, synced(NOON + 3600)).expires_at == 70
    assert kept(make_token(), 0, synced(), 70, synced(NOON + 10**8)).expires_at == 70


def test_without_a_wall_clock_a_kept_token_counts_as_ended():
    for wall_then, wall_now in (
        (Wall(UNSET, None), synced()),
        (synced(), Wall(UNSET, None)),
        (Wall(UNSET, None), Wall(UNSET, None)),
    ):
        assert kept(make_token(), 0, wall_then, 70, wall_now).expires_at == 70


def test_a_floor_never_makes_a_token_look_alive():
    # Ten hours without power, then a board that only knows "not before the last time I was synced".
    assert kept(make_token(), 0, synced(), 70, Wall(FLOOR, NOON)).expires_at == 70
    assert kept(make_token(), 0, Wall(FLOOR, NOON), 70, Wall(FLOOR, NOON)).expires_at == 70


NO_CLOCK = Wall(UNSET, None)


def in_one_boot(token, then, now, wall=NO_CLOCK, boot_then="b1", boot_now="b1", **changes):
    """`token` written and read with a boot_id; `changes` go into the record."""
    record = json.loads(json.dumps(token.to_record(then, wall, boot_then)))
    for name in changes:
        record[name] = changes[name]
    return Token.from_record(record, now, wall, boot_now)


def test_within_one_boot_the_end_is_known_without_any_wall_clock():
    token = make_token(now=1000)
    assert in_one_boot(token, 2000, 50000).expires_at == token.expires_at
    assert in_one_boot(token, 2000, 50000, wall=Wall(FLOOR, NOON)).expires_at == token.expires_at
    # The wall clock may be set meanwhile, to whatever.
    assert in_one_boot(token, 2000, 50000, wall=synced(5)).expires_at == token.expires_at
    assert in_one_boot(token, 2000, 10**9).remaining_ms(10**9) == 0


def test_another_boot_or_an_unknown_one_is_not_this_boot():
    for boot_then, boot_now in (("b1", "b2"), ("", ""), ("b1", ""), ("", "b1")):
        assert in_one_boot(make_token(), 0, 70, boot_then=boot_then, boot_now=boot_now).expires_at == 70


def test_a_damaged_end_of_this_boot_never_lengthens_a_life():
    assert in_one_boot(make_token(), 0, 70, expires_at=10**15).expires_at == 70 + 3600000
    for bad in (None, "x", 1.5, []):
        assert in_one_boot(make_token(), 0, 70, expires_at=bad).expires_at == 70


def test_a_record_dated_by_a_floor_ends_too_early_at_worst():
    # True time when written was NOON; the floor lies an hour before it, at most.
    assert kept(make_token(), 0, Wall(FLOOR, NOON - 600), 0, synced(NOON + 60)).expires_at == 2940000


def test_a_clock_that_ran_backwards():
    # A day back: the end would lie further away than the token ever lived.
    assert kept(make_token(), 0, synced(), 70, synced(NOON - 86400)).expires_at == 70
    assert kept(make_token(), 0, synced(), 70, synced(NOON - 1)).expires_at == 70
    for jump in range(-10000, 10000, 97):
        remaining = kept(make_token(), 0, synced(), 70, synced(NOON + jump)).remaining_ms(70)
        assert 0 <= remaining <= 3600000


def test_a_token_without_an_end_has_none_after_a_reboot_either():
    assert kept(make_token(expires_in=None), 0, Wall(UNSET, None), 0, Wall(UNSET, None)).expires_at is None


def test_what_is_no_record():
    good = make_token().to_record(0, synced())
    for changes in (
        {"version": 2},
        {"version": None},
        {"version": "1"},
        {"access_token": None},
        {"access_token": 5},
        {"access_token": ""},
        {"access_token": "a\n"},
        {"refresh_token": 5},
        {"refresh_token": "a\n"},
    ):
        record = good.copy()
        for name in changes:
            record[name] = changes[name]
        refused(ProtocolError, Token.from_record, record, 0, synced())
    refused(ProtocolError, Token.from_record, {}, 0, synced())


def test_a_damaged_end_counts_as_ended():
    for bad in ("x", 1.5, None, [], {}, -1, 10**30, True):
        record = make_token().to_record(0, synced())
        record["ends"] = bad
        assert Token.from_record(record, 70, synced()).expires_at == 70, bad
