"""pairlet_board.clock: ticks unwrapped, calendar time with a floor, NTP."""

import asyncio
import time

from fakes import MemoryStore
from pairlet.core.errors import StoreError
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from pairlet_board.clock import BUILT_AFTER, NTP_HOSTS, BoardClock, ticks_add

BUILT = 1_750_000_000
EPOCH_2000 = 946684800
MASK = ticks_add(0, -1)


class Chip:
    """A chip's clocks: ticks that a test moves, a calendar of either epoch, an RTC, and NTP."""

    def __init__(self, year=1970, wakes_at=1_609_459_200):
        self.ticks = MASK - 500  # the wrap is never far
        self.epoch = EPOCH_2000 if year == 2000 else 0
        self.seconds = wakes_at  # Unix time as the RTC has it
        self.truth = BUILT + 1000  # what NTP will say; an exception to raise instead
        self.asked = []
        self.host = None
        self.timeout = None

    def read(self):
        return self.ticks

    def pass_ms(self, milliseconds):
        self.ticks = (self.ticks + milliseconds) & MASK

    # As the module time.
    def time(self):
        return self.seconds - self.epoch

    def gmtime(self, seconds):
        # CPython's for both; the host under MicroPython counts from 1970, too.
        return time.gmtime(seconds + self.epoch)

    # As machine.RTC.
    def datetime(self, date):
        year, month, day, weekday, hour, minute, second, fraction = date
        assert 1 <= weekday <= 7 and fraction == 0
        self.seconds = unix(year, month, day) + 3600 * hour + 60 * minute + second

    # As the module ntptime.
    def settime(self):
        self.asked.append(self.host)
        assert self.timeout is not None and self.timeout <= 5
        if isinstance(self.truth, Exception):
            raise self.truth
        self.seconds = self.truth


def unix(year, month, day):
    """Unix time of a day's beginning, without time.mktime and its time zone."""
    days = 0
    for each in range(1970, year):
        days += 366 if each % 4 == 0 and (each % 100 or each % 400 == 0) else 365
    leap = 1 if year % 4 == 0 else 0
    for length in [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][: month - 1]:
        days += length
    return 86400 * (days + day - 1)


def make(chip=None, store=None, built=BUILT):
    chip = chip or Chip()
    clock = BoardClock(built, store, rtc=chip, ntp=chip, calendar=chip, ticks=chip.read)
    return clock, chip


