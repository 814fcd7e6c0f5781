"""SystemClock: what the contract can't ask of every clock."""

import asyncio
import ctypes
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from freezegun import freeze_time
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from pairlet.linux import clock as clock_module
from pairlet.linux.clock import BUILT_AFTER, SystemClock


@pytest.fixture
def unsynchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose clock nobody keeps: the one part that a test can't bring about for real."""
    monkeypatch.setattr(clock_module, "_kernel_synchronised", lambda: False)


def rtc(root: Path, name: str, hctosys: bytes) -> None:
    folder = root / "sys/class/rtc" / name
    folder.mkdir(parents=True)
    (folder / "hctosys").write_bytes(hctosys)


def test_counts_time_asleep() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    now = SystemClock().now()
    assert before <= now <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def test_a_suspend_during_a_long_sleep_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio's clock stands still meanwhile, so the sleep has to look up now and then."""
    naps: list[float] = []
    clock = SystemClock()
    real_now, asleep_ms = clock.now, 0

    async def nap(seconds: float) -> None:
        nonlocal asleep_ms
        naps.append(seconds)
        asleep_ms += 3_600_000  # the lid was closed for an hour during each nap

    monkeypatch.setattr(clock_module.asyncio, "sleep", nap)
    monkeypatch.setattr(clock, "now", lambda: real_now() + asleep_ms)
    until = clock.now() + 2 * 3_600_000
    asyncio.run(clock.sleep_until(until))
    assert clock.now() >= until
    assert len(naps) == 2 and max(naps) <= 300


