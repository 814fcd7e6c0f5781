"""One MQTT 3.1.1 session as a machine: what to send next, what an answer means, when a peer is dead.

It knows no socket and no clock. Whoever drives it does four things, each as often as it likes:

    data_to_send(now)       bytes for the socket, None when there are none now
    receive(count, now)     `count` bytes from the socket were put into space()
    tick(now)               at deadline(): asks for a sign of life, or finds that there was none
    lost(reason)            the connection has ended

`now` is whole milliseconds of a clock that only grows.
"""

from pairlet.core.errors import TransportError
from pairlet.core.machine import Machine

from . import mqtt_packets as packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pairlet.core.mqtt import Credentials, Message

CLOSED = "closed"
CONNECTING = "connecting"
CONNECTED = "connected"
CLOSING = "closing"

NOT_CONNECTED = "there is no connection to the broker"
SILENT = "the broker gave no sign of life: keep-alive time-out"

# A payload up to this goes out in one piece with its header; a larger one in pieces, uncopied.
_PIECE = 1024
# What a waiting message costs beside its payload, about.
_OVERHEAD = 64


class Delivery:
    """A packet on its way. `code` is None until the broker took it: then 0, or the SUBACK's code.

    `then(code)`, if there is one, is called once, when the outcome is there: with None it failed.
    """

    def __init__(self, parts: "packets.Parts", then: "Callable[[int | None], None] | None"):
        self.parts = parts
        self.packet_id = 0
        self.sent_at = 0
        self.code: int | None = None
        self.then = then

    def settle(self, code: "int | None") -> None:
        """The outcome is known: a code, or None for a failure."""
        self.code = code
        if self.then is not None:
            self.then(code)


