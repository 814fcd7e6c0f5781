"""What comes in from the broker: the part that is always there.

What a command takes (pairlet.commanding) is read in with the first one: a board forgets it again.
"""

from .core.errors import PairletError
from .events import RENEWED, tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from .agent import Agent
    from .announcing import Announcer
    from .core.mqtt import Message
    from .core.telemetry import Topics
    from .link import Link


class Downlink:
    """The hooks of a Link: `topic_filters`, receive(), news(). `link` is set by who joins the two.

    `recent`: commands of this run, the newest last, as (name, id, outcome): None while it runs, "" if it
    went well, else the error's code. `running`: names of handlers at work, in `tasks`. `parted_at`: when the
    connection before this one ended, None for the first.
    """

    def __init__(self, agent: "Agent", topics: "Topics"):
        self.agent = agent
        self.topics = topics
        self.link: Link | None = None
        self.recent: list[tuple[str, str, str | None]] = []
        self.running: list[str] = []
        self.announcer: Announcer | None = None
        self.topic_filters: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.parted_at: int | None = None
        if agent.config.texts("commands.allow") or agent.handlers is not None:
            self.topic_filters.append(topics.commands + "+")
        if agent.config.flag("homeassistant.discovery"):
            self.announcer = _announcer(self)
            self.topic_filters.append(self.announcer.births)

    # ---- the hooks of the link -------------------------------------------------------------

    async def receive(self, message: "Message") -> None:
        """Take what the broker has brought. Never raises but for a cancellation."""
        if message.topic_name.startswith(self.topics.commands):
            try:
                from .commanding import obey

                await obey(self, message)
            except MemoryError:
                tell_error(self.agent.emit, PairletError("there is not enough memory for a command"))
        elif self.announcer is not None:
            self.announcer.receive(message)

    def news(self) -> "list[Message]":
        """What to publish, retained: what Home Assistant knows the device by, as far as it is new."""
        return [] if self.announcer is None else self.announcer.news()

    def disconnected(self, reason: str) -> None:
        """The connection has ended."""
        if self.announcer is not None:
            self.announcer.disconnected()
        # When nobody noticed for a while, it was there for the last time when something was acknowledged.
        seen = None if reason == RENEWED or self.link is None else self.link.last_acknowledged_at
        self.parted_at = self.agent.ports.clock.now() if seen is None else seen


def _announcer(downlink: Downlink) -> "Announcer":
    from .announcing import Announcer  # most boards have no need of it

    return Announcer(downlink)
