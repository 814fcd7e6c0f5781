"""What survives when the agent is killed, its disk is full or its calendar jumps, amid its work."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import started
from support.busy_agent import busy_agent, load, on_disk
from support.cloud import CLIENT_ID, Cloud, cloud
from support.mosquitto import Mosquitto
from support.processes import until
from support.recorder import Recorder
from support.small_disk import fill, small_disk
from support.spoilt_line import SpoiltLine, spoilt_line

TELEMETRY, EVENTS = "devices/mast/telemetry", "devices/mast/event"
KILLS = 6
# The default of telemetry.flush: so many records, and what is measured while they are being written.
MOST_UNSTORED = 500 + 400


class Site:
    """A broker behind a line that can be spoilt, a recorder beside it, and a device that is paired."""

    def __init__(self, state: Path, options: list[str], line: SpoiltLine):
        self.state, self.options = state, options + load(500)
        self.seen, self.obey, self.progress = line.seen, line.obey, line.progress

    def stored(self, least: int) -> list[int]:
        """Wait until so many samples wait on the disk."""
        until(lambda: len(on_disk(self.state)[0]) >= least, f"{least} samples on the disk")
        return on_disk(self.state)[0]

    def all_of_it(self) -> list[int]:
        """With the agent at rest, wait for what it has sent: the numbers that are neither here nor there."""
        left, following = on_disk(self.state)
        there = set(self.seen.judge(TELEMETRY).seqs)
        return sorted(set(range(following)) - there - set(left))


@contextmanager
def site(folder: Path, state: Path) -> Iterator[Site]:
    """Everything, running; `state` is the device's state folder."""
    with (
        cloud(interval_s=1) as around,
        Mosquitto(folder) as broker,
        Recorder(broker.port, "devices/mast/#") as seen,
        spoilt_line(broker.port, seen, TELEMETRY) as line,
    ):
        options = ["--issuer", around.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        options += ["--state-dir", str(state), "--set", "pairing.device_id=mast"]
        options += ["--set", f"mqtt.url=mqtt://127.0.0.1:{line.port}"]
        pair(around, options)
        yield Site(state, options, line)


def pair(around: Cloud, options: list[str]) -> None:
    """Pair the device."""
    with started("pair", *options) as agent:
        around.approve(agent.wait_for("code"))
        assert agent.end() == 0


def check_order_and_marks(seen: Recorder) -> None:
    """First arrivals in order; repeats say so, and are repeats: no number was given out twice."""
    judgement = seen.judge(TELEMETRY)
    assert judgement.seqs == sorted(judgement.seqs)
    assert judgement.unmarked == []
    contents: dict[int, Any] = {}
    for sample in seen.payloads(TELEMETRY):
        content = (sample["t"], sample["v"])
        assert contents.setdefault(sample["seq"], content) == content


@pytest.mark.timeout(240)
def test_a_kill_takes_at_most_what_was_not_stored(tmp_path: Path) -> None:
    chance = random.Random(seed := random.randrange(1 << 30))
    print("seed", seed)
    kept: set[int] = set()
    with site(tmp_path, tmp_path / "state") as here:
        for number in range(KILLS):
            with busy_agent(here.options) as agent:
                here.progress(chance.randrange(50, 700))
                if number % 2:
                    # Without a line it stores, and dies somewhere between two flushes.
                    here.obey("refuse")
                    here.obey("reset")
                    here.stored(chance.randrange(1, 1500))
                agent.process.send_signal(signal.SIGKILL)
                agent.process.wait(30)
            here.obey("pass")
            kept.update(on_disk(here.state)[0])
        with busy_agent(here.options) as agent:
            here.progress(500)
            agent.process.terminate()
            assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        lost = settled(here)
        told = [event for event in here.seen.payloads(EVENTS) if event["event"] == "dropped"]
        check_order_and_marks(here.seen)
    assert not kept & set(lost), "what was stored is gone"
    gaps = [(gap["from"], gap["to"]) for gap in told if gap["stream"] == "telemetry"]
    assert {gap["reason"] for gap in told} <= {"restart"}
    for seq in lost:
        assert any(first <= seq <= last for first, last in gaps), f"{seq} is lost, and nobody is told"
    assert len(lost) <= KILLS * MOST_UNSTORED


def settled(here: Site) -> list[int]:
    """What is lost in the end: the same at two looks, between which whatever was under way has arrived."""
    found = [here.all_of_it()]

    def is_steady() -> bool:
        found.append(here.all_of_it())
        return found[-1] == found[-2]

    until(is_steady, "the last ones to arrive")
    return found[-1]


@pytest.mark.timeout(180)
def test_a_full_disk_and_a_calendar_that_jumps_cost_nothing(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.write_text("0")
    jumping = (
        "from pairlet.linux.clock import SystemClock as C; wall = C.wall; "
        f"ahead = lambda: int(open({str(steps)!r}).read()); "
        "C.wall = lambda self: (lambda w: w._replace(seconds=w.seconds + ahead()))(wall(self)); "
    )

    def step(seconds: int) -> None:
        new = tmp_path / "new"
        new.write_text(str(seconds))
        os.replace(new, steps)

    with small_disk(tmp_path / "disk", "2m") as disk, site(tmp_path, disk / "state") as here:
        with busy_agent(here.options, jumping) as agent:
            here.progress(300)
            for seconds in (86400, -86400, 0):
                step(seconds)
                here.progress(300)
            here.obey("refuse")
            here.obey("reset")
            here.stored(500)
            ballast = fill(disk)
            trouble = agent.wait_for("error", check=lambda event: event["exit_code"] == 8)
            assert "write" in trouble["error_description"]
            step(3600)
            before = len(on_disk(here.state)[0])
            ballast.unlink()
            here.stored(before + 500)
            here.obey("pass")
            here.progress(2000)
            agent.process.terminate()
            assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        assert settled(here) == []
        check_order_and_marks(here.seen)
        times = [sample["t"] for sample in here.seen.payloads(TELEMETRY)]
    assert max(times) - min(times) >= 2 * 86400 * 1000
    assert "dropped" not in [event["event"] for event in agent.events]
