"""pairlet_board.log: records in order, kept until they are dropped."""

import os

from board_disk import fresh_folder, read, size, write
from pairlet.core.errors import StoreError
from pairlet_board.log import SegmentLog
from pairlet_board.store import HEADER, header


def make(folder, segment_bytes=256):
    return SegmentLog(folder + "/log", segment_bytes=segment_bytes, sync=None)


def record(number):
    """A record that tells its number, of a length of its own."""
    return b"record %d " % number + b"." * (number * 7 % 40)


def positions(log, start=0):
    """All positions from `start` on, each record checked for being what was appended there."""
    found = []
    while (item := log.read(start)) is not None:
        position, value = item
        assert value == record(position), (position, value)
        found.append(position)
        start = position + 1
    return found


def names(folder):
    """The numbers of the segments, in order."""
    return sorted([int(name[len("outbox.s") :]) for name in os.listdir(folder + "/log")])


def test_nothing_at_first():
    folder = fresh_folder()
    log = make(folder)
    assert log.read() is None
    assert (log.backlog, log.size, names(folder)) == (0, 0, [])
    log.sync()
    assert names(folder) == []


def test_records_are_read_in_order_before_and_after_sync_and_restart():
    folder = fresh_folder()
    log = make(folder)
    assert [log.append(record(number)) for number in range(3)] == [0, 1, 2]
    assert positions(log) == [0, 1, 2]
    assert names(folder) == []  # nothing is written before sync()
    log.sync()
    assert positions(log) == [0, 1, 2]
    log.append(record(3))
    assert positions(log) == [0, 1, 2, 3]
    assert positions(log, 2) == [2, 3]
    log.sync()
    again = make(folder)
    assert positions(again) == [0, 1, 2, 3]
    assert (again.backlog, again.append(record(4))) == (4, 4)


def test_what_was_not_synced_is_lost_and_nothing_else():
    folder = fresh_folder()
    log = make(folder)
    log.append(record(0))
    log.sync()
    log.append(record(1))
    assert positions(make(folder)) == [0]


def test_segments_fill_up_and_go_as_they_are_dropped():
    folder = fresh_folder()
    log = make(folder)
    for number in range(40):
        log.append(record(number))
        log.sync()
    segments = names(folder)
    assert len(segments) > 5
    assert log.size == sum([size(folder + "/log/outbox.s%d" % number) for number in segments])
    assert all(size(folder + "/log/outbox.s%d" % number) <= 256 for number in segments)
    for number in range(39):
        log.drop(number)
        log.sync()
        assert positions(log) == list(range(number + 1, 40))
        assert positions(make(folder)) == list(range(number + 1, 40))
    assert len(names(folder)) == 2  # one with the record, one with the mark
    log.sync()
    log.sync()
    assert positions(make(folder)) == [39]
    log.drop(39)
    log.sync()
    assert (names(folder), log.size, log.backlog, log.read()) == ([], 0, 0, None)


def test_a_drop_within_a_segment_survives_a_restart():
    folder = fresh_folder()
    log = make(folder)
    for number in range(4):
        log.append(record(number))
    log.sync()
    log.drop(1)
    assert positions(log) == [2, 3]
    assert positions(make(folder)) == [0, 1, 2, 3]  # not synced yet
    log.sync()
    again = make(folder)
    assert (positions(again), again.backlog) == ([2, 3], 2)
    before = again.size
    again.sync()
    assert again.size == before  # a mark is written once


def test_records_dropped_in_time_never_wear_the_flash():
    folder = fresh_folder()
    log = make(folder)
    for number in range(100):
        assert log.append(record(number)) == number
        log.drop(number)
        log.sync()
    assert (names(folder), log.backlog, log.size) == ([], 0, 0)
    log.append(record(100))
    log.append(record(101))
    log.drop(100)
    log.sync()
    again = make(folder)
    assert (positions(again), again.backlog) == ([101], 1)


def test_the_backlog_is_right_after_all_segments_were_once_gone():
    folder = fresh_folder()
    log = make(folder)
    log.append(record(0))
    log.sync()
    log.drop(0)
    log.sync()
    for number in (1, 2):
        assert log.append(record(number)) == number
        log.sync()
    again = make(folder)
    assert (positions(again), again.backlog) == ([1, 2], 2)


def test_a_drop_of_more_than_there_is_drops_what_there_is():
    log = make(fresh_folder())
    log.append(record(0))
    log.drop(1000)
    assert log.backlog == 0
    assert log.append(record(1)) == 1
    log.drop(-5)
    assert positions(log) == [1]


def test_many_unsynced_records_are_brought_to_the_flash_by_themselves():
    folder = fresh_folder()
    log = make(folder)
    for number in range(30):
        log.append(record(number))
    assert len(names(folder)) > 2
    assert positions(log) == list(range(30))


