"""The command `pairlet doctor`: everything from the configuration to the broker, a line each."""

import argparse
import asyncio
import os
from collections.abc import Iterable

from .. import __version__
from ..core.errors import StoreError
from .commands_doctor_broker import look_at_backlog, look_at_broker, look_at_sensors
from .commands_doctor_case import Case
from .commands_doctor_server import look_at_client, look_at_clock, look_at_metadata, look_at_token
from .doctor.places import LIMIT_S, Way
from .doctor.reading import ReadOnlyStore, is_of_another, look_at_folder
from .doctor.report import OK, SKIPPED, WARN, Finding, Report, failure
from .doctor.screen import look_at_display
from .health.asking import ask
from .health.place import SOCKET_NAME, connect
from .output import Output
from .worker import in_thread

# In this order. What an earlier one has found missing makes a later one be skipped.
CHECKS = (
    "configuration", "store", "agent", "display", "dns", "tcp", "tls", "clock", "metadata", "client",
    "pairing", "introspection", "broker", "topics", "sensors", "backlog",
)  # fmt: skip
# For a check in which other limits should come first.
_LONGEST_S = 30.0
# What a token takes, and everything beside it.
_LEAST_ROOM = 1_000_000


async def doctor(arguments: argparse.Namespace, output: Output) -> int:
    """Look at all of it; the exit code is that of the first failure."""
    report = Report(output)
    report.begin(__version__)
    cases: list[Case] = []

    async def configure() -> None:
        case = await in_thread(Case, arguments)
        report.hide(case.client.secrets)
        report.add("configuration", OK, case.words())
        cases.append(case)

    if await report.examine("configuration", configure(), LIMIT_S):
        await _look(cases[0], report, output)
    else:
        for check in CHECKS[1:]:
            report.add(check, SKIPPED, "the configuration can't be used")
    return report.end()


async def _look(case: Case, report: Report, output: Output) -> None:
    await report.examine("store", _look_at_store(case, report), LIMIT_S)
    await report.examine("display", _look_at_display(case, report, output), LIMIT_S)
    await report.examine("dns", _try_ways(case.new_ways(), report), _LONGEST_S)
    await report.examine("metadata", look_at_metadata(case, report), _LONGEST_S)
    if others := case.new_ways():
        await report.examine("dns", _try_ways(others, report), _LONGEST_S)
    await look_at_client(case, report)
    if not case.config.text("oauth.issuer"):
        look_at_clock(case, report)
    await look_at_token(case, report)
    await look_at_broker(case, report)
    await report.examine("sensors", look_at_sensors(case, report), _LONGEST_S)
    await report.examine("backlog", look_at_backlog(case, report), _LONGEST_S)


async def _look_at_store(case: Case, report: Report) -> None:
    for finding in await in_thread(_stored, case):
        report.put(finding)


def _stored(case: Case) -> Iterable[Finding]:
    """The state folder, and whoever works with it. Blocks; makes nothing where nothing is."""
    case.live = ask(case.folder)
    if case.live is None and _somebody_listens(case):
        case.live = {}
    agent = _agent(case)
    try:
        store = case.store = ReadOnlyStore(case.folder)
        store.try_out()
        needed = case.config.integer("telemetry.buffer_bytes") if case.has_broker else 0
        room, advice = look_at_folder(case.folder, needed + _LEAST_ROOM)
    except StoreError as error:
        if case.live is None or not is_of_another(case.folder):
            return failure("store", error), agent
        # Root may ask a service whose folder is another user's.
        return Finding("store", WARN, f"{error}; its agent is at work", error.advice), agent
    state = "is this user's alone" if store.is_there else "is not there yet: pairing makes it"
    return Finding("store", WARN if advice else OK, f"{case.folder} {state}; {room}", advice), agent


def _somebody_listens(case: Case) -> bool:
    """Whether an agent is there all the same: one that does not get on keeps its socket."""
    try:
        connect(str(case.folder / SOCKET_NAME), 1.0).close()
    except OSError:
        return False
    return True


def _agent(case: Case) -> Finding:
    if case.live is None:
        return Finding("agent", OK, "none is at work with this folder")
    why = case.live.get("why")
    if why is None:
        return Finding("agent", WARN, "one is there, and does not answer", "Restart it; its log may say why.")
    if case.live.get("status") == "failing":
        return Finding("agent", WARN, f"at work, and stuck: {why}", "Look at its log, or restart it.")
    return Finding("agent", OK, f"at work: {why}")


async def _look_at_display(case: Case, report: Report, output: Output) -> None:
    config = case.config
    port, baudrate = config.text("display.port"), config.integer("display.baudrate")
    name = config.text("display.name")
    report.put(look_at_display(name, output.people, os.environ, port, baudrate))


async def _try_ways(ways: list[Way], report: Report) -> None:
    """Each step for all of them at once."""
    for check in ("dns", "tcp", "tls") if not ways else ():
        report.add(check, SKIPPED, "no server and no broker is configured")
    for step in (Way.look_up, Way.connect, Way.secure):
        for finding in await asyncio.gather(*(step(way) for way in ways)):
            report.put(finding)
