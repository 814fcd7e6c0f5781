"""Which record a broker hangs up on: told apart from a broker, or a network, that ends connections anyway.

A broker may answer a message that it will never take by closing the connection (RabbitMQ, AWS). Sent first
again after each reconnect, such a message would keep all others back for ever. But a connection that is
cut every two seconds looks much the same, and then nothing may be given up.
"""

from .outbox import EVENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox import Record

# How often in a row a connection has to end right after a record that was sent alone.
_TRIES = 6
# As many are enough for an event when one was given up and none was taken since: brokers forbid topics, not
# messages, and events hold up the samples.
_FEW_TRIES = 2
# Before its last tries a connection has to last that long without it.
_QUIET_MS = (5000, 10000, 20000)


class Suspects:
    """Told what was under way at the end of each connection, and what was acknowledged.

    A record is a suspect when two connections in a row ended with it as the oldest one under way. Suspects
    are sent alone. One is given up (`ended` returns it) when _TRIES connections in a row ended right after
    it, although the last three of them had been quiet for seconds before: any connection that ends
    without it under way speaks for it, and its count begins anew.
    """

    def __init__(self) -> None:
        self._oldest: tuple[str, int] | None = None  # under way at the last end
        self._suspects: list[tuple[str, int]] = []
        self._tries = 0  # with the first of them
        self._streams: list[str] = []  # of which the last record that had an outcome was given up

    def is_alone(self) -> bool:
        """Whether records are to be sent one at a time: there is a suspect."""
        return bool(self._suspects)

    def quiet_ms(self, chance: int) -> int:
        """How long a new connection has to last before the suspect is sent.

        `chance`: 0 to 255, anew each time: what cuts connections after a fixed time must not hit the
        suspect each time.
        """
        step = self._tries - max(1, self._needed() - len(_QUIET_MS))
        if not self._suspects or step < 0:
            return 0
        quiet_ms = _QUIET_MS[step]
        return quiet_ms + quiet_ms * chance // 255

    def acknowledged(self, record: "Record") -> None:
        """The broker took it."""
        if self._suspects:
            first, stream, seq = self._suspects[0], record.stream, record.seq
            # Sent alone they go in order: what is before it is no longer there.
            self._suspects = [key for key in self._suspects if key[0] != stream or key[1] > seq]
            if not self._suspects or self._suspects[0] != first:
                self._tries = 0
        if self._streams and record.stream in self._streams:
            self._streams.remove(record.stream)

    def ended(self, under_way: "list[Record]", at_once: bool) -> "Record | None":
        """A connection ended with `under_way`, in the order sent; return the record to give up, or None.

        at_once: it ended right after the last of them was sent, with no other reason that is known.
        """
        if not under_way or not at_once:
            self._tries = 0
            if under_way:
                # Nobody hung up: the broker is silent, or the token has ended. All may be sent again.
                self._suspects = []
            self._oldest = None
            return None
        keys = [(record.stream, record.seq) for record in under_way]
        if not self._suspects:
            if keys[0] == self._oldest:
                self._suspects, self._tries = keys, 0
            self._oldest = keys[0]
            return None
        if keys[0] != self._suspects[0]:
            self._suspects = keys + [key for key in self._suspects if key not in keys]
            self._tries = 0
        self._tries += 1
        if self._tries < self._needed():
            return None
        self._tries, self._oldest = 0, None
        self._suspects.pop(0)
        self.gave_up(under_way[0])
        return under_way[0]

    def gave_up(self, record: "Record") -> None:
        """The record is set aside because the broker forbids it, in this way or another."""
        if record.stream not in self._streams:
            self._streams.append(record.stream)

    def forget(self) -> None:
        """Nothing waits: whatever was suspect is no longer there."""
        self._suspects, self._tries = [], 0

    def is_hopeless(self, stream: str) -> bool:
        """Whether the last record of `stream` that had an outcome was given up."""
        return stream in self._streams

    def _needed(self) -> int:
        few = self._suspects and self._suspects[0][0] == EVENT and EVENT in self._streams
        return _FEW_TRIES if few else _TRIES
