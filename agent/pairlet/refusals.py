"""What becomes of records that a broker does not take. Read in with the first of them: they are rare."""

from .core.backoff import Backoff
from .core.errors import BrokerError
from .core.mqtt_reasons import reason_text
from .core.outbox import EVENT
from .core.suspects import Suspects
from .events import tell_error, tell_gaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.outbox import Outbox, Record
    from .core.telemetry import Topics
    from .events import Emit

# MQTT 5: topic name invalid, packet too large, payload format invalid. Trying again changes nothing.
_UNFIT = (0x90, 0x95, 0x99)
_FORBIDDEN = 0x87
_QUOTA = 0x97
# How often in a row a record is sent again that is refused for another reason.
_TRIES = 6


class Refusals:
    """Decides whether a record that was refused is sent again, when, and when it is set aside."""

    def __init__(self, topics: "Topics", outbox: "Outbox", seed: bytes, emit: "Emit"):
        self.suspects = Suspects()
        # That another token may mend; it was raised by take().
        self.refusal: BrokerError | None = None
        # The record that was refused with 0x87, with the token before this one.
        self.forbidden: tuple[str, int] | None = None
        self._topics = topics
        self._outbox = outbox
        self._emit = emit
        self._slow = Backoff(1000, 60000, seed)
        self._tried: tuple[str, int] | None = None  # the last record that was refused
        self._tries = 0  # and how often in a row
        self._told: list[str] = []

    def is_one_by_one(self) -> bool:
        """Whether records are to be sent one at a time."""
        return self.forbidden is not None or self.suspects.is_alone()

    def is_final(self, record: "Record", code: int) -> bool:
        """Whether the record will not be sent again, whatever becomes of those behind it; it is set aside."""
        if code in _UNFIT or (code == _FORBIDDEN and record.stream == EVENT and self._is_barred(record)):
            self._give_up(record, code)
            return True
        return False

    def take(self, record: "Record", code: int) -> int:
        """The first of those refused: how long to pause (ms) before it is sent again, 0: it is set aside.

        Raises BrokerError, and keeps it in `refusal`, when another token is to be tried.
        """
        topic_name = topic_of(self._topics, record)
        key = (record.stream, record.seq)
        is_barred = self._is_barred(record)
        if code == _FORBIDDEN and self.forbidden != key and not is_barred:
            self.forbidden = key
            self.tell(topic_name, code)
            self.refusal = refusal(topic_name, code)
            raise self.refusal
        # With a whole stream barred, somebody will have to mend the broker: all of it waits for that.
        is_patient = code == _QUOTA or (code == _FORBIDDEN and is_barred)
        self._tries = 0 if is_patient else self._tries + 1 if key == self._tried else 1
        self._tried = key
        if (code == _FORBIDDEN and not is_patient) or self._tries >= _TRIES:
            self._give_up(record, code)
            self.forbidden, self._tries = None, 0
            return 0
        self.tell(topic_name, code)
        return self._slow.delay_ms()

    def acknowledged(self, record: "Record") -> None:
        """The broker took it."""
        if self.forbidden == (record.stream, record.seq):
            self.forbidden = None
        self.suspects.acknowledged(record)

    def all_is_well(self) -> None:
        """Many were taken in a row: the next trouble is news again."""
        self._slow.reset()
        self._tries, self._told = 0, []

    def ended(self, under_way: "list[Record]", at_once: bool) -> None:
        """As Suspects.ended; what that gives up is set aside."""
        record = self.suspects.ended(under_way, at_once)
        if record is not None:
            self._give_up(record, None)

    def tell(self, topic_name: str, code: int) -> None:
        """Say that a message was refused; the same for each of a thousand is one piece of news."""
        error = refusal(topic_name, code)
        if str(error) not in self._told:
            self._told.append(str(error))
            tell_error(self._emit, error)

    def _is_barred(self, record: "Record") -> bool:
        """Whether the broker seems to forbid everything of the record's stream, whatever the token."""
        return self.suspects.is_hopeless(record.stream)

    def _give_up(self, record: "Record", code: "int | None") -> None:
        topic_name = topic_of(self._topics, record)
        if code is None:
            message = f"the broker ends the connection whenever number {record.seq} of {topic_name} is sent"
            advice = f"Check that the token may publish to {topic_name}, and what the broker's log says."
            tell_error(self._emit, BrokerError(message, 0x80, advice))
        else:
            self.tell(topic_name, code)
        self._outbox.set_aside(record)
        if code not in _UNFIT:
            self.suspects.gave_up(record)
        tell_gaps(self._emit, self._outbox)


def topic_of(topics: "Topics", record: "Record") -> str:
    """The topic that a record goes to."""
    return topics.event if record.stream == EVENT else topics.telemetry


def refusal(topic_name: str, code: int) -> BrokerError:
    """The error for a message that the broker refused."""
    return BrokerError(f"the broker refused a message to {topic_name}: {reason_text(code)}", code)
