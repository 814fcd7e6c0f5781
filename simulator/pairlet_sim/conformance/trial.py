"""One scenario, one client: run its commands, judge what they did."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..faults.checks import judge
from ..faults.evidence import PAIR, THEN, UNPAIR, Evidence, Finding, Run
from ..faults.scenario import Scenario
from ..faults.server import FaultServer
from ..faults.turn import now
from .client import ClientCommands, filled_in, run_client

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"

# So much later nobody can take the access token for a good one any more.
_SURELY_OVER_S = 0.2


@dataclass(frozen=True)
class Result:
    """`findings`: what it did wrong, when failed. `reason`: why not, when not applicable."""

    scenario: Scenario
    outcome: str
    findings: list[Finding] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0
    evidence: Evidence | None = field(default=None, repr=False)


def why_not(scenario: Scenario, commands: ClientCommands) -> str:
    """Why `scenario` says nothing about a client with these commands, or an empty string."""
    if scenario.certificate and not commands.uses("ca_file"):
        return "the commands take no {ca_file}, so there is no TLS"
    if scenario.then and commands.then is None:
        return "there is no --then command"
    if scenario.unpair is not None and commands.unpair is None:
        return "there is no --unpair command"
    if scenario.about_metadata and not commands.uses("issuer"):
        return "the commands take no {issuer}, so there is no discovery"
    return ""


class Trial:
    """A client's commands, one scenario at a time. `values`: the placeholders that are the same for all."""

    def __init__(self, server: FaultServer, commands: ClientCommands, values: dict[str, str]):
        self._server = server
        self._commands = commands
        self._values = values

    async def run(self, scenario: Scenario, ordinary: Result | None = None) -> Result:
        """Run the commands and judge them. Raises CommandError if one can't be started.

        `ordinary` is what came of them when nothing went wrong. A client that could not pair even then
        is not run: whatever it did would say nothing.
        """
        reason = why_not(scenario, self._commands)
        if not reason and ordinary is not None and not paired(ordinary):
            reason = "the client can't pair even when nothing goes wrong"
        if reason:
            return Result(scenario, NOT_APPLICABLE, reason=reason)
        began_at = now()
        with tempfile.TemporaryDirectory(prefix="pairlet-conformance-") as folder:
            runs = await self._run_commands(scenario, self._filler(scenario, Path(folder)))
        evidence = self._server.site(scenario.name).evidence(runs)
        return _judged(evidence, now() - began_at)

    def _filler(self, scenario: Scenario, state_dir: Path) -> Callable[[list[str]], list[str]]:
        issuer = self._server.issuer(scenario.name)
        values = {
            **self._values,
            "issuer": issuer,
            "device_authorization_endpoint": issuer + "/device_authorization",
            "token_endpoint": issuer + "/token",
            "revocation_endpoint": issuer + "/revoke",
            "state_dir": str(state_dir),
        }
        return lambda words: filled_in(words, values)

    async def _run_commands(self, scenario: Scenario, fill: Callable[[list[str]], list[str]]) -> list[Run]:
        commands, site = self._commands, self._server.site(scenario.name)
        runs = [await run_client(PAIR, fill(commands.pair), scenario.limit_s)]
        if runs[0].exit_code != 0:
            return runs
        for _ in scenario.then:
            assert commands.then is not None
            await asyncio.sleep(max(0.0, site.rests_until + _SURELY_OVER_S - now()))
            runs.append(await run_client(THEN, fill(commands.then), scenario.limit_s))
        if scenario.unpair is not None:
            assert commands.unpair is not None
            runs.append(await run_client(UNPAIR, fill(commands.unpair), scenario.limit_s))
        return runs


def paired(result: Result) -> bool:
    """Whether the client has a token, by its own account."""
    return result.evidence is not None and any(run.exit_code == 0 for run in result.evidence.runs_of(PAIR))


def _judged(evidence: Evidence, seconds: float) -> Result:
    scenario = evidence.scenario
    reason = scenario.missed(evidence)
    if reason:
        return Result(scenario, NOT_APPLICABLE, reason=reason, seconds=seconds, evidence=evidence)
    findings = [Finding(None, trouble) for trouble in evidence.troubles] + judge(evidence)
    return Result(scenario, FAILED if findings else PASSED, findings, "", seconds, evidence)
