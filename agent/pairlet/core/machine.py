"""What every protocol machine shares: a transition table, and the two things it can ask for.

A machine is asked and told; it never waits and knows no clock:

    action = machine.next_action(now)     Send(request), Wait(until), or None once it has ended
    machine.receive(response, now)        the answer to the request it asked for
    machine.transport_failed(now)         there was no answer

`now` and `until` are whole milliseconds of a clock that only grows.
"""

from collections import namedtuple

from .errors import ProtocolError

Send = namedtuple("Send", ("request",))
Wait = namedtuple("Wait", ("until",))


class Machine:
    """A state and the table of what may follow it: TRANSITIONS maps (state, event) to a state.

    `due`: when the next request may leave, where the machine says so (ms).
    """

    TRANSITIONS: "dict[tuple[str, str], str]" = {}

    def __init__(self, state: str):
        self.state = state
        self.due = 0

    def step(self, event: str) -> None:
        """Follow the edge for `event`; ProtocolError where the table has none (the driver is at fault)."""
        self.check(event)
        self.state = self.TRANSITIONS[(self.state, event)]

    def check(self, event: str) -> None:
        """ProtocolError when the table has no edge for `event` now. Asked before anything is changed."""
        if (self.state, event) not in self.TRANSITIONS:
            raise ProtocolError(
                f"{type(self).__name__} can't take '{event}' while it is {self.state}",
                "This is a fault of the program that drives the machine, not of the server.",
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state}>"
