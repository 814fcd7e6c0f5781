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
# Few enough that a busy machine has two seconds for that.
A_SECOND = 200


class Site:
    """A broker behind a line that can be spoilt, a recorder beside it, and a device that is paired."""

    def __init__(self, state: Path, options: list[str], line: SpoiltLine):
        self.state, self.options = state, options + load(A_SECOND)
        self.seen, self.obey, self.progress = line.seen, line.obey, line.progress
        self._line = line

    def lose_line(self) -> None:
        """Lose what is under way, then all that is said of what has arrived, and then the line."""
        self._line.spoil("lose")
        self._line.hold(10)
        self.obey("refuse")
        self.obey("reset")

    def stored(self, least: int) -> list[int]:
        """Wait until so many samples wait on the disk."""
        until(lambda: len(on_disk(self.state)[0]) >= least, f"{least} samples on the disk")
        return on_disk(self.state)[0]

    def missing(self) -> set[int]:
        """With the agent at rest: the numbers that have not arrived, and are not on the disk either."""
        left, following = on_disk(self.state)
        return set(range(following)) - set(self.seen.judge(TELEMETRY).seqs) - set(left)

    def told(self) -> set[int]:
        """The numbers that the agent said were lost, or were never given out, when it was started."""
        gaps = [each for each in self.seen.payloads(EVENTS) if each["event"] == "dropped"]
        assert {gap["reason"] for gap in gaps} <= {"restart"}
        gaps = [gap for gap in gaps if gap["stream"] == "telemetry"]
        return {seq for gap in gaps for seq in range(gap["from"], gap["to"] + 1)}


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
                    here.lose_line()
                    here.stored(chance.randrange(1, 1500))
                agent.process.send_signal(signal.SIGKILL)
                agent.process.wait(30)
            here.obey("pass")
            kept.update(on_disk(here.state)[0])
        with busy_agent(here.options) as agent:
            here.progress(500)
            agent.process.terminate()
            assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        until(lambda: here.missing() <= here.told(), "everything to arrive, or to be told as lost")
        lost = here.missing()
        check_order_and_marks(here.seen)
    assert not kept & lost, "what was stored is gone"
    assert len(lost) <= KILLS * MOST_UNSTORED


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
            here.lose_line()
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
        until(lambda: not here.missing(), "the last ones to arrive")
        check_order_and_marks(here.seen)
        times = [sample["t"] for sample in here.seen.payloads(TELEMETRY)]
    assert max(times) - min(times) >= (2 * 86400 - 5) * 1000
    assert "dropped" not in [event["event"] for event in agent.events]
