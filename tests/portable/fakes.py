"""The ports without hardware, for tests on both interpreters: virtual time, memory, and scripts."""

import asyncio

from pairlet.core.errors import BrokerError, StoreError, TransportError
from pairlet.core.mqtt import DISCONNECTED, MESSAGE, Event
from pairlet.core.wall import FLOOR, SYNCED, Wall


class VirtualClock:
    """Time that stands still while anybody works and jumps to the next alarm when all wait."""

    def __init__(self, now=1000, wall=None, boot="one"):
        self.time = now
        self._boot = boot
        self._began = now
        self._wall = wall or Wall(SYNCED, 1_750_000_000)
        self._sleepers = []
        self.learned = []

    def now(self):
        return self.time

    def boot_id(self):
        return self._boot

    def set_wall(self, wall):
        """Somebody sets the calendar."""
        self._wall = wall
        self._began = self.time

    def wall(self):
        if self._wall.seconds is None:
            return self._wall
        return Wall(self._wall.state, self._wall.seconds + (self.time - self._began) // 1000)

    def learn(self, seconds):
        self.learned.append(seconds)
        wall = self.wall()
        if wall.state != SYNCED and (wall.seconds is None or wall.seconds < seconds):
            self.set_wall(Wall(FLOOR, seconds))

    async def sleep_until(self, until):
        if until <= self.time:
            await asyncio.sleep(0)
            return
        sleeper = (until, asyncio.Event())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    def alarm(self, ring, until):
        async def wait():
            await self.sleep_until(until)
            ring()

        return asyncio.create_task(wait())

    async def drive(self, coroutine, until=None):
        """Run `coroutine` to its end, or cancel it when the clock reaches `until`; return its result."""
        outcome = []
        task = asyncio.create_task(_caught(coroutine, outcome))
        while not outcome:
            # Enough turns of the loop for a chain of wake-ups: nothing here waits for the outside.
            for _ in range(40):
                await asyncio.sleep(0)
            if outcome:
                break
            alarm = min([sleeper[0] for sleeper in self._sleepers]) if self._sleepers else None
            if until is not None and (alarm is None or alarm > until):
                self.time = until
                task.cancel()
                await task
                return None
            assert alarm is not None, "nobody will ever wake: a deadlock"
            self.time = max(self.time, alarm)
            for sleeper in self._sleepers:
                if sleeper[0] <= self.time:
                    sleeper[1].set()
        value, error = outcome[0]
        if error is not None:
            raise error
        return value


async def _caught(coroutine, outcome):
    # MicroPython reports a task that ends with an exception before anybody awaits it.
    try:
        outcome.append((await coroutine, None))
    except asyncio.CancelledError:
        outcome.append((None, None))
    except Exception as error:
        outcome.append((None, error))


class ScriptedHttp:
    """Asks `answer(request)` for each Response; an exception it returns is raised instead."""

    def __init__(self, clock, answer, latency_ms=0):
        self.clock = clock
        self.answer = answer
        self.latency_ms = latency_ms
        self.needs_room = False
        self.log = []

    async def exchange(self, request):
        began = self.clock.now()
        await self.clock.sleep_until(began + self.latency_ms)
        result = self.answer(request)
        self.log.append((began, self.clock.now(), request))
        if isinstance(result, Exception):
            raise result
        return result


class PowerCut(Exception):
    """The power went. What is in the store stays, everything else is gone."""


class MemoryStore:
    """Values in a dict, which several stores may share as processes share a disk.

    `broken` names values that can't be saved. `cut`: the number of the write (save, delete or
    set_aside, from 0) at which the power goes; with `cut_after` just after it took effect, else before.
    """

    is_shared = True

    def __init__(self, values=None):
        self.values = values or {}
        self.broken = ()
        self.history = []
        self.cut = None
        self.cut_after = False
        self.writes = 0
        self._lock = asyncio.Lock()
        self._claims = []

    def load(self, name):
        return self.values.get(name)

    def save(self, name, value):
        self._write(self._save, name, value)

    def delete(self, name):
        self._write(self.values.pop, name, None)

    def set_aside(self, name):
        place = name + ".corrupt-1"
        self._write(self._move, name, place)
        return place

    def lock(self):
        return self._lock

    def _save(self, name, value):
        if name in self.broken:
            raise StoreError("the disk is full")
        self.history.append((name, value))
        self.values[name] = bytes(value)

    def _move(self, name, place):
        self.values[place] = self.values.pop(name)

    def _write(self, change, name, value):
        number = self.writes
        self.writes += 1
        if self.cut is not None and (number > self.cut or (number == self.cut and not self.cut_after)):
            raise PowerCut()
        change(name, value)
        if number == self.cut:
            raise PowerCut()

    def claim(self, name):
        if name in self._claims:
            return False
        self._claims.append(name)
        return True

    def release(self, name):
        if name in self._claims:
            self._claims.remove(name)


class RecordingDisplay:
    """Keeps every screen."""

    def __init__(self):
        self.screens = []
        self.closed = False

    def show(self, screen):
        self.screens.append(screen)

    def close(self):
        self.closed = True

    def kinds(self):
        """The kinds in order, each run of the same one once."""
        kinds = []
        for screen in self.screens:
            if not kinds or kinds[-1] != screen.kind:
                kinds.append(screen.kind)
        return kinds


class CountingEntropy:
    """Bytes that differ from call to call and never from run to run."""

    def __init__(self):
        self._next = 1

    def random_bytes(self, count):
        data = bytes([(self._next + index) & 255 for index in range(count)])
        self._next += count
        return data


class FixedSensors:
    """The same sample each time."""

    def __init__(self, values):
        self.values = values

    async def read(self):
        return dict(self.values)


class ManualButton:
    """A button that a test presses."""

    advice = "Press the button for a code."

    def __init__(self):
        self._press = asyncio.Event()

    def press(self):
        self._press.set()

    async def pressed(self):
        self._press.clear()
        await self._press.wait()


class MemoryBroker:
    """A broker and the port Mqtt in one: keeps what is published, checks the password, can break.

    check(credentials) -> CONNACK code; accepts(message) -> PUBACK reason code, None to end the connection
    over it. While `silent` nothing is answered. An answer to what was sent takes `latency_ms` of `clock`.
    `lasts_ms`: after which time each connection is cut, 0: never. `journal` holds ("connect", username),
    ("publish", topic_name, payload), ("will", ...), ("disconnect",).
    """

    window = 20
    lasts_ms = 0

    def __init__(self, check=None, accepts=None, clock=None, latency_ms=0):
        self._clock = clock
        self.latency_ms = latency_ms
        self.check = check or (lambda credentials: 0)
        self.accepts = accepts or (lambda message: 0)
        self.journal = []
        self.retained = {}
        self.passwords = []
        self.subscribed = []
        self.connected = False
        self.silent = False
        self._silence = asyncio.Event()
        self._connection = 0
        self._sending = []
        self._is_taking = False
        self.most_under_way = 0
        self._will = None
        self._events = []
        self._wake = asyncio.Event()

    async def connect(self, credentials, will):
        await asyncio.sleep(0)
        code = self.check(credentials)
        if isinstance(code, Exception):
            raise code
        if code:
            raise BrokerError("the broker refused the connection", code)
        self.journal.append(("connect", credentials.username))
        self.passwords.append(credentials.token())
        self.connected = True
        self._connection += 1
        self._will = will
        self._events = []
        if self.lasts_ms:
            asyncio.create_task(self._cut(self._connection))
        return False

    async def _cut(self, connection):
        await self._clock.sleep_until(self._clock.now() + self.lasts_ms)
        if self.connected and connection == self._connection:
            self.kick()

    async def publish(self, message):
        await asyncio.sleep(0)
        if not self.connected:
            raise TransportError("there is no connection to the broker")
        code = self.accepts(message)
        if code is None:
            self.kick()
            raise TransportError("the connection was lost")
        self._keep(message, code)
        return code

    def _keep(self, message, code):
        if code < 0x80 and message.topic_name in self.subscribed:
            self.deliver(message)
        if code < 0x80:
            self.journal.append(("publish", message.topic_name, message.payload))
            if message.retain:
                self.retained[message.topic_name] = message.payload

    def room(self):
        under_way = [sent for sent in self._sending if sent[2] == self._connection]
        return max(0, self.window - len(under_way)) if self.connected else 0

    def send(self, message, settle):
        sent_at = self._clock.now() if self._clock else 0
        self.most_under_way = max(self.most_under_way, self.window - self.room() + 1)
        self._sending.append((message, settle, self._connection, sent_at))
        if not self._is_taking:
            self._is_taking = True
            asyncio.create_task(self._take())

    async def _take(self):
        """Take what was sent, one message after the other."""
        await asyncio.sleep(0)
        while self._sending:
            message, settle, connection, sent_at = self._sending[0]
            if self.latency_ms and connection == self._connection:
                until = sent_at + self.latency_ms
                if until > self._clock.now():
                    await self._clock.sleep_until(until)
            while self.silent and self.connected and connection == self._connection:
                await self._silence.wait()
            if not self.connected or connection != self._connection:
                self._sending.pop(0)
                settle(None)
                continue
            code = self.accepts(message)
            if code is None:
                self.kick()
                continue
            self._keep(message, code)
            self._sending.pop(0)
            settle(code)
        self._is_taking = False

    async def subscribe(self, topic_filter, qos):
        await asyncio.sleep(0)
        if not self.connected:
            raise TransportError("there is no connection to the broker")
        self.subscribed.append(topic_filter)
        return qos

    def deliver(self, message):
        """A message for the client."""
        self._events.append(Event(MESSAGE, message, None, None))
        self._wake.set()

    def speak(self):
        """End the silence."""
        self.silent = False
        self._silence.set()

    async def next_event(self):
        while not self._events:
            self._wake.clear()
            await self._wake.wait()
        return self._events.pop(0)

    async def disconnect(self):
        if self.connected:
            self.journal.append(("disconnect",))
        self.connected = False
        self._silence.set()
        self._silence.clear()
        self._will = None

    def kick(self, reason="the connection was lost", reason_code=None):
        """End the connection from the broker's side: the will is published."""
        self.connected = False
        self._silence.set()
        self._silence.clear()
        if self._will is not None:
            self.journal.append(("will", self._will.topic_name, self._will.payload))
            if self._will.retain:
                self.retained[self._will.topic_name] = self._will.payload
            self._will = None
        self._events.append(Event(DISCONNECTED, None, reason, reason_code))
        self._wake.set()
