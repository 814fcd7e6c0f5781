"""The board's MQTT client doing what it is told, by whatever interpreter runs this file.

`mqtt_device.py JOB`: JOB is a file with one JSON object: `url`, `ca` (a path or null), `client_id`,
`keep_alive` in seconds, `republish`, `will` (a topic name or null) and `steps`, each a list of a verb of
Device and its arguments. Prints one JSON object a line, as the steps are done: what came of each.
"""

import asyncio
import gc
import json
import os
import sys

from pairlet.core.errors import PairletError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet_board import mqtt_packets as packets
from pairlet_board import tls
from pairlet_board.mqtt import BoardMqtt
from pairlet_board.mqtt_session import Session

try:
    from time import ticks_ms
except ImportError:
    from time import monotonic

    def ticks_ms():
        """Milliseconds that only grow, as boards have them."""
        return int(monotonic() * 1000)


class Clock:
    """As much of a Clock as the client needs."""

    def now(self):
        """Milliseconds that only grow."""
        return ticks_ms()

    async def sleep_until(self, until):
        """Return at `until`."""
        await asyncio.sleep(max(0, until - self.now()) / 1000)


class Device:
    """One client; each public method is a verb and returns what the host is told."""

    def __init__(self, job):
        context = None
        if job["ca"]:
            with open(job["ca"], "rb") as file:
                context = tls.context(file.read())
        self._job = job
        self._next = 0
        self._session = Session(job["client_id"], job["keep_alive"], republish=job["republish"])
        self._mqtt = BoardMqtt(self._session, job["url"], Clock(), context=context, insecure=True)

    async def connect(self, password="good-token"):
        """session_present."""
        topic_name = self._job["will"]
        will = Message(topic_name, b"offline", 1, True) if topic_name else None
        return await self._mqtt.connect(Credentials("device", Secret(password)), will)

    async def connect_at_last(self):
        """Like connect, as often as it takes."""
        while True:
            try:
                return await self.connect()
            except PairletError:
                await asyncio.sleep(0.02)

    async def publish(self, topic_name, payload, qos, retain):
        """The reason code."""
        return await self._mqtt.publish(Message(topic_name, payload.encode(), qos, retain))

    async def publish_size(self, topic_name, size, qos):
        """The reason code for `size` bytes, which count upwards and begin anew after 251."""
        payload = bytearray(size)
        for at in range(size):
            payload[at] = at % 251
        return await self._mqtt.publish(Message(topic_name, payload, qos, False))

    async def publish_many(self, topic_name, count, qos, size):
        """`count` messages from ten publishers, each beginning with its number; how many were refused."""
        self._next = 0
        publishers = [self._publisher(count, topic_name, qos, size) for _ in range(10)]
        return sum(await asyncio.gather(*publishers))

    async def _publisher(self, count, topic_name, qos, size):
        refused = 0
        while self._next < count:
            payload = bytearray(size)
            head = b"%d " % self._next
            payload[: len(head)] = head
            self._next += 1
            refused += await self._mqtt.publish(Message(topic_name, payload, qos, False)) != 0
        return refused

    async def subscribe(self, topic_filter, qos):
        """The granted qos."""
        return await self._mqtt.subscribe(topic_filter, qos)

    async def unsubscribe(self, topic_filter):
        """Through the session: the port has no such method."""
        delivery = self._session.send(packets.unsubscribe(topic_filter))
        return await self._mqtt._outcome(delivery.parts)

    async def event(self):
        """Kind, payload and reason of the next event."""
        event = await self._mqtt.next_event()
        payload = event.message.payload.decode() if event.message else None
        return [event.kind, payload, event.reason]

    async def disconnect(self):
        """What is left of it: state."""
        await self._mqtt.disconnect()
        return self._session.state

    async def usage(self):
        """Open descriptors and bytes of heap in use."""
        for _ in range(3):
            await asyncio.sleep(0)  # CPython closes a socket some turns later
        gc.collect()
        heap = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
        return [len(os.listdir("/proc/self/fd")), heap]


async def main(path):
    """Do the steps of the job in the file `path`."""
    with open(path) as file:
        job = json.load(file)
    device = Device(job)
    for verb, *arguments in job["steps"]:
        try:
            said = {"step": verb, "answer": await getattr(device, verb)(*arguments)}
        except PairletError as error:
            said = {"step": verb, "error": type(error).__name__, "message": str(error)}
        print(json.dumps(said))
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
    await device.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
