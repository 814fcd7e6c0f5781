"""pairlet.core.token_record: what is on disk of a pairing, and what is made of it later."""

import json

from pairlet.core.errors import ProtocolError
from pairlet.core.secret import Secret
from pairlet.core.token import Kept, Token
from pairlet.core.token_record import digest, from_record, to_record
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from scenario import ACCESS_TOKEN, REFRESH_TOKEN, make_token, refused

NOON = 1700000000
PREVIOUS = "pr3vious-hidden"
DATED = Wall(SYNCED, NOON)


def synced(seconds=NOON):
    return Wall(SYNCED, seconds)


def written(kept, then=0, wall=DATED, boot_id="", **changes):
    """`kept` as members that went through JSON; `changes` go into them."""
    record = json.loads(json.dumps(to_record(kept, then, wall, boot_id)))
    record.update(changes)
    return record


def kept(token, then, wall_then, now, wall_now):
    """`token` written at `then`, read in another start at `now`."""
    return from_record(written(Kept(token, None, None), then, wall_then), now, wall_now).token


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
    record = written(Kept(token, None, None), then, wall, boot_then, **changes)
    return from_record(record, now, wall, boot_now).token


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
    good = written(Kept(make_token(), None, None))
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
        refused(ProtocolError, from_record, record, 0, synced())
    refused(ProtocolError, from_record, {}, 0, synced())


def test_a_damaged_end_counts_as_ended():
    for bad in ("x", 1.5, None, [], {}, -1, 10**30, True):
        record = written(Kept(make_token(), None, None))
        record["ends"] = bad
        assert from_record(record, 70, synced()).token.expires_at == 70, bad


def test_a_refresh_under_way_and_the_token_before_come_back():
    for previous in (None, Secret(PREVIOUS)):
        for since in (None, 0, NOON):
            again = from_record(written(Kept(make_token(), previous, since)), 0, synced())
            assert again.previous == previous and again.refreshing_since == since


# What version 0.1.0 wrote, to the letter.
OF_0_1_0 = (
    b'{"version": 1, "access_token": "acc3ss-t0ken-hidden", "token_type": "Bearer", '
    b'"refresh_token": "r3fresh-t0ken-hidden", "scope": "telemetry", "expires_in": 3600, '
    b'"ends": 1700003600, "boot_id": "b1", "expires_at": 3601000, "issuer": "https://auth.example", '
    b'"client_id": "tv"}'
)


def test_what_the_first_version_wrote_is_read():
    kept = from_record(json.loads(OF_0_1_0.decode()), 70, synced())
    assert kept.token.access_token.reveal() == ACCESS_TOKEN
    assert kept.token.refresh_token.reveal() == REFRESH_TOKEN
    assert kept.token.scope == "telemetry" and kept.token.expires_at == 70 + 3600000
    assert kept.previous is None and kept.refreshing_since is None


def test_the_first_version_reads_what_is_written_now():
    """An older agent may run on, or come back: it looks at these members and passes over the others."""
    old = json.loads(OF_0_1_0.decode())
    token = make_token(now=1000)
    new = written(Kept(token, Secret(PREVIOUS), NOON), 1000, synced(), "b1")
    for name in old:
        if name not in ("issuer", "client_id"):
            assert new[name] == old[name], name


def test_members_of_later_versions_are_passed_over():
    record = written(Kept(make_token(), None, None), future={"a": [1]}, token="x")
    assert from_record(record, 0, synced()).token.access_token.reveal() == ACCESS_TOKEN


def test_damage_to_what_explains_does_not_end_a_pairing():
    for bad in ("x", 1.5, True, [], {}, -1, "2023-11-14"):
        again = from_record(written(Kept(make_token(), None, None), refreshing_since=bad), 0, synced())
        assert again.refreshing_since == 0 and again.token.refresh_token is not None, bad
    for bad in (5, [], {}, True, "a\n", "\u00e9"):
        again = from_record(written(Kept(make_token(), None, None), previous_refresh_token=bad), 0, synced())
        assert again.previous is None and again.token.refresh_token is not None, bad


def test_without_a_refresh_token_nothing_can_be_under_way():
    record = written(Kept(make_token(refresh_token=None), None, None), refreshing_since=NOON)
    assert from_record(record, 0, synced()).refreshing_since is None


def test_the_time_of_the_save_is_kept_where_there_is_one():
    assert written(Kept(make_token(), None, None))["saved_at"] == NOON
    assert written(Kept(make_token(), None, None), 0, NO_CLOCK)["saved_at"] is None
    assert written(Kept(make_token(expires_in=None), None, None))["saved_at"] == NOON


def test_a_digest_tells_records_apart():
    assert digest(b"a") == digest(b"a") != digest(b"b") and len(digest(b"")) == 32
