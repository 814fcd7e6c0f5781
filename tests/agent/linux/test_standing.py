"""How an agent stands: what is heard and seen, in words, and judged."""

import asyncio
import json
from typing import Any

import pytest
from pairlet.core.screen import CODE, DENIED, RUNNING, STARTING, UNPAIRED, Screen
from pairlet.core.secret import Secret
from pairlet.core.token import Token
from pairlet.core.wall import SYNCED, Wall
from pairlet.linux.standing import facts as phases
from pairlet.linux.standing.facts import Facts
from pairlet.linux.standing.judgement import FAILING, OK, TASKS, WAITING, Judge
from pairlet.linux.standing.standing import Standing
from pairlet.linux.standing.words import line

MINUTE_MS = 60_000
SECRET = "s3cr3t-that-nobody-sees"


class World:
    """Clock, keeper and agent, to be set by hand."""

    def __init__(self) -> None:
        self.time = 1_000_000
        self.token: Token | None = None
        self.due: int | None = None
        self.is_saved = True
        self.backlog = 0
        self.flush_at: int | None = None
        self.flushes = 0
        self.fails = False
        self.heard: list[str] = []
        self.standing = Standing(self._hear, self, broker=True, interval_ms=lambda: 10_000)
        self.standing.watch(self)

    def _hear(self, event: str, **fields: Any) -> None:
        self.heard.append(event)

    @property
    def keeper(self) -> "World":
        return self

    @property
    def storing(self) -> Any:
        return self

    @property
    def outbox(self) -> Any:
        return self

    def __len__(self) -> int:
        return self.backlog

    def flush_due(self, now: int) -> int | None:
        return self.flush_at

    def refresh_at(self) -> int | None:
        return self.due

    def now(self) -> int:
        return self.time

    async def sleep_until(self, until: int) -> None:
        raise AssertionError

    def alarm(self, ring: Any, until: int) -> Any:
        raise AssertionError

    def wall(self) -> Wall:
        return Wall(SYNCED, 1_750_000_000)

    def learn(self, seconds: int) -> None:
        raise AssertionError

    def boot_id(self) -> str:
        return ""

    def pair(self, left_ms: int | None = 41 * MINUTE_MS) -> None:
        ends = None if left_ms is None else self.time + left_ms
        self.token = Token(
            Secret(SECRET), expires_in=left_ms and 3600, expires_at=ends, refresh_token=Secret(SECRET)
        )
        self.due = ends and ends - 10 * MINUTE_MS

    def says(self) -> str:
        return line(self.standing.facts())