class Session(Machine):
    """The client's side of one session, over as many connections as it takes.

    window: packets in flight at once; further ones wait, in order. most: bytes of the largest packet
    taken from the broker, and half of what may wait to be read. republish: what is unacknowledged
    when a connection is lost stays, and goes out again after the next CONNACK, with DUP where the
    broker kept the session (MQTT-4.4.0-1); otherwise it fails, and the caller may publish it again.
    """

    TRANSITIONS = {
        (CLOSED, "connect"): CONNECTING,
        (CONNECTING, "connack"): CONNECTED,
        (CONNECTING, "disconnect"): CLOSING,
        (CONNECTED, "disconnect"): CLOSING,
    }

    def __init__(
        self,
        client_id: str,
        keep_alive: int = 60,
        *,
        clean_session: bool = False,
        window: int = 8,
        most: int = 4096,
        republish: bool = False,
    ):
        """keep_alive in seconds, 1 to 65535."""
        super().__init__(CLOSED)
        self._client_id = client_id
        self._keep_alive = keep_alive
        self._clean_session = clean_session
        self._window = window
        self._republish = republish
        self._starts_over = False
        self._most_waiting = 2 * most
        self._reader = packets.PacketReader(most)
        self._control: list[bytes] = []  # packets that wait for nothing
        self._queue: list[Delivery] = []  # those that wait for room in the window
        self._unacked: list[Delivery] = []  # in the order in which they were sent
        self._written: Delivery | None = None  # QoS 0, handed out by the last data_to_send()
        self._rest: memoryview | None = None  # of a payload that goes out in pieces
        self._inbox: list[list[Any]] = []  # [Message, packet_id]
        self._waiting = 0  # bytes in the inbox
        self._last_id = 0
        self._heard_at = self._sent_at = 0
        self._pinged_at: int | None = None
        self.session_present = False
        self.return_code: int | None = None  # the CONNACK's; None until there is one
        self.reason = NOT_CONNECTED  # why there is none

    # ---- the connection --------------------------------------------------------------------

    def connect(self, credentials: "Credentials", will: "Message | None", now: int) -> None:
        """Begin: a connection is open, CONNECT is the first to send. ConfigError for an unfit will."""
        clean = self._clean_session or self._starts_over
        self._starts_over = False
        packet = packets.connect(self._client_id, clean, self._keep_alive, credentials, will)
        self.step("connect")
        self._control = [packet]
        self.return_code = self._pinged_at = None
        self._heard_at = self._sent_at = now

    def start_over(self) -> None:
        """Leave behind, with the next connection, what the broker keeps for this session.

        For when it sent what can't be taken, such as a message that is too large: it would send it again.
        """
        self._starts_over = True

    def disconnect(self) -> None:
        """End on purpose: what is not acknowledged fails, DISCONNECT is the last packet. Any state."""
        if self.state in (CONNECTING, CONNECTED):
            self.step("disconnect")
            self._control.append(packets.DISCONNECT)
        self._settle_all(False)

    def lost(self, reason: str) -> None:
        """The connection has ended, whoever ended it. Any state."""
        self.state = CLOSED  # there is no state in which this can't happen
        self.reason = reason
        self._settle_all(self._republish)
        self._control = []
        self._rest = None
        self._reader.reset()
        for each in self._inbox:
            each[1] = 0  # the broker sends it again if it wants it acknowledged

    def _settle_all(self, keep: bool) -> None:
        """Everything under way has failed; with `keep`, QoS 1 messages wait for the next connection."""
        waiting = self._unacked + self._queue
        if self._written is not None:
            waiting.append(self._written)
        self._unacked, self._queue, self._written = [], [], None
        for each in waiting:
            if keep and each.parts[0] == packets.PUBACK:
                self._queue.append(each)
            else:
                each.settle(None)

    # ---- out -------------------------------------------------------------------------------

    def room(self) -> int:
        """How many packets send() would put on their way at once; 0 without a connection."""
        if self.state != CONNECTED:
            return 0
        return max(0, self._window - len(self._unacked) - len(self._queue))

    def send(self, parts: "packets.Parts", then: "Callable[[int | None], None] | None" = None) -> Delivery:
        """Send what packets.publish(), subscribe() or unsubscribe() made, when the window has room.

        TransportError without a connection.
        """
        if self.state != CONNECTED:
            raise TransportError(self.reason)
        delivery = Delivery(parts, then)
        self._queue.append(delivery)
        return delivery

    def forget(self, delivery: Delivery) -> None:
        """Nobody waits for it: not sent if it is not on its way yet. Else it keeps its packet_id."""
        delivery.then = None
        if delivery in self._queue:
            self._queue.remove(delivery)

    def data_to_send(self, now: int) -> "bytes | memoryview | None":
        """The next piece for the socket, or None. Asking again says that the last one is written."""
        data: bytes | memoryview | None = None
        if self._rest is not None:
            data = self._rest[:_PIECE]
            self._rest = self._rest[_PIECE:] if len(self._rest) > _PIECE else None
        else:
            written, self._written = self._written, None
            if written is not None:
                written.settle(0)
            if self._control:
                data = self._control.pop(0)
            elif self._queue and self.state == CONNECTED and len(self._unacked) < self._window:
                data = self._start(self._queue.pop(0), now)
        if data is not None:
            self._sent_at = now
        return data

    def _start(self, delivery: Delivery, now: int) -> bytes:
        """The first piece of a packet, whole if it is small."""
        # What has a packet_id already went out over an earlier connection of this session.
        dup = delivery.packet_id != 0
        if delivery.parts[0]:
            if not dup:
                delivery.packet_id = self._free_id()
            delivery.sent_at = now
            self._unacked.append(delivery)
        else:
            self._written = delivery
        start = packets.start_of(delivery.parts, delivery.packet_id, dup)
        tail = delivery.parts[3]
        if len(tail) <= _PIECE:
            return start + tail
        self._rest = memoryview(tail)
        return start

    def _free_id(self) -> int:
        """The next packet_id that nothing on its way bears (section 2.3.1)."""
        while True:
            self._last_id = self._last_id % 65535 + 1
            for each in self._unacked + self._queue:
                if each.packet_id == self._last_id:
                    break
            else:
                return self._last_id

    # ---- in --------------------------------------------------------------------------------

    def space(self) -> memoryview:
        """Where bytes from the socket go."""
        return self._reader.space()

    def receive(self, count: int, now: int) -> None:
        """`count` bytes are in `space()`. ProtocolError: the broker is broken, give the connection up."""
        self._heard_at = now
        self._pinged_at = None
        self._reader.added(count)
        while self.state != CLOSED:
            packet = self._reader.next()
            if packet is None:
                return
            # Once DISCONNECT is said, or access refused, nothing that comes counts.
            if self.state != CLOSING:
                self._take(packet)

    def _take(self, packet: "packets.Packet") -> None:
        kind, first, second = packet
        # CONNACK comes first, and once (MQTT-3.2.0-1).
        if (kind == packets.CONNACK) != (self.state == CONNECTING):
            raise packets.broken(kind)
        if kind == packets.CONNACK:
            self._answered(first, second)
        elif kind == packets.PUBLISH:
            self._incoming(first, second)
        elif kind != packets.PINGRESP:
            self._acknowledged(kind, first, second)

    def _answered(self, session_present: bool, return_code: int) -> None:
        self.session_present = session_present
        self.return_code = return_code
        self.step("disconnect" if return_code else "connack")
        # What an earlier connection left is here, if anything. To a new session its packets are new.
        if not (return_code or session_present):
            for each in self._queue:
                each.packet_id = 0

    def _incoming(self, message: "Message", packet_id: int) -> None:
        size = len(message.payload) + _OVERHEAD
        # One left out is not acknowledged, so with QoS 1 the broker sends it again in the next connection.
        if self._waiting + size <= self._most_waiting:
            self._waiting += size
            self._inbox.append([message, packet_id])

    def _acknowledged(self, kind: int, packet_id: int, code: int) -> None:
        for each in self._unacked:
            if each.packet_id == packet_id:
                if each.parts[0] != kind:
                    raise packets.broken(kind)
                self._unacked.remove(each)
                each.settle(code)
                return

    def next_message(self) -> "Message | None":
        """The oldest message that has come in, or None. With QoS 1 it is acknowledged by this."""
        if not self._inbox:
            return None
        message: Message
        message, packet_id = self._inbox.pop(0)
        self._waiting -= len(message.payload) + _OVERHEAD
        if packet_id and self.state == CONNECTED:
            self._control.append(packets.puback(packet_id))
        return message

    # ---- time ------------------------------------------------------------------------------

    def deadline(self) -> "int | None":
        """When tick() has something to do; None without a connection. It may move on meanwhile."""
        if self.state != CONNECTED:
            return None
        if self._pinged_at is not None:
            return self._pinged_at + self._keep_alive * 500
        return min(self._heard_at, self._sent_at) + self._keep_alive * 1000

    def tick(self, now: int) -> None:
        """PINGREQ after keep_alive of silence in one direction; TransportError after half of it more.

        Together 1.5 times keep_alive, what the broker grants us as well (section 3.1.2.10).
        """
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        if self._pinged_at is not None:
            raise TransportError(SILENT)
        self._pinged_at = now
        self._control.append(packets.PINGREQ)

    def unacked_ms(self, now: int) -> "int | None":
        """The age of the oldest packet that the broker has not acknowledged, None if there is none."""
        return now - self._unacked[0].sent_at if self._unacked else None
