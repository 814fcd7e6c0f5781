"""What every Log keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pairlet.core.errors import StoreError
from pairlet.core.outbox import EVENT, TELEMETRY, Bounds, Outbox
from pairlet.linux.segment_files import SegmentFolder
from pairlet.ports import Logs
from pairlet_board.log import SegmentFiles
from pairlet_board.on_demand import Logs as BoardLogs

# Makes the logs that live in this folder: again and again the same ones.
Factory = Callable[[Path], Logs]


class Unsynced(BoardLogs):
    """As on a board, without os.sync, which would sync the whole machine on CPython."""

    def __call__(self, name: str) -> SegmentFiles:
        return SegmentFiles(self._folder, name, sync=None)


# Each with how it names segment 8 of the log "telemetry".
IMPLEMENTATIONS: dict[str, tuple[Factory, str]] = {
    "linux": (lambda folder: SegmentFolder(folder / "outbox", writes=True), "telemetry.8"),
    "board": (lambda folder: Unsynced(str(folder / "outbox")), "8.tel"),
}
SECOND = 1000


@pytest.fixture(params=IMPLEMENTATIONS.keys())
def kind(request: pytest.FixtureRequest) -> str:
    """Which implementation."""
    name: str = request.param
    return name


@pytest.fixture
def eighth(kind: str, tmp_path: Path) -> Path:
    """The file of segment 8 of "telemetry"."""
    return tmp_path / "outbox" / IMPLEMENTATIONS[kind][1]


@pytest.fixture
def reopen(kind: str, tmp_path: Path) -> Iterator[Callable[[], Logs]]:
    """Ends what there is and starts anew, as another process would."""
    factory = IMPLEMENTATIONS[kind][0]
    opened: list[Logs] = []

    def end() -> None:
        if opened:
            close = getattr(opened.pop(), "close", None)
            if close is not None:
                close()

    def start() -> Logs:
        end()
        opened.append(factory(tmp_path))
        return opened[0]

    yield start
    end()


def run(*coroutines: object) -> None:
    async def all_of_them() -> None:
        for coroutine in coroutines:
            await coroutine  # type: ignore[misc]

    asyncio.run(all_of_them())


def test_it_says_how_much_may_be_in_memory(reopen: Callable[[], Logs]) -> None:
    assert 1024 <= reopen().memory_bytes <= 1 << 20


def test_there_is_nothing_at_first(reopen: Callable[[], Logs]) -> None:
    log = reopen()("telemetry")
    assert log.segments() == []
    run(log.remove([0, 8]))


def test_what_is_appended_is_there_also_after_opening_again(reopen: Callable[[], Logs]) -> None:
    log = reopen()("telemetry")
    run(log.append(0, b"one "), log.append(8, bytes(range(256))), log.append(0, b"two"))
    for again in (False, True):
        log = reopen()("telemetry") if again else log
        assert sorted(log.segments()) == [(0, 7), (8, 256)]
        assert log.read(0, 0, 100) == b"one two"
        assert log.read(8, 250, 4) == bytes([250, 251, 252, 253])
        assert log.read(8, 250, 100) == bytes([250, 251, 252, 253, 254, 255])
        assert log.read(8, 256, 10) == log.read(8, 1000, 10) == b""
    run(log.append(0, b"!"))
    assert log.read(0, 4, 100) == b"two!"


def test_it_takes_large_pieces(reopen: Callable[[], Logs]) -> None:
    log = reopen()("telemetry")
    data = bytes(range(256)) * 4096
    run(log.append(0, data), log.append(0, data))
    assert log.segments() == [(0, 2 * len(data))]
    assert log.read(0, len(data) - 5, 10) == data[-5:] + data[:5]


def test_what_is_removed_is_gone(reopen: Callable[[], Logs]) -> None:
    log = reopen()("telemetry")
    run(*[log.append(number, b"data") for number in (0, 8, 9, 16)])
    assert log.read(8, 0, 4) == b"data"
    run(log.remove([8, 0, 24]))
    for again in (False, True):
        log = reopen()("telemetry") if again else log
        assert sorted(log.segments()) == [(9, 4), (16, 4)]
        with pytest.raises(StoreError) as caught:
            log.read(8, 0, 4)
        assert str(caught.value) and caught.value.advice
    # The number may come again, and then it is another file.
    run(log.append(8, b"new"))
    assert log.read(8, 0, 10) == b"new"


def test_names_do_not_meet(reopen: Callable[[], Logs]) -> None:
    logs = reopen()
    run(logs("event").append(0, b"e"), logs("evolution").append(8, b"s"), logs("ev").append(16, b"n"))
    assert [logs(name).segments() for name in ("event", "evolution", "ev", "e")] == [
        [(0, 1)], [(8, 1)], [(16, 1)], [],
    ]  # fmt: skip


def test_files_of_other_names_are_not_looked_at(reopen: Callable[[], Logs], eighth: Path) -> None:
    log = reopen()("telemetry")
    run(log.append(0, b"data"))
    ours = eighth.name
    others = [
        ours.replace("8", digits) for digits in ("", "x", "-8", "08", "8_0", "+8", "1" * 10, "8 ", "\u0668")
    ]
    for name in (*others, ours + ".bak", "x" + ours, ours + "x", ours.strip("8.")):
        (eighth.parent / name).write_bytes(b"not ours")
    assert reopen()("telemetry").segments() == [(0, 4)]


def test_what_is_no_file_takes_its_number(reopen: Callable[[], Logs], eighth: Path) -> None:
    log = reopen()("telemetry")
    run(log.append(0, b"data"))
    eighth.mkdir()
    log = reopen()("telemetry")
    assert sorted(log.segments()) == [(0, 4), (8, 0)]
    for use in (lambda: log.read(8, 0, 4), lambda: run(log.append(8, b"data"))):
        with pytest.raises(StoreError):
            use()


def test_a_folder_that_can_not_be_is_a_typed_error(reopen: Callable[[], Logs], tmp_path: Path) -> None:
    (tmp_path / "outbox").write_bytes(b"a file is in the way")
    with pytest.raises(StoreError) as caught:
        run(reopen()("telemetry").append(0, b"data"))
    assert caught.value.advice


# ---- the outbox on it ----


def outbox_on(logs: Logs) -> Outbox:
    outbox = Outbox(Bounds(8192, 4096, 3600 * SECOND, 20 * SECOND, 500), logs)
    run(outbox.flush())
    return outbox


def fill(outbox: Outbox, count: int, now: int = 0) -> int:
    """Take `count` samples, flush each time that is due; returns the time then."""
    for _ in range(count):
        now += 10 * SECOND
        outbox.add_sample(now, {"cpu": 12.5, "free": 4096}, now)
        if (due := outbox.flush_due(now)) is not None and due <= now:
            run(outbox.flush())
    return now


def drained(outbox: Outbox, now: int = 0) -> dict[str, list[int]]:
    """The numbers that are to be sent, by stream."""
    found: dict[str, list[int]] = {TELEMETRY: [], EVENT: []}
    while (record := outbox.next(now)) is not None:
        found[record.stream].append(record.seq)
    return found


def test_the_newest_segment_may_be_torn_at_every_byte(
    reopen: Callable[[], Logs], eighth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is torn by hand: no need to wait for the disk a few thousand times.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    fill(outbox_on(reopen()), 16)
    path = eighth.with_name(eighth.name.replace("8", "0"))
    whole = path.read_bytes()
    others = {file: file.read_bytes() for file in path.parent.glob("[!.]*")}
    last = 0
    for length in range(len(whole) + 1):
        for file in path.parent.glob("[!.]*"):
            file.unlink()
        for file, data in others.items():
            file.write_bytes(data)
        path.write_bytes(whole[:length])
        outbox = outbox_on(reopen())
        kept = drained(outbox)[TELEMETRY]
        assert kept == list(range(len(kept))) and last <= len(kept) <= 16
        last = len(kept)
        number = outbox.add_sample(0, {}, 0)
        assert number >= len(kept)
        # Also what is written behind the torn tail is found again.
        run(outbox.flush(final=True))
        assert drained(outbox_on(reopen()))[TELEMETRY] == [*kept, number]
    assert last >= 14


def test_what_is_closed_holds_no_file_open(reopen: Callable[[], Logs]) -> None:
    before = open_files()
    outbox = outbox_on(reopen())
    fill(outbox, 16)
    assert drained(outbox)[TELEMETRY]
    for _ in range(10):
        assert drained(outbox_on(reopen()))[TELEMETRY]
    logs = reopen()
    getattr(logs, "close", int)()
    assert open_files() == before


def open_files() -> int:
    """How many this process has open, what has gone without being closed not counted."""
    gc.collect()
    return len(os.listdir("/dev/fd"))


def test_a_long_absence_stays_within_bounds(reopen: Callable[[], Logs], eighth: Path) -> None:
    outbox = outbox_on(reopen())
    now = fill(outbox, 400)
    files = list(eighth.parent.glob(eighth.name.replace("8", "*")))
    assert sum(file.stat().st_size for file in files) <= 8192 + 2048
    run(outbox.flush(final=True))
    gaps = outbox.gaps()
    kept = drained(outbox_on(reopen()), now)[TELEMETRY]
    assert kept == sorted(set(kept)) and kept[-1] == 399
    assert len(kept) + sum(gap.count for gap in gaps) == 400
