"""Telling Home Assistant about this device: what it is, which values it has, how it is."""

import asyncio
import json

from . import __version__
from .core.errors import ProtocolError, StoreError
from .core.json_object import parse
from .core.mqtt import Message
from .core.wall import SYNCED
from .drive import set_or_due
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .downlink import Downlink

# The store's name for the values that Home Assistant was told of.
STORED = "homeassistant"
# Not all there is can be read at the start: what none of so many samples holds is gone.
_SETTLED = 5
_MOST_NAMES = 64
_MOST_GONE = 32
_SAME_S = 30
_ARRIVED_MS = 30000
# The birth of one Home Assistant meets all devices of a house.
_BIRTH_MS = 10000
_MORE_NAMES_MS = 2000
_DIAGNOSTICS_MS = 300000


class Announcer:
    """Knows what Home Assistant has been told. `births`: the topic where it tells that it has started."""

    def __init__(self, downlink: "Downlink"):
        agent = downlink.agent
        self._downlink = downlink
        self._agent = agent
        self._clock = agent.ports.clock
        self._prefix = agent.config.text("homeassistant.prefix")
        self.births = agent.config.text("homeassistant.status_topic") or self._prefix + "/status"
        self._names: list[str] = []
        self._samples = 0
        # What was published, by topic name.
        self._told: dict[str, bytes] = {}
        self._told_at = 0
        # Names of the entities that there are, and that there were.
        self._kept: tuple[list[str], list[str]] | None = None
        self._ends_at: int | None = None
        self._born = False
        # When there is something to tell, and when the figures are due.
        self._due: int | None = None
        self._wake = asyncio.Event()

    def receive(self, message: Message) -> None:
        """Take a message that is no command: Home Assistant was started, perhaps."""
        # A retained one tells of a birth before our time, and whoever was born then has what we retain.
        if message.topic_name == self.births and message.payload == b"online" and not message.retain:
            self._told, self._born = {}, True
            self._tell_in(_BIRTH_MS * self._agent.ports.entropy.random_bytes(1)[0] // 255)

    def measured(self, values: "dict[str, int | float]") -> None:
        """A sample was taken. New names make new entities."""
        known = len(self._names)
        new = [name for name in values if name not in self._names]
        self._names += new[: _MOST_NAMES - known]  # a sensor that makes up names is not followed for ever
        self._samples += 1
        if len(self._names) > known or self._samples == _SETTLED:
            self._tell_in(_MORE_NAMES_MS)

    def news(self) -> "list[Message]":
        """What is to be published, retained: what it is not told yet, or not since its birth."""
        from .core import homeassistant  # a board forgets it in between

        messages = []
        for topic_name, payload in self._all():
            mark = homeassistant.mark(payload)
            if self._told.get(topic_name) != mark:
                self._told[topic_name] = mark
                self._told_at = self._clock.now()
                messages.append(Message(topic_name, payload, 1, True))
        self._agent.emit("announced", count=len(messages))
        return messages

    def _all(self) -> "list[tuple[str, bytes]]":
        from .core import homeassistant

        agent, topics = self._agent, self._downlink.topics
        link = self._downlink.link
        told = []
        names, gone = self._entities()
        device = agent.device
        if names:
            payload = homeassistant.description(
                device, __version__, topics, names, gone, agent.config.texts("commands.allow") or []
            )
            told.append((homeassistant.discovery_topic(self._prefix, device.device_id), payload))
        reconnects = 0 if link is None else link.reconnects
        figures = homeassistant.diagnostics(self._token_end(), agent.backlog(), reconnects)
        told.append((topics.diagnostics, figures))
        return told

    def _token_end(self) -> "int | None":
        """When the access token ends, as Unix time; not one second sooner or later each time."""
        wall, token = self._clock.wall(), self._agent.keeper.token
        remaining_ms = None if token is None else token.remaining_ms(self._clock.now())
        if remaining_ms is None or wall.state != SYNCED:
            return None
        ends_at: int = wall.seconds + remaining_ms // 1000
        if self._ends_at is None or abs(ends_at - self._ends_at) > _SAME_S:
            self._ends_at = ends_at
        return self._ends_at

    # ---- which entities there are ----------------------------------------------------------

    def _entities(self) -> "tuple[list[str], list[str]]":
        """Names of values that are entities, and of those that were once; kept for the next start."""
        from .core.homeassistant import is_entity

        if self._kept is None:
            self._kept = self._load()
        kept, gone = self._kept
        names = [name for name in self._names if is_entity(name)]
        if self._samples < _SETTLED:
            names += [name for name in kept if name not in names]
        names = names[:_MOST_NAMES]
        gone = [name for name in kept + gone if name not in names][:_MOST_GONE]
        if (names, gone) != self._kept:
            self._kept = (names, gone)
            try:
                record = {"names": names, "gone": gone}
                self._agent.ports.store.save(STORED, json.dumps(record).encode())
            except StoreError as error:
                tell_error(self._agent.emit, error)
        return names, gone

    def _load(self) -> "tuple[list[str], list[str]]":
        store = self._agent.ports.store
        try:
            data = store.load(STORED)
            record = {} if data is None else parse(data)
        except ProtocolError:
            store.set_aside(STORED)
            record = {}
        except StoreError as error:
            tell_error(self._agent.emit, error)
            record = {}
        return _texts(record.get("names")), _texts(record.get("gone"))

    def disconnected(self) -> None:
        """The connection has ended: what was told a moment ago may not have got there."""
        if self._clock.now() - self._told_at < _ARRIVED_MS:
            self._told = {}

    async def run(self) -> None:
        """Tell what is new. Ends only by cancellation."""
        while True:
            due = self._due
            if due is None:
                due = self._due = self._clock.now() + _DIAGNOSTICS_MS
            self._wake.clear()
            await set_or_due(self._wake, self._clock, due)
            link = self._downlink.link
            if self._clock.now() < due or link is None:
                continue
            self._due = None
            if link.connected_at is None:
                continue
            link.announce()
            if self._born:
                self._born = False
                # It does not know the values; the next sample may be an hour away.
                await self._agent.measuring.take()

    def _tell_in(self, pause_ms: int) -> None:
        at = self._clock.now() + pause_ms
        if self._due is None or at < self._due:
            self._due = at
            self._wake.set()


def _texts(value: object) -> "list[str]":
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
