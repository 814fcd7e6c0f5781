"""Whether a board only waits: what is under way in the air around it, and how far its clock may jump.

A board that waits for an answer must not skip the time that the other side takes. Bytes that were sent tell:
whoever spoke last has had the last word, and after the board's the answer is to come.
"""

import select
import socket
import time
from collections.abc import Iterable

# The longest that an answer is waited for: the board may have said something that asks for none.
_ANSWER_S = 10.0
# An answer comes in parts, with silences between them that count as well. Only a connection that was silent
# for so long, or on which the two took turns this often, carries messages that come in one piece each: no
# exchange over HTTP and TLS does.
_SETTLED_S = 1.0
_SETTLED_TURNS = 5
# There each message has its answer. One to an earlier message is not the last, unless several came as one:
# then nothing more does for so long.
_STRAGGLER_S = 0.1


class Line:
    """One connection through the air, as far as can be seen from outside; new, it waits for an answer.

    `near`: the socket to the board; `far`: to the other side, once there is one.
    """

    def __init__(self, near: socket.socket):
        self.near = near
        self.far: socket.socket | None = None
        self._near_ended = self._far_ended = False
        self._settled = False
        self._turns = 0
        self._unanswered = 0
        self._asked = True
        self._at = time.monotonic()

    def passed(self, *, outwards: bool) -> None:
        """Bytes have gone through: `outwards` from the board, else to it."""
        self._settled = self._is_settled()
        if not outwards:
            self._unanswered = max(0, self._unanswered - 1)
        elif self.is_quiet():
            self._unanswered = 1
        else:
            self._unanswered += 1
        self._turns += outwards and not self._asked
        self._asked = outwards
        self._at = time.monotonic()

    def ended(self, *, outwards: bool) -> None:
        """Nothing more will come: `outwards` from the board, else from the other side."""
        if outwards:
            self._near_ended = True
        else:
            self._far_ended = True
            self.passed(outwards=False)

    def ends(self) -> list[socket.socket]:
        """Where something may have come in that has not gone through yet."""
        if self._near_ended:
            return []
        return [self.near] if self.far is None or self._far_ended else [self.near, self.far]

    def is_quiet(self) -> bool:
        """Whether nobody owes an answer here."""
        if self._near_ended:
            return True
        if self._asked:
            return time.monotonic() - self._at >= _ANSWER_S
        return self._is_settled() and (not self._unanswered or time.monotonic() - self._at >= _STRAGGLER_S)

    def _is_settled(self) -> bool:
        if self._settled or self._turns >= _SETTLED_TURNS:
            return True
        return not self._asked and time.monotonic() - self._at >= _SETTLED_S


def has_come(sockets: Iterable[socket.socket]) -> bool:
    """Whether one of them has something to be read: bytes, an end, or a connection to be accepted."""
    poller = select.poll()
    for each in sockets:
        if each.fileno() >= 0:  # else it has broken, and its line is about to notice
            poller.register(each, select.POLLIN)
    return bool(poller.poll(0))