def test_a_suspend_ahead_of_an_alarm_makes_it_no_later(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    clock = SystemClock()
    real_now, asleep_ms = clock.now, 0
    monkeypatch.setattr(clock, "now", lambda: real_now() + asleep_ms)

    async def story() -> None:
        loop, rung = asyncio.get_running_loop(), asyncio.Event()

        def nap(seconds: float, callback: Callable[[], None]) -> asyncio.Handle:
            nonlocal asleep_ms
            naps.append(seconds)
            asleep_ms += 3_600_000
            return loop.call_soon(callback)

        until = clock.now() + 2 * 3_600_000
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_later", nap)
            clock.alarm(rung.set, until)
            await rung.wait()
        assert clock.now() >= until

    asyncio.run(story())
    assert len(naps) == 2 and max(naps) <= 300


@freeze_time("1970-01-01 00:10:00")
def test_a_clock_that_was_never_set_tells_no_date() -> None:
    assert SystemClock().wall() == Wall(UNSET, None)


def test_the_floor_is_the_start_of_2024(unsynchronised: None, tmp_path: Path) -> None:
    clock = SystemClock(root=str(tmp_path))
    with freeze_time("2023-12-31 23:59:59"):
        assert clock.wall() == Wall(UNSET, None)
    with freeze_time("2024-01-01 00:00:00"):
        assert clock.wall() == Wall(FLOOR, BUILT_AFTER)


@pytest.mark.parametrize(
    ("hctosys", "state"), [(b"1\n", SYNCED), (b"0\n", FLOOR), (b"", FLOOR), (b"\xff\x00", FLOOR)]
)
def test_a_real_time_clock_keeps_the_date(
    unsynchronised: None, tmp_path: Path, hctosys: bytes, state: str
) -> None:
    rtc(tmp_path, "rtc0", b"0\n")
    rtc(tmp_path, "rtc1", hctosys)
    assert SystemClock(root=str(tmp_path)).wall().state == state


NOON = 1_750_000_000


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """now() stands at 0 until it is set: to whole milliseconds since boot."""
    now = [0]
    monkeypatch.setattr(SystemClock, "now", lambda self: now[0])

    def set_to(milliseconds: int) -> None:
        now[0] = milliseconds

    return set_to


def test_what_was_learned_is_the_floor_of_a_clock_that_was_never_set(
    unsynchronised: None, still: Callable[[int], None], tmp_path: Path
) -> None:
    clock = SystemClock(root=str(tmp_path))
    with freeze_time("1970-01-01 00:00:10"):
        clock.learn(NOON)
        assert clock.wall() == Wall(FLOOR, NOON)
        still(90_500)
        assert clock.wall() == Wall(FLOOR, NOON + 90)
        # What is known already, or can't be.
        for seconds in (NOON + 89, NOON - 1, BUILT_AFTER - 1, 0, -1, NOON + 10**10):
            clock.learn(seconds)
            assert clock.wall() == Wall(FLOOR, NOON + 90), seconds
        clock.learn(NOON + 1000)
        assert clock.wall() == Wall(FLOOR, NOON + 1000)


def test_the_floor_does_not_run_ahead_by_a_part_of_a_second(
    unsynchronised: None, still: Callable[[int], None], tmp_path: Path
) -> None:
    """A server that takes no proof from its own future (RFC 9449) would refuse what is dated by it."""
    clock = SystemClock(root=str(tmp_path))
    with freeze_time("1970-01-01 00:00:10"):
        still(900)
        clock.learn(NOON)
        for milliseconds, wall in ((900, NOON), (1_899, NOON), (1_900, NOON + 1)):
            still(milliseconds)
            assert clock.wall() == Wall(FLOOR, wall), milliseconds


def test_a_clock_that_is_behind_what_is_known_is_corrected(
    unsynchronised: None, still: Callable[[int], None], tmp_path: Path
) -> None:
    """A date that the file system remembered from the last shutdown."""
    clock = SystemClock(root=str(tmp_path))
    with freeze_time("2025-01-01"):
        clock.learn(NOON)
        assert clock.wall() == Wall(FLOOR, NOON)
    with freeze_time("2025-07-01"):
        assert clock.wall() == Wall(FLOOR, 1_751_328_000)


def test_a_real_time_clock_with_an_empty_battery_is_not_believed(
    unsynchronised: None, still: Callable[[int], None], tmp_path: Path
) -> None:
    rtc(tmp_path, "rtc0", b"1\n")
    clock = SystemClock(root=str(tmp_path))
    with freeze_time("2025-06-15 15:05:00"):
        assert clock.wall().state == SYNCED
        clock.learn(NOON)
        assert clock.wall().state == SYNCED, "a drift of two minutes is no reason"
        clock.learn(NOON + 3600)
        assert clock.wall() == Wall(FLOOR, NOON + 3600)
    with freeze_time("2025-06-16"):
        assert clock.wall().state == SYNCED


def test_a_time_service_is_right_even_when_a_server_was_wrong(
    monkeypatch: pytest.MonkeyPatch, still: Callable[[int], None], tmp_path: Path
) -> None:
    monkeypatch.setattr(clock_module, "_kernel_synchronised", lambda: True)
    clock = SystemClock(root=str(tmp_path))
    clock.learn(NOON + 86400)
    with freeze_time("2025-06-15 15:06:40"):
        assert clock.wall() == Wall(SYNCED, NOON)


def test_a_synchronised_kernel_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock_module, "_kernel_synchronised", lambda: True)
    assert SystemClock(root=str(tmp_path)).wall().state == SYNCED


@pytest.mark.skipif(
    ctypes.sizeof(ctypes.c_long) != 8, reason="the layout of struct timex is for 64 bits here"
)
def test_the_kernel_tells_whether_its_clock_is_kept() -> None:
    timex = ctypes.create_string_buffer(512)
    state = ctypes.CDLL(None).adjtimex(timex)
    # struct timex: int modes, then four longs (offset, freq, maxerror, esterror), then int status.
    (status,) = struct.unpack_from("i", timex, 40)
    kept = not status & 0x40  # STA_UNSYNC
    assert clock_module._kernel_synchronised() == (kept and state >= 0)
