"""A link to a broker in memory, in virtual time, for tests on both interpreters."""

import asyncio
import json

from fakes import CountingEntropy, MemoryBroker, VirtualClock
from pairlet.core.outbox import Outbox
from pairlet.core.secret import Secret
from pairlet.core.telemetry import Topics
from pairlet.core.token import Token
from pairlet.link import Link
from pairlet.login import make_login
from pairlet.settings import Settings

SECOND, MINUTE, HOUR = 1000, 60000, 3600000


class Keeper:
    """Hands out token-1, token-2 ...; `works`: whether the server has another one when asked."""

    def __init__(self, clock, expires_in=None):
        self._clock = clock
        self._expires_in = expires_in
        self.works = True
        self.asked = []  # when renew() was called
        self.token = None
        self.next()

    def next(self):
        """Another token."""
        number = 1 if self.token is None else int(self.token.access_token.reveal()[6:]) + 1
        ends_at = None if self._expires_in is None else self._clock.now() + 1000 * self._expires_in
        self.token = Token(Secret("token-%d" % number), expires_in=self._expires_in, expires_at=ends_at)

    def is_usable(self):
        remaining_ms = self.token.remaining_ms(self._clock.now())
        return remaining_ms is None or remaining_ms > 0

    def worked(self, token):
        pass


class LinkRig:
    """One link with everything around it in memory. `story` is a coroutine that runs beside it."""

    def __init__(self, expires_in=None, downlink=None, echo_every=0, outbox=None, **broker):
        self.clock = VirtualClock()
        broker.setdefault("latency_ms", 20)
        self.broker = MemoryBroker(clock=self.clock, **broker)
        self.outbox = outbox or Outbox(1000000)
        self.keeper = Keeper(self.clock, expires_in)
        self.events = []
        self.link = Link(
            self.broker,
            Topics("devices/{device_id}", "d1"),
            make_login(Settings({"mqtt.topic_prefix": "devices/{device_id}"}), "d1"),
            self.outbox,
            self.keeper,
            self.clock,
            CountingEntropy(),
            self._hear,
            self._renew,
            echo_every=echo_every,
            downlink=downlink,
        )

    def _hear(self, event, **fields):
        self.events.append((event, fields))

    async def _renew(self):
        self.keeper.asked.append(self.clock.now())
        if self.keeper.works:
            self.keeper.next()
            self.link.token_renewed()

    def measure(self, count):
        """Add `count` samples; their value is their number."""
        for _ in range(count):
            self.outbox.add_sample(None, {"x": 1}, self.clock.now())
        self.link.outbox_filled()

    def run(self, until, story=None):
        """Run the link until `until` (ms of its clock) beside `story`, then close it."""

        async def both():
            tasks = [asyncio.create_task(self.link.run())]
            if story is not None:
                tasks.append(asyncio.create_task(story))
            await self.clock.sleep_until(until)
            for task in tasks:
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    pass
            await self.link.close()

        asyncio.run(self.clock.drive(both()))

    def told(self, event):
        """The fields of all events of that name."""
        return [fields for name, fields in self.events if name == event]

    def reasons(self):
        """Why connections ended."""
        return [fields["reason"] for fields in self.told("mqtt_disconnected")]

    def errors(self):
        """What was told of errors."""
        return [fields["error_description"] for fields in self.told("error")]

    def payloads(self, name="telemetry"):
        """What reached the broker, parsed."""
        topic = ("publish", "devices/d1/" + name)
        return [json.loads(entry[2]) for entry in self.broker.journal if entry[:2] == topic]

    def seqs(self, name="telemetry"):
        """The numbers that reached the broker, in order."""
        return [payload["seq"] for payload in self.payloads(name)]

    def statuses(self):
        """What the retained status said, wills included."""
        place = "devices/d1/status"
        return [entry[2] for entry in self.broker.journal if len(entry) == 3 and entry[1] == place]


def seq_of(message):
    """The number of a sample, None for other messages."""
    return json.loads(message.payload)["seq"] if message.topic_name.endswith("/telemetry") else None
