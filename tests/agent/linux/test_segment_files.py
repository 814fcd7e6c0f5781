"""The outbox on SegmentFolder: a kill, a fault and a power cut at every system call of a life."""

import asyncio
import errno
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from pairlet.core.errors import StoreError
from pairlet.core.outbox import TELEMETRY, Bounds, Outbox
from pairlet.linux.segment_files import SegmentFolder
from support.system_calls import Disk, Faults, Killed

SECOND = 1000
# Small, so that a short life begins files, appends to them, merges two, drops the oldest and removes some.
BOUNDS = Bounds(4500, 2000, 1 << 40, 10 * SECOND, 8)


class Life:
    """An outbox that takes samples, sends some, and flushes; `safe`: the numbers that must outlive it.

    `mark(life)` is called whenever `safe` has changed.
    """

    def __init__(self, folder: Path, number: int = 0, mark: "object" = None):
        self.logs = SegmentFolder(folder, writes=True)
        self.mark = mark if callable(mark) else lambda life: None
        self.now = 1000 * SECOND * number
        self.safe: set[int] = set()
        self.taken: set[int] = set()
        self.pending: set[int] = set()  # taken, and neither safe nor gone
        self.used = -1  # the highest number that left the device
        self.troubles: list[StoreError] = []
        self.outbox: Outbox | None = None

    def start(self) -> Outbox:
        self.outbox = Outbox(BOUNDS, self.logs)
        asyncio.run(self.flush())
        return self.outbox

    async def flush(self, final: bool = False) -> None:
        assert self.outbox is not None
        try:
            await self.outbox.flush(final=final)
            self.safe |= self.pending
            self.pending = set()
        except StoreError as error:
            self.troubles.append(error)
        for gap in self.outbox.gaps():
            if gap.stream == TELEMETRY:
                self.let_go(range(gap.first, gap.last + 1))
        self.mark(self)

    def let_go(self, numbers: "range | list[int]") -> None:
        """These need not be there any more."""
        self.safe -= set(numbers)
        self.pending -= set(numbers)

    def take(self, count: int) -> None:
        assert self.outbox is not None
        for _ in range(count):
            self.now += SECOND
            value = len(self.taken) * 7919 % 1000
            seq = self.outbox.add_sample(self.now, {"value": value, "pad" * (value % 7 + 1): 1}, self.now)
            assert seq not in self.taken
            self.taken.add(seq)
            self.pending.add(seq)

    def send(self, count: int, acknowledge: bool) -> None:
        """Send `count` records, acknowledge all that are under way if so."""
        assert self.outbox is not None
        self.now += 2 * SECOND
        for _ in range(count):
            record = self.outbox.next(self.now)
            if record is None:
                break
            if record.stream == TELEMETRY:
                self.used = max(self.used, record.seq)
            if acknowledge:
                # It need not be there any more from before the broker has it on.
                if record.stream == TELEMETRY:
                    self.let_go([record.seq])
                    self.mark(self)
                self.outbox.acknowledge(record)

    def live(self, flushes: int = 20, final: bool = True) -> None:
        """All that an outbox does to a disk."""
        self.start()
        if any("look into" in str(trouble) for trouble in self.troubles):
            return  # this one has no disk until its end
        for step in range(flushes):
            self.take(5)
            if step % 6 == 3:
                self.send(4, step % 4 == 1)
            if step == 17:
                assert self.outbox is not None
                self.outbox.interrupted(self.now)
            asyncio.run(self.flush())
        if final:
            self.send(12, True)
            asyncio.run(self.flush(final=True))

    def end(self) -> None:
        """The process is gone."""
        self.logs.close()


def found_in(folder: Path) -> "tuple[list[int], set[int], int]":
    """What the next start sends, which numbers had to go for want of room, and the next sample's number."""
    life = Life(folder)
    outbox = life.start()
    assert life.troubles == []
    numbers: list[int] = []
    gone: set[int] = set()
    while (record := outbox.next(0)) is not None:
        message = json.loads(record.payload)  # nothing is torn
        if record.stream == TELEMETRY:
            assert set(message) == {"t", "seq", "v", "historical"} and len(message["v"]) == 2
            numbers.append(message["seq"])
        elif message["stream"] == TELEMETRY and message["reason"] in ("thinned", "no room"):
            gone.update(range(message["from"], message["to"] + 1))
        outbox.acknowledge(record)
    number = outbox.add_sample(0, {}, 0)
    life.end()
    return numbers, gone, number


def judge(life: "Life | SimpleNamespace", words: object, folder: "Path | None" = None) -> None:
    """Open the log anew: what was safe is there or had to go, with a word; in order; none comes again."""
    numbers, gone, number = found_in(folder or Path(life.logs.path))
    assert numbers == sorted(set(numbers)), words
    assert set(numbers) <= life.taken, (words, set(numbers) - life.taken)
    missing = life.safe - set(numbers) - gone
    assert not missing, (words, sorted(missing), numbers, gone)
    assert number > max([life.used, *numbers]), words


