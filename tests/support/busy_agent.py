"""`pairlet run` under load: a real agent whose clock is fast, so that it measures hundreds of times a second.

Everything that it waits for (an acknowledgement, a token's end, its pauses) comes PACE times sooner.
"""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pairlet.config import Config
from pairlet.linux.segment_files import SegmentFolder
from pairlet.storing import make_outbox
from support.agent_process import AgentProcess, started_by
from support.shifted_clock import FAST_AGENT

PACE = 20
# The shortest interval that a configuration may ask for would take half an hour; and what paho-mqtt waits
# for goes by its own clock.
_HASTE = (
    "from pairlet import config; config._LOWEST['telemetry.interval'] = 1; "
    "from pairlet.linux.mqtt import PahoMqtt; PahoMqtt.__init__.__kwdefaults__['connect_timeout_s'] = 2.0; "
)


def load(samples_a_second: int) -> list[str]:
    """Options for so many small samples a second, sent as fast as it goes; only `busy_agent` takes them."""
    interval = f"telemetry.interval={PACE * 1000 // samples_a_second}ms"
    settings = (interval, "telemetry.sensors=uptime_seconds", "telemetry.replay_rate=0")
    return [word for setting in settings for word in ("--set", setting)]


@contextmanager
def busy_agent(options: list[str], change: str = "", *before: str) -> Iterator[AgentProcess]:
    """`pairlet run`; `change` is Python that changes it first, `before` a program that starts it."""
    words = [
        *before,
        sys.executable,
        *FAST_AGENT,
        str(PACE),
        _HASTE + change,
        "run",
        *options,
        "--json",
    ]
    with started_by(words) as agent:
        yield agent


def on_disk(state: Path) -> tuple[list[int], int]:
    """The numbers of the samples that wait in a state folder, and the number of the next one."""
    found = []
    with closing(SegmentFolder(state / "outbox", writes=False)) as logs:
        outbox = make_outbox(Config({"telemetry.replay_rate": 0}), logs)
        while (record := outbox.next(0)) is not None:
            if record.stream == "telemetry":
                found.append(record.seq)
        return found, outbox.add_sample(None, {}, 0)
