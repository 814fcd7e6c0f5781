"""A device with a disk whose outbox is under test."""

import asyncio

from model_log import ModelLog
from pairlet.core.outbox import EVENT, TELEMETRY, Bounds, Outbox

SECOND = 1000
HOUR = 3600000
WALL = 1700000000000
BOUNDS = Bounds(1 << 20, 65536, 7 * 24 * HOUR, 120 * SECOND, 500)


class Device:
    """A device with a disk; `boot()` makes the outbox of its next run."""

    def __init__(self, bounds=BOUNDS, replay_rate=0):
        self.disks = {name: ModelLog() for name in (TELEMETRY, EVENT, "refused")}
        self.bounds = bounds
        self.replay_rate = replay_rate
        self.now = 0
        self.boot()

    def boot(self):
        self.outbox = Outbox(self.bounds, self.disks.__getitem__, self.replay_rate)
        self.flush()
        return self.outbox

    def flush(self, final=False):
        asyncio.run(self.outbox.flush(final=final))

    def sample(self, count=1, step_ms=10 * SECOND):
        """Take samples, and flush when that is due; return the last number."""
        seq = None
        for _ in range(count):
            self.now += step_ms
            seq = self.outbox.add_sample(WALL + self.now, {"cpu": 12.5}, self.now)
            due = self.outbox.flush_due(self.now)
            if due is not None and due <= self.now:
                self.flush()
        return seq

    def send(self, most=1 << 30, acknowledge=True):
        """Send what there is to send; return the records."""
        found = []
        while len(found) < most:
            record = self.outbox.next(self.now)
            if record is None:
                break
            found.append(record)
            if acknowledge:
                self.outbox.acknowledge(record)
        return found


def samples(records):
    return [record.seq for record in records if record.stream == TELEMETRY]
