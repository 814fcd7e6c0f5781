"""Whether an agent gets on: what waits for others is well, what stands still by itself is not."""

from collections.abc import Callable
from typing import NamedTuple

from . import words
from .facts import CODE, WORKING, Facts

# All is done, or something outside has to come back (a person, the server, the broker): no fault of ours.
OK, WAITING = "ok", "waiting"
# Something here is wrong, and does not mend itself.
FAILING = "failing"


class Task(NamedTuple):
    """`is_behind(facts)`: whether it should have got on by now. `steps(facts)`: grows when it gets on.

    `grace_s`: how long it may be behind without a step.
    """

    name: str
    is_behind: Callable[[Facts], bool]
    steps: Callable[[Facts], int]
    grace_s: float


class Verdict(NamedTuple):
    """`status`: OK, WAITING or FAILING. `why`: one line. `stuck`: the tasks that do not get on."""

    status: str
    why: str
    stuck: tuple[str, ...]


# A sample may take as long as its sensors may, and a broker has its own time limit to acknowledge.
_SAMPLE_MS = 10_000
_ACKNOWLEDGED_MS = 60_000


def _token_is_behind(facts: Facts) -> bool:
    due = facts.refresh_in_ms is not None and facts.refresh_in_ms <= 0
    ended = facts.token_left_ms is not None and facts.token_left_ms <= 0
    return facts.paired and (due or ended) and facts.token_wait_ms <= 0


def _code_is_behind(facts: Facts) -> bool:
    return facts.phase == CODE and facts.code_left_ms is not None and facts.code_left_ms <= 0


def _measuring_is_behind(facts: Facts) -> bool:
    if not facts.broker or facts.phase != WORKING:
        return False
    # Nothing measured since the start, or since long.
    age_ms = facts.uptime_ms if facts.sampled_ms is None else facts.sampled_ms
    return age_ms > facts.interval_ms + _SAMPLE_MS


def _link_is_behind(facts: Facts) -> bool:
    usable = facts.token_left_ms is None or facts.token_left_ms > 0
    waits = facts.broker_wait_ms > 0 or facts.token_wait_ms > 0
    return facts.broker and facts.paired and usable and facts.connected_ms is None and not waits


def _delivery_is_behind(facts: Facts) -> bool:
    # A broker that refuses everything is asked again and again: that is its trouble, not ours.
    if facts.connected_ms is None or not facts.backlog or facts.broker_wait_ms > 0:
        return False
    since_ms = facts.connected_ms
    if facts.acknowledged_ms is not None:
        since_ms = min(since_ms, facts.acknowledged_ms)
    return since_ms > _ACKNOWLEDGED_MS


def _disk_is_behind(facts: Facts) -> bool:
    return facts.paired and facts.disk_due_ms is not None and facts.disk_due_ms <= 0


# The graces cover one exchange with all its time limits, and a lock that another process holds.
TASKS = (
    Task("renewing the token", _token_is_behind, lambda facts: facts.token_steps, 300),
    Task("polling for the code", _code_is_behind, lambda facts: facts.token_steps, 300),
    Task("measuring", _measuring_is_behind, lambda facts: facts.samples, 60),
    Task("connecting to the broker", _link_is_behind, lambda facts: facts.broker_steps, 180),
    Task("writing samples to the disk", _disk_is_behind, lambda facts: facts.disk_steps, 120),
    Task("delivering samples", _delivery_is_behind, lambda facts: facts.published + facts.broker_steps, 60),
)


class Judge:
    """Looks at an agent again and again.

    A task is stuck when each look for longer than its grace finds it behind. `awake_s()`: seconds that
    do not count while the machine sleeps; after a long sleep everything is late, and nothing stuck.
    """

    def __init__(self, awake_s: Callable[[], float]):
        self._awake_s = awake_s
        # By task: since when it is behind, and after how many steps.
        self._behind: dict[str, tuple[float, int]] = {}

    def look(self, facts: Facts) -> Verdict:
        """How it is now."""
        now = self._awake_s()
        stuck = []
        for task in TASKS:
            if not task.is_behind(facts):
                self._behind.pop(task.name, None)
                continue
            steps = task.steps(facts)
            since, steps_then = self._behind.get(task.name, (now, steps))
            if steps != steps_then:
                since = now
            self._behind[task.name] = (since, steps)
            if now - since >= task.grace_s:
                stuck.append(task.name)
        why = words.line(facts)
        if stuck:
            return Verdict(FAILING, f"{' and '.join(stuck)} does not get on; {why}", tuple(stuck))
        if not facts.is_saved or not facts.samples_saved:
            return Verdict(FAILING, why, ())
        ended = facts.token_left_ms is not None and facts.token_left_ms <= 0
        away = facts.broker and (facts.connected_ms is None or facts.broker_wait_ms > 0)
        return Verdict(WAITING if not facts.paired or ended or away else OK, why, ())