def test_records_that_fit_no_segment_are_refused():
    folder = fresh_folder()
    log = make(folder)
    largest = 256 - 2 * HEADER
    for length in (0, largest + 1, 2000):
        try:
            log.append(b"x" * length)
        except StoreError as error:
            assert str(length) in str(error)
        else:
            raise AssertionError(length)
    assert log.append(b"x" * largest) == 0
    log.sync()
    assert log.read() == (0, b"x" * largest)
    assert make(folder).read() == (0, b"x" * largest)


def test_a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on():
    folder = fresh_folder()
    log = make(folder)
    log.append(record(0))
    log.append(record(1))
    log.sync()
    path = folder + "/log/outbox.s0"
    good = read(path)
    frame = header(2, record(2)) + record(2)
    for length in range(1, len(frame)):
        write(path, good + frame[:length])
        torn = make(folder)
        assert positions(torn) == [0, 1], length
        assert torn.append(record(2)) == 2
        torn.sync()
        again = make(folder)
        assert positions(again) == [0, 1, 2], length
        assert read(path) == good + frame[:length]
        os.remove(folder + "/log/outbox.s1")


def test_a_damaged_record_costs_the_rest_of_its_segment_only():
    folder = fresh_folder()
    log = make(folder)
    for number in range(20):
        log.append(record(number))
        log.sync()
    path = folder + "/log/outbox.s%d" % names(folder)[1]
    data = bytearray(read(path))
    data[HEADER + 3] ^= 1
    write(path, data)
    left = positions(make(folder))
    assert left[0] == 0 and left[-1] == 19
    assert 10 < len(left) < 20


def test_a_damaged_position_does_not_carry_the_log_away():
    folder = fresh_folder()
    log = make(folder)
    log.append(record(0))
    log.append(record(1))
    log.sync()
    path = folder + "/log/outbox.s0"
    data = bytearray(read(path))
    data[HEADER + len(record(0)) + 3] = 0x40  # the top byte of the second position
    write(path, data)
    again = make(folder)
    assert positions(again) == [0]
    assert again.append(record(1)) == 1
    again.sync()
    assert positions(make(folder)) == [0, 1]


def test_noise_instead_of_a_segment_is_survived():
    for noise in (b"", b"\x00" * 300, b"\xff" * 300, b"segment", bytes(range(256))):
        folder = fresh_folder()
        log = make(folder)
        log.append(record(0))
        log.sync()
        write(folder + "/log/outbox.s7", noise)
        again = make(folder)
        assert positions(again) == [0]
        assert again.append(record(1)) == 1
        again.drop(0)
        again.sync()
        assert positions(make(folder)) == [1], noise


def test_other_files_in_the_folder_are_left_alone():
    folder = fresh_folder()
    make(folder)
    for name in ("outbox.s", "outbox.sx1", "outbox.0", "outbox", "other.s1", "outbox.s1.tmp"):
        write(folder + "/log/" + name, b"mine")
    log = make(folder)
    log.append(record(0))
    log.sync()
    log.drop(0)
    log.sync()
    assert len(os.listdir(folder + "/log")) == 6


def test_a_write_that_fails_loses_nothing_from_memory():
    folder = fresh_folder(blocks=16)
    if folder != "/disk":
        return  # only the RAM disk can be filled
    log = make(folder, 1024)
    log.append(record(0))
    log.sync()
    ballast = []
    try:
        while True:
            ballast.append(folder + "/ballast%d" % len(ballast))
            write(ballast[-1], b"x" * 500)
    except OSError:
        pass
    failed = 0
    for number in range(1, 15):
        log.append(record(number))
    for _ in range(2):
        try:
            log.sync()
        except StoreError as error:
            failed += 1
            assert "flash is full" in str(error)
        assert positions(log) == list(range(15))
    assert failed == 2
    for path in ballast[:-1]:
        os.remove(path)
    log.sync()
    assert positions(make(folder, 1024)) == list(range(15))
    log.drop(14)
    log.sync()
    assert names(folder) == []


def test_sync_is_asked_for():
    calls = []
    log = SegmentLog(fresh_folder() + "/log", sync=lambda: calls.append(1))
    log.append(b"x")
    assert calls == []
    log.sync()
    assert calls == [1]


def test_a_folder_that_can_not_be_is_a_store_error():
    folder = fresh_folder()
    try:
        make(folder + "/missing/deeper")
    except StoreError:
        return
    raise AssertionError("no StoreError")


def test_reading_goes_on_where_it_was_also_backwards():
    folder = fresh_folder()
    log = make(folder)
    for number in range(20):
        log.append(record(number))
        log.sync()
    for position in (19, 0, 7, 7, 8, 3, 19, 12):
        assert log.read(position) == (position, record(position))
    log.drop(9)
    assert log.read(2) == (10, record(10))
    assert log.read(20) is None
