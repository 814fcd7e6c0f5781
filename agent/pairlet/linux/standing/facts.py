"""What is known of a running agent at one moment."""

from typing import Any, NamedTuple

# Where it is in its life.
STARTING, ASKING, CODE, PERSON, WORKING = "starting", "asking", "code", "person", "working"


class Facts(NamedTuple):
    """Durations are ms and end in _ms; None where there is nothing to tell of.

    phase: STARTING, ASKING (the server for a code), CODE (one is shown), PERSON (waits for one), WORKING.
    token_left_ms: until the access token ends (None: it does not say). refresh_in_ms: until it is to be
    renewed, negative when that was due. is_saved: whether what counts is on the disk.
    broker: whether one is configured. connected_ms, disconnected_ms: since when, whichever it is.
    token_wait_ms, broker_wait_ms: how long the agent has said it would wait, from now. token_steps,
    broker_steps, disk_steps: counts that grow whenever it gets on with any, if only to the next failure.
    samples_saved: whether the disk takes what waits. disk_due_ms: as refresh_in_ms, until that is written.
    """

    phase: str = STARTING
    doing: str = ""
    paired: bool = False
    token_left_ms: int | None = None
    token_has_end: bool = False
    refresh_in_ms: int | None = None
    can_refresh: bool = False
    is_saved: bool = True
    code_left_ms: int | None = None
    broker: bool = False
    connected_ms: int | None = None
    disconnected_ms: int | None = None
    broker_reason: str = ""
    backlog: int = 0
    acknowledged_ms: int | None = None
    sampled_ms: int | None = None
    interval_ms: int = 0
    token_wait_ms: int = 0
    broker_wait_ms: int = 0
    token_steps: int = 0
    broker_steps: int = 0
    disk_steps: int = 0
    disk_due_ms: int | None = None
    samples_saved: bool = True
    trouble: str = ""
    uptime_ms: int = 0
    published: int = 0
    dropped: int = 0
    samples: int = 0
    refreshes: int = 0
    connections: int = 0
    errors: int = 0
    sensors_in_trouble: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        return self._asdict()

    @staticmethod
    def from_json(members: dict[str, Any]) -> "Facts":
        """What to_json() gave, also from an agent of another version: what it does not say is the default."""
        found = {name: value for name, value in members.items() if name in Facts._fields}
        found["sensors_in_trouble"] = tuple(found.get("sensors_in_trouble") or ())
        return Facts(**found)
