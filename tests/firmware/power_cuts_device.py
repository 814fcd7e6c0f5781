"""Cuts the power at every write to a flash: `micropython power_cuts_device.py DISK SCENARIO`.

MicroPython code. One clean run is recorded as a journal of writes and erasures; then the flash is
rebuilt as each beginning of that journal left it, and as each last write torn in the middle left it,
and what the firmware finds there is judged. Prints one line of JSON: writes, images, told, bad, examples.
Told are those where it says that the flash takes nothing new, and loses nothing of what it has.
"""

import asyncio
import json
import os
import sys

import vfs
from pairlet.core.errors import StoreError
from pairlet.core.outbox import TELEMETRY, Bounds, Outbox
from pairlet_board.log import SegmentFiles
from pairlet_board.store import BoardStore

ROOT = "/flash"
STATE = ROOT + "/state"
LARGE = bytes([index * 7 & 255 for index in range(9000)])
TOKEN = b'{"refresh_token": "' + b"abcdefghij" * 140 + b'"}'


class Flash:
    """A block device in memory. `journal`: a list that takes (address, bytes) of each write, or None."""

    def __init__(self, block, count):
        self.block = block
        self.data = bytearray(b"\xff" * (block * count))
        self.view = memoryview(self.data)  # made once: it is read millions of times
        self.journal = None

    def readblocks(self, number, buffer, offset=0):
        start = number * self.block + offset
        buffer[:] = self.view[start : start + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        self.put(number * self.block + offset, bytes(buffer))

    def put(self, address, data):
        if self.journal is not None:
            self.journal.append((address, data))
        self.data[address : address + len(data)] = data

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // self.block
        if operation == 5:
            return self.block
        if operation == 6:
            # An erasure is a write too, one that can be cut in its middle.
            self.put(argument * self.block, b"\xff" * self.block)
        return 0


# Name to (file system, block size, blocks, files that were in the folder before). The crowded FAT's
# directory spans sectors, so that its entries are not written in one go; the full one's grows by one.
DISKS = {
    "littlefs-512": (vfs.VfsLfs2, 512, 160, 0),
    "littlefs-4096": (vfs.VfsLfs2, 4096, 32, 0),
    "fat-512": (vfs.VfsFat, 512, 256, 0),
    "fat-512-crowded": (vfs.VfsFat, 512, 256, 25),
    "fat-512-full": (vfs.VfsFat, 512, 256, 20),
}


class Plain:
    """A counter-example: one file, written over."""

    def __init__(self, folder, sync=None):
        self.folder = folder
        try:
            os.mkdir(folder)
        except OSError:
            pass

    def load(self, name):
        try:
            with open(self.folder + "/" + name, "rb") as file:
                return file.read()
        except OSError:
            return None

    def save(self, name, value):
        with open(self.folder + "/" + name, "wb") as file:
            file.write(value)


class Renamed(Plain):
    """A counter-example: a temporary file, renamed over the old one."""

    def save(self, name, value):
        super().save(name + ".tmp", value)
        os.rename(self.folder + "/" + name + ".tmp", self.folder + "/" + name)


class Fallback(Renamed):
    """A counter-example: as Renamed, and what is missing is looked for under the temporary name."""

    def load(self, name):
        value = super().load(name)
        return super().load(name + ".tmp") if value is None else value


class Values:
    """A scenario of a store: `steps` are (method, values ...); what is there is one state per step."""

    def __init__(self, before, steps, kind=BoardStore):
        self.before = before
        self.steps = steps
        self.kind = kind

    def prepare(self):
        store = self.kind(STATE, sync=None)
        store.save("other", b"not touched")
        for value in self.before:
            store.save("token", value)
        return store

    def open(self):
        return self.kind(STATE, sync=None)

    def do(self, store, step):
        getattr(store, step[0])("token", *step[1:])

    def states(self):
        """What load() gives before the first step and after each."""
        found = [self.before[-1] if self.before else None]
        return found + [step[1] if step[0] == "save" else None for step in self.steps]

    def judge(self, step, done):
        """What is wrong after a cut in `step` (or right after it, when `done`); "" if nothing is."""
        store = self.open()
        if store.load("other") != b"not touched":
            return "another value is gone"
        value = store.load("token")
        states = self.states()
        if value != states[step + 1] and (done or value != states[step]):
            return "neither old nor new: " + repr(value)[:40]
        if value is None and self.steps[step][0] == "set_aside" and not self.aside(states[step]):
            return "set aside and lost"
        return ""

    def aside(self, value):
        # Bytes: FAT can be left with names that are no text.
        for name in os.listdir(STATE.encode()):
            if name.startswith(b"token.corrupt-"):
                with open(STATE + "/" + name.decode(), "rb") as file:
                    if file.read() == value:
                        return True
        return False

    def go_on(self):
        """Work on after the cut. Values of two sizes: what was left behind must not get in the way."""
        store = self.open()
        store.save("next", TOKEN)
        store.save("token", TOKEN + b"after")
        store.save("token", b"after")

    def judge_again(self):
        store = self.open()
        found = (store.load("token"), store.load("next"), store.load("other"))
        wanted = (b"after", TOKEN, b"not touched")
        return "" if found == wanted else "went wrong afterwards: " + repr(found)[:60]


class Records:
    """A scenario of the outbox: `steps` are (samples to take, how many of all to have acknowledged)."""

    def __init__(self, steps, disk_bytes=8192):
        self.steps = steps
        self.bounds = Bounds(disk_bytes, 8192, 1 << 40, 1000, 500)
        self.taken = 0
        self.sent = 0
        self.told = ""  # what it said when it could not store anything

    def open(self):
        return Outbox(self.bounds, lambda name: SegmentFiles(STATE, name, sync=None))

    def flush(self, outbox, final=False):
        """Flush as the agent does: where that can't be, it is told, and everything goes on in memory."""
        try:
            asyncio.run(outbox.flush(final=final))
            self.told = ""
        except StoreError as error:
            self.told = str(error)

    def prepare(self):
        asyncio.run(self.open().flush(final=True))

    def add(self, outbox):
        seq = outbox.add_sample(None, {"n": self.taken, "pad": "r" * (self.taken * 13 % 50)}, 0)
        self.taken += 1
        return seq

    def do(self, outbox, step):
        if outbox._samples.seq == 0:
            self.taken = self.sent = 0  # a run from the beginning
        for _ in range(step[0]):
            self.add(outbox)
        asyncio.run(outbox.flush())
        while self.sent < step[1]:
            record = outbox.next(0)
            outbox.acknowledge(record)
            if record.stream == TELEMETRY:
                self.sent = record.seq + 1
        asyncio.run(outbox.flush())

    def states(self):
        """How many samples were taken and acknowledged before the first step and after each."""
        found = [(0, 0)]
        for count, acknowledged in self.steps:
            found.append((acknowledged, found[-1][1] + count))
        return found

    def found(self):
        """The samples that are to be sent, and the numbers of those that are told to be lost; None: torn."""
        outbox = self.open()
        self.flush(outbox)  # reserves the numbers of the events that tell of losses
        return self.sent_by(outbox)

    def sent_by(self, outbox):
        """What `outbox` sends, as found()."""
        numbers, lost = [], set()
        now = 0
        while True:
            record = outbox.next(now)
            if record is None:
                # FAT may be left with a file that can't be read to its end.
                due = outbox.due(now)
                if due is None or due <= now:
                    break
                now = due
                continue
            try:
                told = json.loads(record.payload)
            except ValueError:
                return None
            if record.stream == TELEMETRY:
                numbers.append(told["seq"])
            elif told["stream"] == TELEMETRY:
                lost.update(range(told["from"], told["to"] + 1))
        return numbers, lost

    def judge(self, step, done):
        """All that was flushed is there or told of, in order, and nothing of what nobody took."""
        found = self.found()
        if found is None:
            return "a record is torn"
        numbers, lost = found
        if numbers != sorted(set(numbers)):
            return "out of order: " + repr(numbers)
        old, new = self.states()[step : step + 2]
        if done:
            old = new
        for seq in range(new[0], old[1]):
            if seq not in numbers and seq not in lost:
                return "number %d is neither there nor told of: %r" % (seq, numbers)
        if numbers and not old[0] <= numbers[0] <= numbers[-1] < new[1]:
            return "there are %r, and not %r to %r" % (numbers, old, new)
        return ""

    def go_on(self):
        """Work on: one more sample, under a number that was never used."""
        self.kept = self.found()[0]
        outbox = self.open()
        self.flush(outbox)
        self.next = self.add(outbox)
        self.flush(outbox, final=True)
        # What could not be stored is still in memory, and is sent from there.
        self.in_memory = [seq for seq in self.sent_by(outbox)[0] if seq == self.next] if self.told else []

    def judge_again(self):
        numbers, lost = self.found() or ([], set())
        numbers += self.in_memory
        for seq in self.kept + [self.next]:
            if self.next in self.kept or (seq not in numbers and seq not in lost):
                return "went wrong afterwards: %r, %d, then %r" % (self.kept, self.next, numbers)
        return ""


SAVES = [("save", b"second, and longer than the first"), ("save", b""), ("save", TOKEN), ("save", b"4th")]
SCENARIOS = {
    "first": lambda: Values([], [("save", TOKEN)]),
    "save": lambda: Values([b"first"], SAVES),
    "large": lambda: Values([LARGE], [("save", LARGE + b"!"), ("save", b"small")]),
    "rotate": lambda: Values([TOKEN], [("save", TOKEN + b"%d" % number) for number in range(12)]),
    "delete": lambda: Values([b"first", TOKEN], [("delete",), ("save", b"again"), ("delete",)]),
    "set_aside": lambda: Values([b"first", TOKEN], [("set_aside",), ("save", b"bad"), ("set_aside",)]),
    "log": lambda: Records(
        [(3, 0), (4, 0), (5, 2), (5, 9), (0, 11), (6, 12), (1, 24), (4, 24), (0, 28), (2, 29)]
    ),
    "log full": lambda: Records([(15, 0)] * 10, 5600),
    "naive plain": lambda: Values([TOKEN], [("save", b"new" + TOKEN)], Plain),
    "naive rename": lambda: Values([TOKEN], [("save", b"new" + TOKEN), ("save", b"last")], Renamed),
    "naive fallback": lambda: Values([TOKEN], [("save", b"new" + TOKEN)] * 20, Fallback),
}


class Trial:
    """A disk with a scenario on it."""

    def __init__(self, disk, scenario):
        self.kind, block, count, self.crowd = DISKS[disk]
        self.flash = Flash(block, count)
        self.scenario = scenario
        self.images = 0
        self.told = 0
        self.bad = []
        self.last = bytearray(block * count)
        self.verdict = None

    def mounted(self, work, *values):
        """work(*values) with the flash mounted; what it raises for want of a file is its result."""
        vfs.mount(self.kind(self.flash), ROOT)
        try:
            return work(*values)
        except (OSError, StoreError) as error:
            return repr(error) + " " + str(error)
        finally:
            vfs.umount(ROOT)

    def prepare(self):
        self.kind.mkfs(self.flash)
        self.mounted(self._prepare)

    def _prepare(self):
        os.mkdir(STATE)
        for number in range(self.crowd):
            with open(STATE + "/some file %d.txt" % number, "wb") as file:
                file.write(b"crowd")
        self.scenario.prepare()

    def record(self, work, *values):
        """The journal of work(*values)."""
        self.flash.journal = journal = []
        troubles = self.mounted(work, *values)
        self.flash.journal = None
        assert troubles is None, troubles
        return journal

    def _run(self, bounds):
        subject = self.scenario.open()
        for step in self.scenario.steps:
            self.scenario.do(subject, step)
            bounds.append(len(self.flash.journal))

    def judge_image(self, image, step, done, label):
        """Judge the flash as it is in `image`: as the last one, if not a bit is another."""
        self.images += 1
        asked = (step, done)
        if self.verdict is None or self.verdict[0] != asked or self.last != image:
            self.last[:] = image
            self.verdict = (asked,) + self._judged(image, step, done)
        _, told, wrong = self.verdict
        self.told += told
        if wrong:
            self.bad.append(label + ": " + wrong)

    def _judged(self, image, step, done):
        """Judge `image`, then work on and judge again. Whether it told of a trouble, and what is wrong."""
        self.flash.data[:] = image
        wrong = self.mounted(self.scenario.judge, step, done)
        told = not wrong and bool(getattr(self.scenario, "told", ""))
        if not wrong:
            self.mounted(self.scenario.go_on)
            wrong = self.mounted(self.scenario.judge_again)
        return told, wrong

    def cuts(self):
        """Every cut of the scenario. Returns how many writes it has."""
        self.prepare()
        image = bytearray(self.flash.data)
        torn = bytearray(image)
        bounds = []
        journal = self.record(self._run, bounds)
        step = 0
        for index, (address, data) in enumerate(journal):
            while step < len(bounds) - 1 and index >= bounds[step]:
                step += 1
            for length in tears(len(data), 16 if self.kind is vfs.VfsFat else 4):
                torn[:] = image
                torn[address : address + length] = data[:length]
                self.judge_image(torn, step, False, "write %d torn at %d" % (index, length))
            image[address : address + len(data)] = data
            self.judge_image(image, step, index + 1 == bounds[step], "after write %d" % index)
        return len(journal)

    def double_cuts(self):
        """A second cut, at every write of the work after the first. Returns how many writes there were."""
        self.prepare()
        image = bytearray(self.flash.data)
        journal = self.record(self._run, [])
        count = 0
        again = bytearray(image)
        for index, (address, data) in enumerate(journal):
            again[:] = image
            again[address : address + len(data) // 2] = data[: len(data) // 2]
            count += self._second_cuts(again, "write %d torn" % index)
            image[address : address + len(data)] = data
            again[:] = image
            count += self._second_cuts(again, "after write %d" % index)
        return count

    def _second_cuts(self, image, label):
        self.flash.data[:] = image
        value = self.mounted(self._load)
        journal = self.record(self._save_again)
        for index, (address, data) in enumerate(journal):
            self.images += 1
            image[address : address + len(data)] = data
            self.flash.data[:] = image
            found = self.mounted(self._load)
            if found != b"again" and (found != value or index + 1 == len(journal)):
                self.bad.append("%s, then write %d: %r" % (label, index, found))
        return len(journal)

    def _load(self):
        return self.scenario.open().load("token")

    def _save_again(self):
        self.scenario.open().save("token", b"again")


def tears(length, parts):
    """Where a write of `length` bytes may stop: after each of `parts` parts, and where no structure ends."""
    found = {length * part // parts for part in range(1, parts)}
    return sorted((found | {min(length, length // 2 + 13)}) - {0, length})


def main(disk, name):
    """Run the scenario `name` ("twice NAME": with a second cut) on `disk`, and print what came of it."""
    twice = name.startswith("twice ")
    trial = Trial(disk, SCENARIOS[name[6:] if twice else name]())
    writes = trial.double_cuts() if twice else trial.cuts()
    counts = {"writes": writes, "images": trial.images, "told": trial.told, "bad": len(trial.bad)}
    counts["examples"] = trial.bad[:5]
    print(json.dumps(counts))


main(sys.argv[1], sys.argv[2])
