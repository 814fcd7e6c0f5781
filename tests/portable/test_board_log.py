"""pairlet_board.log under the outbox, on a flash as small as a board's."""

import asyncio
import os

from board_disk import fresh_folder, read, write
from pairlet.core.errors import StoreError
from pairlet.core.outbox import TELEMETRY, Bounds, Outbox
from pairlet_board.log import SegmentFiles

SECOND = 1000
BOUNDS = Bounds(8192, 4096, 86400 * SECOND, 60 * SECOND, 500)


def start(folder, bounds=BOUNDS):
    """The outbox of a board that starts."""
    outbox = Outbox(bounds, lambda name: SegmentFiles(folder + "/outbox", name, sync=None))
    asyncio.run(outbox.flush())
    return outbox


def fill(outbox, count, now=0):
    """Take `count` samples; returns the time then."""
    for _ in range(count):
        now += 10 * SECOND
        outbox.add_sample(now, {"rssi": -60}, now)
        due = outbox.flush_due(now)
        if due is not None and due <= now:
            asyncio.run(outbox.flush())
    return now


def drained(outbox, now=0):
    """The numbers of the samples that are to be sent."""
    found = []
    while (record := outbox.next(now)) is not None:
        if record.stream == TELEMETRY:
            found.append(record.seq)
    return found


def names(folder):
    """The segments of the samples."""
    return sorted([name for name in os.listdir(folder + "/outbox") if name.endswith(".tel")])


def test_what_was_flushed_is_there_after_a_power_cut():
    folder = fresh_folder()
    fill(start(folder), 30)
    outbox = start(folder)
    assert drained(outbox)[:24] == list(range(24))


def test_a_long_absence_stays_within_the_flash():
    folder = fresh_folder()
    outbox = start(folder)
    now = fill(outbox, 600)
    sizes = [os.stat(folder + "/outbox/" + name)[6] for name in names(folder)]
    assert sum(sizes) <= BOUNDS.disk_bytes + 1024 and len(sizes) <= 12
    asyncio.run(outbox.flush(final=True))
    gaps = outbox.gaps()
    kept = drained(start(folder), now)
    assert kept == sorted(kept) and kept[-1] == 599
    assert len(kept) + sum([gap.count for gap in gaps]) == 600


def test_what_was_sent_leaves_the_flash():
    folder = fresh_folder()
    outbox = start(folder)
    now = fill(outbox, 60)
    while (record := outbox.next(now)) is not None:
        outbox.acknowledge(record)
    asyncio.run(outbox.flush(final=True))
    assert len(names(folder)) == 1
    assert drained(start(folder)) == []


def test_a_full_flash_is_told_and_memory_goes_on():
    folder = fresh_folder(blocks=24)
    outbox = start(folder, Bounds(1 << 20, 4096, 86400 * SECOND, 60 * SECOND, 500))
    if folder == "/disk":  # a real flash, of 12 KiB
        now, told = 0, 0
        for _ in range(60):
            try:
                now = fill(outbox, 6, now)
            except StoreError as error:
                assert error.advice
                told += 1
                now += 60 * SECOND
        assert told > 0
        kept = drained(outbox, now)
        assert kept == sorted(kept) and len(kept) > 40


def test_names_that_are_no_text_are_passed_over():
    folder = fresh_folder(blocks=24)
    fill(start(folder), 12)
    write(folder + "/outbox/x.tel", b"not ours")
    write((folder + "/outbox/").encode() + b"\xff.tel", b"torn")
    assert len(drained(start(folder))) >= 6
    assert read(folder + "/outbox/x.tel") == b"not ours"


def test_the_flash_is_synced_where_the_port_can():
    calls = []
    log = SegmentFiles(fresh_folder() + "/outbox", "telemetry", sync=lambda: calls.append(1))
    asyncio.run(log.append(0, b"data"))
    assert len(calls) == 1
    asyncio.run(log.remove([0]))
    assert len(calls) == 2
