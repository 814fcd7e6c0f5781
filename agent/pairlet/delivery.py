"""What goes out over one connection: records of the outbox with a window, replies, retained messages."""

import asyncio

from .core.errors import BrokerError, TransportError
from .core.mqtt import Message, is_failure
from .core.outbox import EVENT, TELEMETRY
from .core.step import Step
from .drive import set_or_due
from .events import tell_error, tell_gaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.outbox import Outbox, Record
    from .core.telemetry import Topics
    from .echo_check import EchoCheck
    from .events import Emit
    from .ports import Clock, Entropy, Mqtt
    from .refusals import Refusals

    # One that the broker has not acknowledged: the record, and when it was sent.
    Entry = tuple[Record, int]

_FORBIDDEN = 0x87
# Acknowledgements are told in bunches of this when many come.
_BUNCH = 16
# A connection that ends so soon after a message was sent may have ended for it.
_AT_ONCE_MS = 2000
_MOST = 65535
_MOST_REPLIES = 16


class Delivery:
    """Feeds `mqtt` from `outbox`, without a task or an event for each message.

    A record leaves the outbox only when it is acknowledged, or given up (see Refusals). `limit_ms`: how old
    the oldest unacknowledged message may get.
    """

    def __init__(
        self,
        mqtt: "Mqtt",
        topics: "Topics",
        outbox: "Outbox",
        clock: "Clock",
        entropy: "Entropy",
        emit: "Emit",
        limit_ms: int,
        echo: "EchoCheck | None" = None,
    ):
        self._mqtt = mqtt
        self._topics = topics
        self._outbox = outbox
        self._clock = clock
        self._emit = emit
        self._limit_ms = limit_ms
        self._echo = echo
        self._entropy = entropy
        self._trouble: Refusals | None = None
        self.replies: list[Message] = []
        self.retained: list[Message] = []
        self.last_acknowledged_at: int | None = None
        self._under_way: list[Entry] = []
        self._others: list[int] = []  # when the replies and retained messages under way were sent
        self.say_retained = Step()
        self._is_retaining = False  # a retained message is under way
        self._refused: list[tuple[Record, int]] = []  # with their reason codes; the outbox still has them
        self._window = _MOST  # how many records may be under way; the port's room counts as well
        self._acknowledged = 0  # and not told yet
        self._is_open = False
        self._paused_until: int | None = None
        self._watched_until: int | None = None
        self._attention = asyncio.Event()
        # What a settled message makes room for. No recursion: a port settles none before send() has returned.
        self._go_on = self.pump

    # ---- the connection --------------------------------------------------------------------

    def open(self) -> None:
        """There is a connection: send."""
        self._is_open = True
        trouble = self._trouble
        self._window = 1 if trouble is not None and trouble.is_one_by_one() else _MOST
        self.pump()

    def shut(self) -> None:
        """Send nothing more; what is under way may still be acknowledged."""
        self._is_open = False

    async def drained(self) -> None:
        """Until nothing is under way."""
        while self._under_way:
            self._attention.clear()
            await self._attention.wait()

    def ended(self, now: int, is_planned: bool, hung_up: bool) -> "BrokerError | None":
        """The connection is over; what was under way waits again.

        is_planned: it was ours to end, and the next one follows at once. hung_up: the broker closed it, and
        there is no other reason for that than, perhaps, what it was sent. Returns a refusal that another
        token may mend, or None.
        """
        self._is_open = False
        self._tell()
        under_way = [record for record, _ in self._under_way]
        at_once = hung_up and not self._others and not self._refused
        if self._is_retaining and hung_up and self.say_retained.ended(now):
            tell_error(self._emit, BrokerError("the broker ends the connection for a retained message", 0x80))
        if under_way and now - self._under_way[-1][1] > _AT_ONCE_MS:
            at_once = False
        # What settles these now is of no interest any more: see _settled.
        self._under_way, self._others, self._is_retaining = [], [], False
        if not is_planned:
            self.replies = []
            if self._trouble is not None or under_way:
                self._in_trouble().ended(under_way, at_once)
        if self._refused:
            try:
                self._take_refusals(now)
            except BrokerError:
                pass  # some brokers say so and hang up: it is what this returns
        if under_way:
            self._outbox.interrupted(now)
        self.retained, self._paused_until = [], None
        if self._echo is not None:
            self._echo.ended()
        if self._trouble is None:
            return None
        refusal, self._trouble.refusal = self._trouble.refusal, None
        return refusal

    @property
    def oldest_sent_at(self) -> "int | None":
        """When the oldest message that is not acknowledged was sent (ms of the clock), None without one."""
        times = self._others[:1]
        if self._under_way:
            times.append(self._under_way[0][1])
        return min(times) if times else None

    # ---- out -------------------------------------------------------------------------------

    def reply(self, message: Message) -> None:
        """Send it soon, with QoS 1. With too many waiting it is dropped."""
        if len(self.replies) < _MOST_REPLIES:
            self.replies.append(message)
            self.pump()

    def pump(self) -> None:
        """Send what may be sent now. Called whenever there may be something: this never waits."""
        if not self._is_open or self._refused or self._paused_until is not None:
            return
        now = self._clock.now()
        if (self.replies or self.retained) and not self._is_alone():
            self._pump_others(now)
        while len(self._under_way) < self._window and self._mqtt.room() > 0:
            record = self._outbox.next(now)
            tell_gaps(self._emit, self._outbox)  # what turned out to be unreadable on the way to it
            if record is None:
                self._nothing_waits(now)
                break
            self._send(record, now)
        self._watch(now)

    def _nothing_waits(self, now: int) -> None:
        due = self._outbox.due(now)
        if due is not None:
            self._watch(now, due)
        elif self._trouble is not None and not self._under_way:
            self._trouble.suspects.forget()

    def _pump_others(self, now: int) -> None:
        while self.replies and self._mqtt.room() > 0:
            self._send_other(self.replies.pop(0), now)
        # One after the other: a burst of these must not hold up what is measured.
        if self.retained and not self._is_retaining and self._mqtt.room() > 0:
            self._is_retaining = True
            self._send_other(self.retained.pop(0), now)

    def _send(self, record: "Record", now: int) -> None:
        entry = (record, now)
        self._under_way.append(entry)
        if self._echo is not None and record.stream == TELEMETRY:
            self._echo.sent(record, now)
        message = Message(self._topic_name(record), record.payload, 1, False)
        self._mqtt.send(message, lambda code: self._settled(entry, code))

    def _send_other(self, message: Message, now: int) -> None:
        self._others.append(now)
        others = self._others

        def settle(code: "int | None") -> None:
            if code is None or others is not self._others:
                return
            others.pop(0)
            if message.retain:
                self._is_retaining = False
                self.say_retained.worked()
            if is_failure(code):
                self._in_trouble().tell(message.topic_name, code)
            self._go_on()

        self._mqtt.send(message, settle)

    def _settled(self, entry: "Entry", code: "int | None") -> None:
        # With the connection everything under way is over, and ended() says what becomes of it.
        if code is None or entry not in self._under_way:
            return
        self._under_way.remove(entry)
        record = entry[0]
        if code >= 0x80:
            if not self._in_trouble().is_final(record, code):
                # What was sent behind it has its outcome first, so that all of it goes out again in order.
                self._refused.append((record, code))
        else:
            self._outbox.acknowledge(record)
            self.last_acknowledged_at = self._clock.now()
            self._acknowledged += 1
            if self._trouble is not None:
                self._trouble.acknowledged(record)
                if self._window < _MOST:
                    self._go_faster(self._trouble)
        self._go_on()
        if self._acknowledged >= _BUNCH or not self._under_way:
            self._tell()
        if not self._under_way and (self._refused or not self._is_open):
            self._attention.set()

    def _go_faster(self, trouble: "Refusals") -> None:
        if not trouble.is_one_by_one():
            self._window *= 2
        if self._window > _BUNCH:
            self._window = _MOST
            trouble.all_is_well()

    # ---- time ------------------------------------------------------------------------------

    async def attend(self) -> None:
        """Look at the clock while there is a connection. Ends by raising only.

        TransportError: the oldest message has waited for too long. BrokerError: a record was refused with a
        reason that another token may mend.
        """
        while True:
            self._attention.clear()
            now = self._clock.now()
            if self._refused and not self._under_way:
                self._take_refusals(now)
            oldest = self.oldest_sent_at
            if oldest is not None and now - oldest >= self._limit_ms:
                raise TransportError(f"the broker acknowledges nothing for {self._limit_ms // 1000} s")
            if self._paused_until is not None and now >= self._paused_until:
                self._paused_until = None
            if self._echo is not None:
                self._look_for_echo(self._echo, now)
            self.pump()
            due = self._watched_until = self._next_due(now)
            if due is None:
                await self._attention.wait()
            else:
                await set_or_due(self._attention, self._clock, due)

    def _next_due(self, now: int) -> "int | None":
        due = self.oldest_sent_at
        if due is not None:
            due += self._limit_ms
        other = self._paused_until
        if other is None and self._is_open and not self._refused:
            other = self._outbox.due(now)
        echo = None if self._echo is None else self._echo.due()
        dues = [each for each in (due, other, echo) if each is not None]
        return min(dues) if dues else None

    def _watch(self, now: int, due: "int | None" = None) -> None:
        """See to it that attend() looks in time, without waking it for each message."""
        if due is None and (self._under_way or self._others):
            due = now + self._limit_ms
        if due is not None and (self._watched_until is None or self._watched_until > due):
            self._watched_until = due
            self._attention.set()

    def _look_for_echo(self, echo: "EchoCheck", now: int) -> None:
        failed_before = echo.has_failed
        record = echo.missed(now)
        if record is None or failed_before:
            return
        message = f"the broker acknowledges samples and does not pass them on: {record.seq} did not come back"
        advice = f"Check that the token may publish to {echo.topic_name}, and subscribe to it."
        # A token that has ended may be the reason.
        error = BrokerError(message, _FORBIDDEN, advice)
        tell_error(self._emit, error)
        raise error

    # ---- what is not taken -----------------------------------------------------------------

    def _in_trouble(self) -> "Refusals":
        if self._trouble is None:
            from .refusals import Refusals  # seldom needed

            self._trouble = Refusals(self._topics, self._outbox, self._entropy.random_bytes(4), self._emit)
        return self._trouble

    def _take_refusals(self, now: int) -> None:
        """Nothing is under way, and some of what was has been refused: all of that goes out again."""
        record, code = self._refused[0]
        self._refused, self._window = [], 1
        try:
            pause_ms = self._in_trouble().take(record, code)
            self._paused_until = now + pause_ms if pause_ms else None
            if pause_ms:
                self._emit("waiting", what="delivery", ms=pause_ms)
        finally:
            self._outbox.interrupted(now)

    def token_was_not_renewed(self) -> None:
        """The refusal of a record with 0x87 says nothing yet: there is no newer token to try."""
        if self._trouble is not None:
            self._trouble.forbidden = None

    def quiet_ms(self, chance: int) -> int:
        """As Suspects.quiet_ms."""
        return 0 if self._trouble is None else self._trouble.suspects.quiet_ms(chance)

    def _is_alone(self) -> bool:
        return self._trouble is not None and self._trouble.suspects.is_alone()

    def _topic_name(self, record: "Record") -> str:
        return self._topics.event if record.stream == EVENT else self._topics.telemetry

    def _tell(self) -> None:
        if self._acknowledged:
            count, self._acknowledged = self._acknowledged, 0
            self._emit("published", count=count, backlog=len(self._outbox))
