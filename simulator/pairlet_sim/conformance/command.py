"""`pairlet sim conformance`: all trials, several at a time, and the table of what came of them."""

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..authserver import ServeError, SettingsError
from ..command_line import DONE, FAILED, INTERRUPTED, NETWORK, CommandError, signals
from ..faults.scenario import Scenario
from ..faults.scenarios import ALL, BY_NAME, ORDINARY
from ..faults.server import UnknownScenario, scenario_of
from ..faults.serving import Wanted, cast_of, open_faults
from .client import ClientCommands, commands_of, write_secret
from .logs import write_logs
from .trial import FAILED as TRIAL_FAILED
from .trial import PASSED, Result, Trial, paired
from .view import View, open_view

# With characters that Basic credentials have to encode (RFC 6749 section 2.3.1).
_CLIENT_ID, _SECRET_TAIL = "conformance", ":%+ &="


async def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises CommandError."""
    commands = commands_of(options.words, options.then, options.unpair)
    scenarios = chosen(options.only, options.skip)
    if options.logs is not None:
        _make(options.logs)
    try:
        with signals() as stopped, tempfile.TemporaryDirectory(prefix="pairlet-conformance-") as folder:
            work = asyncio.ensure_future(_work(options, commands, scenarios, Path(folder)))
            both: set[asyncio.Future[Any]] = {work, stopped}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                return INTERRUPTED
            return DONE if work.result() else FAILED
    except ServeError as error:
        raise CommandError(str(error), NETWORK) from error
    except SettingsError as error:
        raise CommandError(str(error)) from error


def chosen(only: list[str], skip: list[str]) -> list[Scenario]:
    """The scenarios that the options leave, in the order of the table. Raises CommandError."""
    try:
        for option, values in (("--only", only), ("--skip", skip)):
            if values and not _names(values):
                raise CommandError(f"{option} names no scenario; `pairlet sim faults --list` shows them all.")
        wanted = [scenario_of(name) for name in _names(only)] or list(ALL)
        unwanted = [scenario_of(name) for name in _names(skip)]
    except UnknownScenario as error:
        raise CommandError(str(error)) from None
    left = [each for each in ALL if each in wanted and each not in unwanted]
    if not left:
        raise CommandError("--skip leaves no scenario to run; name fewer.")
    return left


def _names(values: list[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} can't be made: {error.strerror}. Choose another --logs.") from None


async def _work(
    options: argparse.Namespace, commands: ClientCommands, scenarios: list[Scenario], folder: Path
) -> bool:
    """Run all trials; whether some passed and none failed."""
    values, secret = {"client_id": _CLIENT_ID}, None
    if commands.uses("client_secret_file"):
        secret = secrets.token_urlsafe(9) + _SECRET_TAIL
        values["client_secret_file"] = str(write_secret(folder, secret))
    ca_file = folder / "ca.pem" if commands.uses("ca_file") else None
    values["ca_file"] = str(ca_file or "")
    cast = cast_of(_CLIENT_ID, secret, options.scope)
    async with open_faults(Wanted(cast, ca_file=ca_file)) as server:
        trial = Trial(server, commands, values)
        with open_view(options.json, len(scenarios)) as view:
            results = await _all(trial, scenarios, options.jobs, _teller(view, options.logs))
            view.show(results)
    outcomes = [result.outcome for result in results]
    return PASSED in outcomes and TRIAL_FAILED not in outcomes


def _teller(view: View, logs: Path | None) -> Callable[[Result], None]:
    def tell(result: Result) -> None:
        if logs is not None:
            write_logs(logs, result)
        view.tell(result)

    return tell


async def _all(
    trial: Trial, scenarios: list[Scenario], jobs: int, tell: Callable[[Result], None]
) -> list[Result]:
    """The results in the order of `scenarios`."""
    gate = asyncio.Semaphore(jobs)
    ordinary = asyncio.ensure_future(trial.run(BY_NAME[ORDINARY]))

    async def one(scenario: Scenario) -> Result:
        before = await asyncio.shield(ordinary)
        async with gate:
            result = before if scenario.name == ORDINARY else await trial.run(scenario, before)
        tell(result)
        return result

    # What takes longest comes first, or it would be what everybody waits for at the end.
    longest_first = sorted(scenarios, key=_patience, reverse=True)
    tasks = {each.name: asyncio.ensure_future(one(each)) for each in longest_first}
    tasks[""] = ordinary
    try:
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    results, known = [tasks[each.name].result() for each in scenarios], ordinary.result()
    if not paired(known) and known not in results:
        # Not asked for, but the reason for all the others.
        tell(known)
        results.insert(0, known)
    return results


def _patience(scenario: Scenario) -> float:
    return scenario.limit_s + scenario.wait_s + 5 * len(scenario.then) + 5 * (18 in scenario.items)