class Panel:
    """A display that keeps what it was shown."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def show(self, screen: Screen) -> None:
        self.kinds.append(screen.kind)

    def close(self) -> None:
        self.kinds.append("closed")


def test_a_life_in_lines() -> None:
    world, panel = World(), Panel()
    display, tell = world.standing.display(panel), world.standing
    assert world.says() == "not paired; starting"
    display.show(Screen(STARTING, message="asking the server for a code"))
    assert world.says() == "not paired; asking the server for a code"
    tell("code", user_code=SECRET, verification_uri="https://a.test", expires_in=600, interval=5)
    display.show(Screen(CODE, user_code=SECRET))
    world.time += MINUTE_MS
    assert world.says() == "not paired; a code is shown, good for 9 min"
    tell("denied")
    display.show(Screen(DENIED, advice="Press."))
    assert world.says() == "not paired; waits for a person"
    world.pair()
    tell("paired", scope="", expires_in=3600, has_refresh_token=True)
    display.show(Screen(RUNNING, message="paired"))
    assert world.says() == "paired; token good for 41 min; not connected to the broker; 0 samples wait"
    tell("mqtt_connected")
    world.time += 3 * 60 * MINUTE_MS
    world.pair()
    world.backlog = 312
    tell("published", count=2, backlog=312)
    world.time += 3000
    assert world.says() == (
        "paired; token good for 41 min; connected to the broker for 3 h; 312 samples wait; "
        "last acknowledged 3 s ago"
    )
    tell("mqtt_disconnected", reason="gone")
    tell("waiting", what="broker", ms=12_000)
    tell("dropped", count=4, **{"from": 1, "to": 4})
    tell("error", error="transport_error", error_description="no route", advice="", exit_code=5)
    world.backlog = 1
    assert world.says() == (
        "paired; token good for 41 min; not connected to the broker for 0 s (gone), trying again in 12 s; "
        "1 sample waits; last acknowledged 3 s ago; 4 samples dropped; trouble: no route"
    )
    tell("mqtt_connected")
    assert "trouble" not in world.says()
    world.fails = True
    assert "1 sample waits; they are in memory only: the disk takes nothing" in world.says()
    world.fails, world.flush_at, world.flushes = False, world.time + 500, 3
    assert world.standing.facts().disk_due_ms == 500 and world.standing.facts().disk_steps == 3
    world.is_saved = False
    assert "it is in memory only: the disk takes nothing" in world.says()
    world.token = None
    tell("unpaired", reason="invalid_grant")
    display.show(Screen(UNPAIRED))
    assert world.says() == "not paired; waits for a person; 1 sample waits"
    display.close()
    assert panel.kinds == [STARTING, CODE, DENIED, RUNNING, UNPAIRED, "closed"]
    assert world.heard[0] == "code" and len(world.heard) == 11
    assert SECRET not in json.dumps(world.standing.facts().to_json())


def test_a_broker_that_refuses_everything_is_waited_for_like_one_that_is_away() -> None:
    """It lets each sample wait for a minute, for hours: no restart would mend that."""
    world, time = World(), Time()
    judge = Judge(time)
    world.pair(HOUR_MS := 60 * MINUTE_MS)
    world.standing("mqtt_connected")
    for _ in range(HOUR_MS // 61_000):
        world.backlog = 312
        world.standing("waiting", what="delivery", ms=60_000)
        for seconds in (1, 59, 1):
            world.time += 1000 * seconds
            time.now += seconds
            assert "delivering samples" not in judge.look(world.standing.facts()).stuck
    world.standing("mqtt_disconnected", reason="gone")
    assert "not connected to the broker for 0 s (gone); 312" in world.says()


def test_samples_and_sensors_are_counted() -> None:
    class Two:
        async def read(self) -> dict[str, int | float]:
            return {"a": 1}

    world = World()
    sensors = world.standing.sensors(Two())
    assert [asyncio.run(sensors.read()) for _ in range(2)] == [{"a": 1}, {"a": 1}]
    assert world.standing.facts().samples == 2 and world.standing.facts().sampled_ms == 0
    world.standing.sensor_changed("my:co2", False)
    world.standing("error", error="sensor_error", error_description="the sensor my:co2: ...")
    assert world.says().endswith("no values from my:co2")
    world.standing.sensor_changed("my:co2", True)
    assert "my:co2" not in world.says()


def test_followers_hear_after_it_is_known() -> None:
    world = World()
    seen: list[tuple[str, int]] = []
    world.standing.followers.append(lambda event: seen.append((event, world.standing.facts().connections)))
    world.standing("mqtt_connected")
    assert seen == [("mqtt_connected", 1)]


def test_facts_survive_json_and_other_versions() -> None:
    facts = Facts(phase=phases.WORKING, paired=True, backlog=3, sensors_in_trouble=("a",))
    assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    assert Facts.from_json({"backlog": 2, "something_new": 1}) == Facts(backlog=2)


# ---- judgement -------------------------------------------------------------------------------

GOOD = Facts(
    phase=phases.WORKING,
    paired=True,
    token_left_ms=41 * MINUTE_MS,
    token_has_end=True,
    refresh_in_ms=31 * MINUTE_MS,
    can_refresh=True,
    broker=True,
    connected_ms=3 * MINUTE_MS,
    acknowledged_ms=3000,
    sampled_ms=3000,
    interval_ms=10_000,
    uptime_ms=60 * MINUTE_MS,
)
AWAY = GOOD._replace(connected_ms=None, disconnected_ms=90 * MINUTE_MS)


class Time:
    """Seconds awake."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def judged(facts: Facts, seconds: float = 100_000, step: float = 50) -> tuple[str, tuple[str, ...]]:
    """The verdict after looking at `facts` every `step` seconds for `seconds`."""
    time = Time()
    judge = Judge(time)
    while time.now < seconds:
        judge.look(facts)
        time.now += step
    verdict = judge.look(facts)
    return verdict.status, verdict.stuck


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (GOOD, OK),
        (GOOD._replace(backlog=1000), OK),  # it is acknowledged all the time
        (GOOD._replace(sensors_in_trouble=("a",), errors=1), OK),
        (GOOD._replace(token_left_ms=None, token_has_end=False, refresh_in_ms=None), OK),
        (GOOD._replace(broker=False, connected_ms=None, sampled_ms=None, acknowledged_ms=None), OK),
        (GOOD._replace(interval_ms=3_600_000, sampled_ms=3_500_000), OK),
        # Somebody outside has to come back.
        (AWAY._replace(broker_wait_ms=20_000, backlog=312), WAITING),
        (GOOD._replace(broker_wait_ms=20_000, backlog=312, acknowledged_ms=60 * MINUTE_MS), WAITING),
        (GOOD._replace(refresh_in_ms=-1, token_wait_ms=5000), OK),
        (GOOD._replace(token_left_ms=0, refresh_in_ms=-1, token_wait_ms=5000), WAITING),
        (Facts(phase=phases.PERSON), WAITING),
        (Facts(phase=phases.CODE, code_left_ms=10_000), WAITING),
        (Facts(phase=phases.ASKING), WAITING),
        (Facts(phase=phases.STARTING), WAITING),
    ],
)
def test_what_gets_on_or_waits_for_others_is_well(facts: Facts, status: str) -> None:
    assert judged(facts) == (status, ())