def unsynced(patch: pytest.MonkeyPatch) -> None:
    """What was written is there as long as the machine runs: no need to wait for the disk."""
    patch.setattr(os, "fsync", lambda descriptor: None)
    patch.setattr(os, "fdatasync", lambda descriptor: None)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the log of a life that ended without a word: merged files, and some were removed."""
    folder = tmp_path_factory.mktemp("before") / "outbox"
    with pytest.MonkeyPatch.context() as patch:
        unsynced(patch)
        life = Life(folder)
        life.live(30, final=False)
    life.end()
    numbers = sorted(int(path.suffix[1:]) for path in folder.glob("telemetry.*"))
    assert numbers[0] > 8 and any(number % 8 for number in numbers), numbers
    return folder


def copied(before: Path, folder: Path) -> Life:
    """A life that goes on with the log in `before`, in `folder`."""
    shutil.copytree(before, folder)
    life = Life(folder, 1)
    life.taken = set(range(150))
    return life


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, before: Path) -> int:
    """How many system calls a life takes."""
    life = copied(before, tmp_path_factory.mktemp("clean") / "outbox")
    with pytest.MonkeyPatch.context() as patch:
        unsynced(patch)
        faults = Faults(patch)
        life.live()
    life.end()
    return faults.count


def test_a_kill_at_any_system_call(tmp_path: Path, before: Path, steps: int) -> None:
    numbers, gone, _ = found_in(shutil.copytree(before, tmp_path / "outbox"))
    for step in range(1, steps + 1):
        life = copied(before, tmp_path / str(step))
        life.safe = set(numbers)
        with pytest.MonkeyPatch.context() as patch:
            unsynced(patch)
            faults = Faults(patch, step)
            with pytest.raises(Killed):
                life.live()
        life.end()
        judge(life, (step, faults.failed))
        shutil.rmtree(life.logs.path)
    assert steps > 300


def test_a_fault_at_any_system_call(tmp_path: Path, before: Path, steps: int) -> None:
    told = 0
    for step in range(1, steps + 1):
        error = (errno.EIO, errno.ENOSPC)[step % 2]
        life = copied(before, tmp_path / str(step))
        with pytest.MonkeyPatch.context() as patch:
            unsynced(patch)
            faults = Faults(patch, step, error)
            life.live()
            life.end()
        for trouble in life.troubles:
            assert os.strerror(error) in str(trouble) and trouble.advice, trouble
        told += len(life.troubles)
        assert len(life.troubles) <= 1
        assert faults.open == 0, (step, faults.failed)
        judge(life, (step, faults.failed))
        shutil.rmtree(life.logs.path)
    assert told > steps // 2


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.glob("[!.]*")}


def judge_cuts(disk: Disk, lengths: "range | list[int]", content: dict[str, bytes], life: Life) -> int:
    """Judge every content that a cut after so many calls may leave; return how many there were."""
    seen = set()
    image = Path(life.logs.path + "-image")
    for length in lengths:
        marks = [step for step in disk.journal[:length] if step[0] == "mark"]
        safe, used = marks[-1][1:] if marks else (set(), -1)
        for outcome in disk.outcomes(length, content):
            key = hash((len(marks), *sorted(outcome.items())))
            if key in seen:
                continue
            seen.add(key)
            image.mkdir(mode=0o700)
            for path, data in outcome.items():
                (image / Path(path).name).write_bytes(data)
            state = SimpleNamespace(safe=safe, used=used, taken=life.taken)
            judge(state, (length, disk.journal[max(0, length - 3) : length]), image)
            shutil.rmtree(image)
    return len(seen)


def test_a_power_cut_at_any_system_call(tmp_path: Path, before: Path) -> None:
    life = copied(before, tmp_path / "outbox")
    content = contents(before)
    content = {path.replace(str(before), life.logs.path): data for path, data in content.items()}
    with pytest.MonkeyPatch.context() as patch:
        unsynced(patch)
        life.safe = set(found_in(shutil.copytree(before, tmp_path / "copy"))[0])
        disk = Disk(patch, Path(life.logs.path))
        disk.journal.append(("mark", set(life.safe), life.used))
        life.mark = lambda life: disk.journal.append(("mark", set(life.safe), life.used))
        life.live()
    life.end()
    assert sorted(path for path in contents(Path(life.logs.path))) == sorted(
        next(iter(disk.outcomes(len(disk.journal), content)))
    )
    with pytest.MonkeyPatch.context() as patch:
        unsynced(patch)
        assert judge_cuts(disk, range(len(disk.journal) + 1), content, life) > 140


def test_a_power_cut_after_a_kill(tmp_path: Path) -> None:
    # The name of a file that the killed one began need not be on the disk, and the next one appends to it.
    images = 0
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        folder.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            unsynced(patch)
            disk = Disk(patch, folder)
            killed = False
            for process in range(2):
                life = Life(folder, process)
                with pytest.MonkeyPatch.context() as inner:
                    Faults(inner, step if process == 0 else -1)
                    try:
                        life.start()
                        life.taken = set(range(1000)) if process else life.taken
                        asyncio.run(append(life))
                    except Killed:
                        killed = True
                life.end()
            disk.journal.append(("mark", set(life.safe), life.used))
            images += judge_cuts(disk, [len(disk.journal)], {}, life)
        if not killed:
            break
    assert step > 20 and images >= step


async def append(life: Life) -> None:
    for _ in range(3):
        life.now += SECOND
        number = life.outbox.add_sample(life.now, {"value": 1, "pad": 2}, life.now)  # type: ignore[union-attr]
        life.pending.add(number)
        await life.flush()
