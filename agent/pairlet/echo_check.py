"""Whether samples that a broker acknowledges come back from it.

With MQTT 3.1.1 a PUBACK says nothing: brokers acknowledge what they may not pass on, and drop it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.mqtt import Message
    from .core.outbox import Record

# A broker that is busy may take its time.
_LIMIT_MS = 15000
_MOST = 8


class EchoCheck:
    """Expects one of `every` samples back, of those that go to `topic_name`, which the link subscribes to."""

    def __init__(self, topic_name: str, every: int):
        self.topic_name = topic_name
        self.is_subscribed = False
        # Whether the last one that was expected did not come.
        self.has_failed = False
        self._every = every
        self._count = 0
        self._expected: list[tuple[Record, int]] = []

    def sent(self, record: "Record", now: int) -> None:
        """A sample was sent."""
        self._count += 1
        if self.is_subscribed and self._count >= self._every and len(self._expected) < _MOST:
            self._count = 0
            self._expected.append((record, now))

    def heard(self, message: "Message") -> bool:
        """Whether `message` is an echo: it came in from `topic_name`."""
        if message.topic_name != self.topic_name:
            return False
        left = [entry for entry in self._expected if entry[0].payload != message.payload]
        if len(left) < len(self._expected):
            self._expected, self.has_failed = left, False
        return True

    def due(self) -> "int | None":
        """When the next echo is late (ms of the clock), None when none is expected."""
        return self._expected[0][1] + _LIMIT_MS if self._expected else None

    def missed(self, now: int) -> "Record | None":
        """A sample whose echo is late, and is not waited for any more."""
        due = self.due()
        if due is None or now < due:
            return None
        self.has_failed = True
        return self._expected.pop(0)[0]

    def ended(self) -> None:
        """The connection is over, and with it all that was expected."""
        self._expected, self.is_subscribed = [], False