STUCK = [
    (GOOD._replace(refresh_in_ms=-1), "renewing the token", 300),
    (GOOD._replace(token_left_ms=0, refresh_in_ms=None, can_refresh=False), "renewing the token", 300),
    (Facts(phase=phases.CODE, code_left_ms=-1), "polling for the code", 300),
    (GOOD._replace(sampled_ms=21_000), "measuring", 60),
    (GOOD._replace(sampled_ms=None), "measuring", 60),
    (AWAY, "connecting to the broker", 180),
    (GOOD._replace(disk_due_ms=0), "writing samples to the disk", 120),
    (GOOD._replace(backlog=1, acknowledged_ms=61_000), "delivering samples", 60),
    (GOOD._replace(backlog=1, acknowledged_ms=None), "delivering samples", 60),
]


@pytest.mark.parametrize(("facts", "task", "grace_s"), STUCK)
def test_what_stands_still_by_itself_is_failing_after_its_grace(
    facts: Facts, task: str, grace_s: float
) -> None:
    assert judged(facts, grace_s - 1, 1)[1] == ()
    assert judged(facts, grace_s, 1) == (FAILING, (task,))


def test_each_task_can_be_found_stuck() -> None:
    assert {task for _, task, _ in STUCK} == {task.name for task in TASKS}


@pytest.mark.parametrize(("facts", "task"), [(facts, task) for facts, task, _ in STUCK])
def test_whoever_takes_a_step_now_and_then_is_not_stuck(facts: Facts, task: str) -> None:
    """An exchange with a server that is away takes half a minute: each look may find it behind."""
    time = Time()
    judge = Judge(time)
    for number in range(1000):
        steps = {"token_steps": number, "broker_steps": number, "samples": number, "disk_steps": number}
        assert judge.look(facts._replace(**steps)).stuck == ()
        time.now += 59


def test_after_a_long_sleep_everything_is_late_and_nothing_stuck() -> None:
    time = Time()
    judge = Judge(time)
    judge.look(GOOD)
    time.now += 10  # awake; the clock that runs on says eight hours
    late = GOOD._replace(refresh_in_ms=-8 * 60 * MINUTE_MS, token_left_ms=0, sampled_ms=8 * 60 * MINUTE_MS)
    assert judge.look(late).stuck == ()
    time.now += 50
    assert judge.look(late).stuck == ()
    time.now += 20
    assert judge.look(GOOD) == (OK, line(GOOD), ())


def test_what_was_stuck_and_gets_on_is_well_again() -> None:
    time = Time()
    judge = Judge(time)
    behind = GOOD._replace(sampled_ms=100_000)
    judge.look(behind)
    time.now += 60
    verdict = judge.look(behind)
    assert verdict.status == FAILING and verdict.why.startswith("measuring does not get on; paired; ")
    assert judge.look(GOOD).status == OK
    assert judge.look(behind).stuck == ()  # its grace begins anew


@pytest.mark.parametrize("facts", [GOOD._replace(is_saved=False), GOOD._replace(samples_saved=False)])
def test_a_disk_that_takes_nothing_is_failing_and_no_reason_to_restart(facts: Facts) -> None:
    status, stuck = judged(facts)
    assert status == FAILING and stuck == ()  # a restart would lose what is only in memory
