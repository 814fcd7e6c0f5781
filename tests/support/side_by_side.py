"""Five processes on one state folder: two `pairlet run`, and three loops of `pairlet token`.

The server forgives nothing: one refresh token used twice, and the family is over.
"""

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.agent_process import AgentProcess, environment
from support.cloud import CLIENT_ID, Cloud, cloud
from support.forked_agent import ForkedAgent, Round, forked_agent
from support.processes import until
from support.shifted_clock import FAST_AGENT

RUNS, LOOPS = 2, 3
# Agents for which time goes so much faster: a token is to be replaced four times a second.
_PACE = 16
_LIFETIME_S = 8
# A loop asks at moments of its own; without a pause nobody else would ever be first.
_LONGEST_PAUSE_S = 0.1
# What starts anew is slower than what is at work: only with clocks that are ahead is it ever first.
_AHEAD_MS = 2000
# Both agents at work find the token due in the same millisecond.
_NO_CHANCE = """
from pairlet.linux.entropy import SystemEntropy
SystemEntropy.random_bytes = lambda self, count: bytes(count)
"""


@dataclass
class Family:
    """What came of it.

    outcomes: how the server answered at its token endpoint. families: how many pairings there are, and
    revoked: whether one is over. by_runs: refreshes that the `run` processes made; the others were made by
    `token`. tokens: what that handed out, how often each; failed: its rounds that brought none.
    exit_codes, errors: of the `run` processes.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    families: int = 0
    revoked: bool = False
    by_runs: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    failed: list[Round] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    errors: str = ""

    @property
    def refreshed(self) -> int:
        """How many refreshes there were."""
        return self.outcomes["refreshed"]


def side_by_side(folder: Path, refreshes: int, *, seed: int = 0, sabotage: str = "") -> Family:
    """Let them work until the server has seen so many refreshes, or one of them has no token any more.

    `sabotage`: Python that breaks all of them.
    """
    family = Family()
    with cloud(interval_s=1, access_token_lifetime_s=_LIFETIME_S) as simulated:
        options = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        options += ["--state-dir", str(folder / "state")]
        with ExitStack() as stack:
            first = stack.enter_context(_fast_run(options, sabotage))
            simulated.approve(first.wait_for("code"))
            first.wait_for("paired")
            runs = [first, *(stack.enter_context(_fast_run(options, sabotage)) for _ in range(RUNS - 1))]
            stop = threading.Event()
            for number in range(LOOPS):
                agent = stack.enter_context(forked_agent(environment(), pace=_PACE, sabotage=sabotage))
                stack.enter_context(_looping(agent, options, family, stop, seed + number))
            until(
                lambda: _refreshes(simulated) >= refreshes or family.failed,
                f"{refreshes} refreshes",
                timeout=refreshes,
            )
            stop.set()
            for run in runs:
                run.process.terminate()
                family.exit_codes.append(run.end())
                family.by_runs += sum(event["event"] == "refreshed" for event in run.events)
                family.errors += "".join(run.errors)
        family.outcomes.update(
            event.outcome for event in simulated.server.events if event.endpoint == "token"
        )
        pairings = simulated.server.pairings()
        family.families, family.revoked = len(pairings), any(each.revoked_at for each in pairings)
    return family


def _refreshes(simulated: Cloud) -> int:
    return sum(event.outcome == "refreshed" for event in simulated.server.events)


@contextmanager
def _fast_run(options: list[str], sabotage: str) -> Iterator[AgentProcess]:
    process = subprocess.Popen(
        [
            sys.executable,
            *FAST_AGENT,
            str(_PACE),
            _NO_CHANCE + sabotage,
            "run",
            *options,
            "--display",
            "none",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield AgentProcess(process)
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def _looping(
    agent: ForkedAgent, options: list[str], family: Family, stop: threading.Event, seed: int
) -> Iterator[None]:
    """A thread that asks for a token until `stop` is set; at the end of the block it has ended."""
    chance = random.Random(seed)

    def loop() -> None:
        while not stop.wait(chance.uniform(0, _LONGEST_PAUSE_S)):
            done = agent.run(["token", *options], ahead_ms=chance.randrange(_AHEAD_MS))
            if done.exit_code == 0:
                family.tokens[done.stdout.strip()] += 1
            else:
                family.failed.append(done)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
