"""Memory of a paired device that is connected: `pairlet run` beside requests and paho-mqtt by hand."""

import threading
from collections.abc import Iterator

from bench.cloud import World, world
from bench.figures import Figure, Setting, Spread
from bench.processes import Memory, check_warm, memory

_ROUNDS = 3
_AIM_MIB = 32.0
_LATER_S = 10.0


def measure(setting: Setting) -> Iterator[Figure]:
    """Resident, peak and private memory right after the first sample is published, and 10 s later."""
    agents: list[tuple[Memory, Memory]] = []
    peers: list[tuple[Memory, Memory]] = []
    with world(setting.folder / "memory") as around:
        # Who compiles needs 8 MB more: the first of each does that, and does not count.
        _look(around, "rehearsal", 0)
        check_warm()
        rounds = 1 if setting.quick else _ROUNDS
        for number in range(rounds):
            setting.say(f"round {number + 1} of {rounds}")
            ours, theirs = _look(around, f"round-{number}", 1.0 if setting.quick else _LATER_S)
            agents.append(ours)
            peers.append(theirs)
    ratio = Spread.of_ratios([now.resident for _, now in agents], [now.resident for _, now in peers])
    later = "1 s" if setting.quick else "10 s"
    yield _figure(f"pairlet run: resident {later} after the first sample", agents, "resident", 1, _AIM_MIB)
    yield _figure("pairlet run: resident at the first sample", agents, "resident", 0, _AIM_MIB)
    yield _figure("pairlet run: the most it ever had", agents, "peak", 1)
    yield _figure("pairlet run: private, not shared with others", agents, "private", 1)
    yield _figure("requests and paho-mqtt by hand: resident", peers, "resident", 1)
    yield _figure("requests and paho-mqtt by hand: private", peers, "private", 1)
    yield Figure("resident: pairlet run / by hand", ratio)


def _look(around: World, name: str, seconds: float) -> tuple[tuple[Memory, Memory], tuple[Memory, Memory]]:
    """The memory of both kinds of device, when they have published and `seconds` later."""
    with around.agent(name, "1h") as agent, around.bare_device() as device:
        pids = (agent.process.pid, device.pid)
        first = [memory(pid) for pid in pids]
        threading.Event().wait(seconds)
        second = [memory(pid) for pid in pids]
        return (first[0], second[0]), (first[1], second[1])


def _figure(
    what: str, looks: list[tuple[Memory, Memory]], field: str, when: int, aim: float | None = None
) -> Figure:
    values = [getattr(look[when], field) for look in looks]
    return Figure(what, Spread.of(values), "MiB", aim)
