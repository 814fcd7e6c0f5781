"""20,000 samples through all that a network and a broker can do: none is lost, and their order is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pairlet_sim.faultproxy import FaultProxy
from support.busy_agent import busy_agent, load, on_disk
from support.processes import until
from support.rabbitmq import WATCHER, WATCHER_PASSWORD
from support.rabbitmq_cloud import rabbit_cloud
from support.recorder import Recorder
from support.thread_loop import ThreadLoop, kept_open

SAMPLES = 20000
# For an agent whose clock is so fast, a token ends every few seconds.
LIFETIME_S = 120
TOPIC = "devices/mast/telemetry"


class Line:
    """The way to the broker, which can be spoilt, and what arrives."""

    def __init__(self, proxy: FaultProxy, loop: ThreadLoop, seen: Recorder):
        self._proxy, self._loop, self._seen = proxy, loop, seen

    def obey(self, words: str) -> None:
        """Spoil it, or mend it."""
        self._loop.call(self._proxy.obey, words)

    def spoil(self, words: str, times: int = 1) -> None:
        """Until the agent has tried anew so many times; then all is well again."""
        with self.hurts(times):
            self.obey(words)
        self.obey("pass")
        self.recovers()

    @contextmanager
    def hurts(self, times: int = 1) -> Iterator[None]:
        """What the block begins goes on until the agent has made so many new connections."""
        before = self._proxy.accepted
        yield
        until(lambda: self._proxy.accepted >= before + times, "the agent to try anew")

    def recovers(self) -> None:
        """Wait until samples arrive that were taken now."""
        self._seen.wait_for_count(TOPIC, self._seen.count(TOPIC) + 300)


@pytest.mark.timeout(300)
def test_every_fault_of_network_and_broker_in_one_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with (
        rabbit_cloud(tmp_path, interval_s=1, access_token_lifetime_s=LIFETIME_S) as cloud,
        kept_open(lambda: FaultProxy(("127.0.0.1", cloud.broker.port)), "faultproxy") as (proxy, loop),
        Recorder(cloud.broker.port, "devices/mast/+", username=WATCHER, password=WATCHER_PASSWORD) as seen,
    ):
        device = cloud.device("mast", state, f"mqtt.url=mqtt://127.0.0.1:{proxy.port}")
        device.pair()
        with busy_agent(device.options + load(500)) as agent:
            line = Line(proxy, loop, seen)
            seen.wait_for_count(TOPIC, 500)
            line.spoil("reset-every 2", 4)
            line.spoil("hold-pubacks")
            line.spoil("cut-before-puback 5", 4)
            line.spoil("blackhole")
            line.spoil("lose")
            with line.hurts():
                cloud.broker.suspend()
            cloud.broker.resume()
            line.recovers()
            with line.hurts():
                cloud.broker.kill()
            cloud.broker.start()
            line.recovers()
            seen.wait_for_count(TOPIC, SAMPLES)
            agent.process.terminate()
            assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
        left, following = on_disk(state)
        until(lambda: seen.count(TOPIC) + len(left) >= following, "the last ones")
        judgement = seen.judge(TOPIC)
    names = [event["event"] for event in agent.events]
    assert "dropped" not in names and "unpaired" not in names
    assert judgement.unmarked == [] and judgement.repeats > 0
    assert judgement.seqs == sorted(judgement.seqs)
    assert sorted({*judgement.seqs, *left}) == list(range(following))
    # Renewed under load, again and again, beside all that.
    assert names.count("refreshed") >= 5 and names.count("mqtt_connected") >= 15
