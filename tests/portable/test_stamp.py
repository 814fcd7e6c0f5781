"""pairlet.core.stamp: how old something is after a restart, whatever the clocks know."""

import json

from pairlet.core.stamp import age_ms, stamp
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall

T = 1_750_000_000
NOTHING = Wall(UNSET, None)


def kept(now, wall, boot_id):
    return json.loads(json.dumps(stamp(now, wall, boot_id)))


def test_in_the_same_boot_the_wall_clock_says_nothing():
    for then in (NOTHING, Wall(FLOOR, T), Wall(SYNCED, T)):
        for now in (
            NOTHING,
            Wall(FLOOR, T),
            Wall(SYNCED, T),
            Wall(SYNCED, T - 10**6),
            Wall(SYNCED, T + 10**6),
        ):
            assert age_ms(kept(5000, then, "a"), 12345, now, "a") == 7345


def test_in_another_boot_a_synced_clock_then_and_now_tells_it():
    record = kept(5000, Wall(SYNCED, T), "a")
    # Of whole seconds, the first may have begun late and the last may have just begun.
    assert age_ms(record, 100, Wall(SYNCED, T + 90), "b") == 89001
    assert age_ms(record, 100, Wall(SYNCED, T), "b") == 0


def test_a_floor_now_says_how_old_at_least():
    record = kept(5000, Wall(SYNCED, T), "a")
    assert age_ms(record, 100, Wall(FLOOR, T + 90), "b") == 89001
    assert age_ms(record, 100, Wall(FLOOR, T - 90), "b") == 0


def test_a_clock_that_was_not_synced_then_dates_nothing():
    for then in (NOTHING, Wall(FLOOR, T)):
        for now in (NOTHING, Wall(FLOOR, T + 90), Wall(SYNCED, T + 90)):
            assert age_ms(kept(5000, then, "a"), 100, now, "b") == 0


def test_without_a_clock_now_nobody_knows():
    assert age_ms(kept(5000, Wall(SYNCED, T), "a"), 100, NOTHING, "b") == 0


def test_a_boot_without_a_name_is_no_boot_to_compare_with():
    assert age_ms(kept(5000, NOTHING, ""), 12345, NOTHING, "") == 0


def test_time_never_runs_backwards():
    assert age_ms(kept(5000, NOTHING, "a"), 100, NOTHING, "a") == 0
    assert age_ms(kept(5000, Wall(SYNCED, T), "a"), 100, Wall(SYNCED, T - 50), "b") == 0


def test_a_record_with_anything_else_in_it_is_of_no_known_age():
    for bad in (None, "x", [], {}, "5000"):
        record = {"boot_id": bad, "kept_at": bad, "kept_on": bad}
        for boot_id in ("", "a"):
            assert age_ms(record, 100, Wall(SYNCED, T), boot_id) == 0
    assert age_ms({}, 100, Wall(SYNCED, T), "a") == 0
