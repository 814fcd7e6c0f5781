"""What a published sample costs a device that measures ten times a second, all in all."""

import statistics
from collections.abc import Iterator

from bench.cloud import world
from bench.figures import Figure, Setting, Spread
from bench.processes import Peer, check_warm, cpu_s
from support.agent_process import AgentProcess

_ROUNDS = 7
_SAMPLES = 40  # a round
_INTERVAL_S = 0.1


def measure(setting: Setting) -> Iterator[Figure]:
    """CPU a sample: `pairlet run`, which reads eight sensors for each, beside paho-mqtt with constants."""
    ours, theirs = [], []
    samples = 10 if setting.quick else _SAMPLES
    with (
        world(setting.folder / "publish") as around,
        around.agent("busy", f"{_INTERVAL_S * 1000:g}ms") as agent,
        around.bare_device(_INTERVAL_S) as device,
    ):
        _round(agent, device, 20)  # catches up with what was published before the other one was there
        check_warm()
        rounds = setting.rounds(_ROUNDS)
        for number in range(rounds):
            setting.say(f"round {number + 1} of {rounds}")
            one, other = _round(agent, device, samples)
            ours.append(one)
            theirs.append(other)
    note = f"{statistics.median(ours):.2f} ms against {statistics.median(theirs):.2f} ms"
    what = "pairlet run, 10/s, sensors read / paho-mqtt's loop_start, 10/s"
    yield Figure(what, Spread.of_ratios(ours, theirs), note=note)


def _round(agent: AgentProcess, device: Peer, samples: int) -> tuple[float, float]:
    """CPU milliseconds a message of both, side by side, while the agent publishes `samples`."""
    counted = int(device.ask("?"))
    before = cpu_s(agent.process.pid), cpu_s(device.pid)
    for _ in range(samples):
        agent.wait_for("published")
    after = cpu_s(agent.process.pid), cpu_s(device.pid)
    sent = int(device.ask("?")) - counted
    return 1000 * (after[0] - before[0]) / samples, 1000 * (after[1] - before[1]) / sent