def test_now_grows_over_every_wrap():
    clock, chip = make()
    expected = 0
    for step in (0, 1, 499, 1, 1, MASK // 2, MASK // 2, MASK, 17, MASK, 0):
        chip.pass_ms(step)
        expected += step
        assert clock.now() == expected


def test_the_wrap_is_found_for_this_interpreter():
    clock = BoardClock()
    first = clock.now()
    assert 0 <= first < 60000
    assert clock.now() >= first
    assert MASK in (2**30 - 1, 2**62 - 1)


def test_without_any_hint_the_time_is_unset():
    for year in (1970, 2000):
        clock, _ = make(Chip(year), built=0)
        assert clock.wall() == Wall(UNSET, None)


def test_the_floor_is_the_newest_of_what_is_known():
    store = MemoryStore()
    for year in (1970, 2000):
        for built, saved, chip_has, expected in (
            (BUILT, b"", 1_609_459_200, BUILT),
            (BUILT, b"%d" % (BUILT + 7), 1_609_459_200, BUILT + 7),
            (BUILT, b"%d" % (BUILT - 7), 1_609_459_200, BUILT),
            (BUILT, b"%d" % (BUILT + 7), BUILT + 9, BUILT + 9),  # the chip ran through a restart
            (0, b"%d" % BUILT, 0, BUILT),
            (0, b"", BUILT, BUILT),
        ):
            store.values["clock"] = saved
            clock, chip = make(Chip(year, chip_has), store, built)
            assert clock.wall() == Wall(FLOOR, expected), (year, built, saved, chip_has)
            # TLS reads the chip's clock: it must not lie before the floor.
            assert chip.seconds == expected


def test_a_saved_time_that_is_none_is_ignored():
    for value in (b"", b"x", b"\xff\xfe", b"-5", b"1", b"9" * 30, b"1.5e9"):
        clock, _ = make(store=MemoryStore({"clock": value}))
        assert clock.wall() == Wall(FLOOR, BUILT), value

    class Broken(MemoryStore):
        def load(self, name):
            raise StoreError("broken")

    assert make(store=Broken())[0].wall() == Wall(FLOOR, BUILT)


def test_wall_goes_on_with_now():
    clock, chip = make()
    chip.pass_ms(90_500)
    assert clock.wall() == Wall(FLOOR, BUILT + 90)
    chip.pass_ms(500)
    assert clock.wall() == Wall(FLOOR, BUILT + 91)


def test_a_server_date_lifts_the_floor_and_never_lowers_it():
    clock, chip = make()
    clock.learn(BUILT + 500)
    assert clock.wall() == Wall(FLOOR, BUILT + 500)
    assert chip.seconds == BUILT + 500
    for seconds in (BUILT + 499, BUILT - 1, 0, -1, BUILT + 10**12):
        clock.learn(seconds)
        assert clock.wall() == Wall(FLOOR, BUILT + 500)


def test_ntp_sets_the_time_also_backwards():
    clock, chip = make()
    clock.learn(BUILT + 5000)
    assert not clock.synced.is_set()
    assert clock.ask("time.example")
    assert clock.wall() == Wall(SYNCED, BUILT + 1000)
    assert clock.synced.is_set()
    assert chip.asked == ["time.example"]
    clock.learn(BUILT + 9999)
    assert clock.wall() == Wall(SYNCED, BUILT + 1000)


def test_ntp_works_with_the_epoch_of_esp32():
    clock, _ = make(Chip(2000))
    assert clock.ask("time.example")
    assert clock.wall() == Wall(SYNCED, BUILT + 1000)


def test_ntp_that_fails_changes_nothing():
    for trouble in (OSError(110, "late"), ValueError("short"), OverflowError("big")):
        clock, chip = make()
        chip.truth = trouble
        assert not clock.ask("time.example")
        assert clock.wall() == Wall(FLOOR, BUILT)


def test_a_firmware_without_ntp_keeps_its_floor():
    clock = BoardClock(BUILT, calendar=Chip())
    assert not clock.ask("time.example")
    assert clock.wall() == Wall(FLOOR, BUILT)


def test_ntp_that_lies_is_not_believed_and_taken_back():
    for lie in (0, BUILT - 1, BUILT_AFTER - 1, BUILT + 26 * 366 * 86400):
        clock, chip = make()
        chip.truth = lie
        assert not clock.ask("time.example"), lie
        assert clock.wall() == Wall(FLOOR, BUILT)
        assert chip.seconds == BUILT


def test_one_false_answer_does_not_outlaw_the_true_ones():
    store = MemoryStore()
    clock, chip = make(store=store)
    chip.truth = BUILT + 20 * 365 * 86400
    assert clock.ask("liar.example")
    clock.save()
    clock, chip = make(store=store)
    assert clock.ask("time.example")
    assert clock.wall() == Wall(SYNCED, BUILT + 1000)


def test_the_time_is_saved_at_most_once_an_hour_and_only_when_known():
    store = MemoryStore()
    clock, chip = make(store=store)
    clock.save()
    assert store.history == []
    clock.ask("time.example")
    for _ in range(3):
        clock.save()
    assert store.history == [("clock", b"%d" % (BUILT + 1000))]
    chip.pass_ms(3_599_000)
    clock.save()
    assert len(store.history) == 1
    chip.pass_ms(1000)
    clock.save()
    assert store.history[1:] == [("clock", b"%d" % (BUILT + 4600))]
    # A board that restarts every minute does not wear its flash either.
    again, chip = make(store=store)
    chip.truth = BUILT + 4660
    again.ask("time.example")
    again.save()
    assert len(store.history) == 2


def test_a_store_that_fails_is_not_asked_again_and_again():
    store = MemoryStore()
    tries = []

    def save(name, value):
        tries.append(name)
        raise StoreError("full")

    store.save = save
    clock, _ = make(store=store)
    clock.ask("time.example")
    clock.save()
    clock.save()
    assert tries == ["clock"]


def test_each_run_has_a_name_of_its_own():
    names = [make()[0].boot_id() for _ in range(20)]
    assert len(set(names)) == 20
    assert all(len(name) == 16 for name in names)
    clock, _ = make()
    assert clock.boot_id() == clock.boot_id()


class Napping(BoardClock):
    """Sleeps by moving the chip's ticks, so that hours pass at once."""

    chip = None
    limit = 0

    async def sleep_until(self, until):
        await asyncio.sleep(0)
        self.chip.pass_ms(max(0, until - self.now()))
        if self.now() > self.limit:
            raise asyncio.CancelledError


def keep(chip, hours, store=None):
    """Let a clock keep the time for some hours; return it."""
    clock = Napping(BUILT, store, rtc=chip, ntp=chip, calendar=chip, ticks=chip.read)
    clock.chip = chip
    clock.limit = hours * 3600000

    async def run():
        try:
            await clock.run(b"seed")
        except asyncio.CancelledError:
            pass

    asyncio.run(run())
    return clock


def test_servers_take_turns_until_one_answers():
    chip = Chip()
    chip.truth = OSError(110, "late")
    clock = keep(chip, 1)
    assert set(chip.asked) == set(NTP_HOSTS)
    assert chip.asked[:4] == list(NTP_HOSTS) * 2
    # Doubling from 2 s up to a minute: neither a flood nor a board that waits for an hour.
    assert 60 <= len(chip.asked) <= 140
    assert clock.wall().state == FLOOR


def test_a_synced_clock_asks_twice_a_day_and_saves_hourly():
    chip, store = Chip(), MemoryStore()
    keep(chip, 49, store)
    assert 4 <= len(chip.asked) <= 6
    assert 45 <= len(store.history) <= 55


def test_sleepers_wake_at_or_after_their_time():
    clock = BoardClock()

    async def run():
        for wait_ms in (0, 1, 20):
            until = clock.now() + wait_ms
            await clock.sleep_until(until)
            assert clock.now() >= until

    asyncio.run(run())
