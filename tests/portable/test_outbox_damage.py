"""The outbox on a disk with damage: what can't be read is told, and no number comes twice."""

from outbox_device import HOUR, SECOND, Device, samples
from pairlet.core.errors import StoreError
from pairlet.core.outbox import EVENT, TELEMETRY, Bounds
from pairlet.core.segments import SPAN, limit


def test_the_newest_file_may_be_torn_at_any_byte():
    device = Device()
    device.sample(26)
    files = dict(device.disks[TELEMETRY].files)
    newest = max(files)
    whole = files[newest]
    for length in range(len(whole)):
        device.disks[TELEMETRY].files = dict(files)
        device.disks[TELEMETRY].files[newest] = whole[:length]
        device.disks[EVENT].files = {}
        device.boot()
        kept = samples(device.send())
        assert kept == list(range(len(kept)))
        number = device.sample()
        assert number > (kept[-1] if kept else -1)
        device.boot()


def test_a_flipped_bit_costs_one_record_and_is_told():
    device = Device()
    device.sample(26)
    files = dict(device.disks[TELEMETRY].files)
    for at in range(0, len(files[0]), 7):
        damaged = bytearray(files[0])
        damaged[at] ^= 0x10
        device.disks[TELEMETRY].files = {0: bytes(damaged)}
        device.disks[EVENT].files = {}
        device.boot()
        kept = samples(device.send())
        assert len(kept) >= 12 and kept == sorted(kept)
        told = [gap for gap in device.outbox.gaps() if gap.stream == TELEMETRY]
        for seq in range(26):
            assert seq in kept or any(gap.first <= seq <= gap.last for gap in told), (at, seq, told)


def test_a_file_that_vanished_is_told():
    device = Device(Bounds(1 << 16, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    device.sample(400)
    numbers = sorted(device.disks[TELEMETRY].files)
    assert len(numbers) >= 4
    for gone in numbers[:-1]:
        files = dict(device.disks[TELEMETRY].files)
        del device.disks[TELEMETRY].files[gone]
        device.disks[EVENT].files = {}
        device.boot()
        kept = samples(device.send())
        gaps = [gap for gap in device.outbox.gaps() if gap.stream == TELEMETRY]
        for seq in range(400):
            assert seq in kept or any(gap.first <= seq <= gap.last for gap in gaps), (gone, seq, gaps)
        assert any(gap.reason == "unreadable" for gap in gaps)
        device.disks[TELEMETRY].files = files


def test_a_file_that_vanishes_while_it_runs_is_told_after_some_tries():
    device = Device(Bounds(1 << 16, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    device.sample(400)
    disk = device.disks[TELEMETRY]
    disk.unreadable = [sorted(disk.files)[1]]
    kept = []
    for _ in range(20):
        kept += samples(device.send())
        device.now = device.outbox.due(device.now) or device.now
    gaps = device.outbox.gaps()
    assert len(kept) + sum([gap.count for gap in gaps if gap.reason == "unreadable"]) == 400
    assert len(device.outbox) == 0


def boot_unread(device, *numbers):
    """Start while these files of the samples can't be read; that is said, and it works all the same."""
    disk = device.disks[TELEMETRY]
    disk.unreadable = list(numbers)
    try:
        device.boot()
    except StoreError as error:
        assert str(error) == "the file is gone"
    else:
        raise AssertionError("nothing was said")
    device.flush()  # once is enough
    disk.unreadable = []


def is_told(seq, gaps):
    """Whether one of `gaps` of samples has the number."""
    return any(gap.stream == TELEMETRY and gap.first <= seq <= gap.last for gap in gaps)


def test_no_number_comes_again_when_the_newest_file_can_not_be_read():
    for kept in (4000, 1 << 20):
        device = Device(Bounds(1 << 16, kept, 7 * 24 * HOUR, 120 * SECOND, 500))
        seen = []
        for start in range(12):
            # Online, so that what the file holds are notes of the numbers that were reserved.
            for _ in range(130 + 37 * start):
                device.sample()
                for record in device.send():
                    if record.stream == TELEMETRY and not record.payload.endswith(b'"historical":true}'):
                        seen.append(record.seq)
            highest = seen[-1]
            files = sorted(device.disks[TELEMETRY].files)
            device.disks[EVENT].files = {}
            boot_unread(device, files[-1])
            number = device.sample()
            assert highest < number <= limit(files[-1], None)
            assert start or number <= 2 * SPAN
            gaps = device.outbox.gaps()
            assert {gap.reason for gap in gaps} == {"restart"} and is_told(highest + 1, gaps)
            assert is_told(number - 1, gaps) and not is_told(number, gaps)
            assert max(device.disks[TELEMETRY].files) > files[-1]  # what can't be read is left alone
        assert seen == sorted(set(seen))


def test_no_number_comes_again_when_no_file_can_be_read():
    device = Device(Bounds(1 << 16, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    highest = -1
    for _ in range(6):
        device.sample(150)
        for seq in samples(device.send()):
            assert seq > highest
            highest = seq
        device.flush()
        boot_unread(device, *device.disks[TELEMETRY].files)
        assert is_told(highest + 1, device.outbox.gaps())
    assert highest < limit(max(device.disks[TELEMETRY].files), None)


def test_what_could_not_be_read_once_is_sent_in_its_order_or_stays_told():
    device = Device(Bounds(1 << 16, 4000, 7 * 24 * HOUR, 120 * SECOND, 500))
    device.sample(400)
    boot_unread(device, max(device.disks[TELEMETRY].files))
    gaps = device.outbox.gaps()
    last = device.sample(30)
    device.flush(final=True)
    device.boot()
    assert device.outbox.gaps() == []
    kept = samples(device.send())
    assert kept == sorted(set(kept)) and kept[-1] == last
    for seq in range(400):
        assert seq in kept or is_told(seq, gaps), seq
    # It was readable again before anything newer was sent.
    assert kept[:380] == list(range(380))


def test_a_file_without_its_notes_does_not_say_which_numbers_were_in_use():
    device = Device()
    device.sample(20)
    (name,) = device.disks[TELEMETRY].files
    data = device.disks[TELEMETRY].files[name]
    at = data.index(b"[")
    device.disks[TELEMETRY].files[name] = data[:at] + b"?" + data[at + 1 :].replace(b"[0, 256", b"?0, 256")
    highest = max(samples(device.send()))
    device.boot()
    assert highest < device.sample() <= 2 * SPAN


def test_numbers_that_leap_leave_names_out():
    device = Device()
    for leap in (SPAN // 2, SPAN, 5 * SPAN, 1):
        device.outbox._samples.seq += leap
        device.sample(2)
        device.flush()
        highest = samples(device.send())[-1]
        newest = max(device.disks[TELEMETRY].files)
        assert newest // 8 >= highest // SPAN
        device.disks[EVENT].files = {}
        boot_unread(device, newest)
        assert highest < device.sample() <= limit(newest, None)


def test_numbers_that_go_fast_begin_new_files():
    device = Device()
    for _ in range(40):
        device.outbox._samples.seq += SPAN // 4
        device.sample(1, step_ms=100)
        device.send()
        device.now += 400 * SECOND
        device.flush()
    device.disks[EVENT].files = {}
    highest = device.outbox._samples.seq
    newest = max(device.disks[TELEMETRY].files)
    assert highest // SPAN <= newest // 8 < 3 * highest // SPAN
    boot_unread(device, newest)
    assert highest <= device.sample() <= 3 * highest


def test_files_that_are_not_ours_are_left_alone():
    device = Device()
    device.sample(26)
    device.disks[TELEMETRY].files[8000] = b"hello"
    boot_unread(device, 8000)
    assert len(samples(device.send())) >= 12
    device.sample(26)
    assert device.disks[TELEMETRY].files[8000] == b"hello"
