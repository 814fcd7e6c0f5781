"""What came of the trials: a table on a terminal, lines elsewhere, JSON for programs; progress meanwhile."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from ..command_line import print_json, print_text
from ..faults.evidence import Finding
from ..faults.journal import shown
from ..faults.listing import is_terminal
from ..faults.obligations import SECTIONS, cited
from ..faults.turn import now
from .trial import FAILED, NOT_APPLICABLE, PASSED, Result

_STYLES = {PASSED: "green", FAILED: "bold red", NOT_APPLICABLE: "dim"}


class View(Protocol):
    """Hears of each trial as it ends, and of all of them at the end."""

    def tell(self, result: Result) -> None:
        """One trial has ended."""

    def show(self, results: list[Result]) -> None:
        """All have ended; `results` are in the order of the table."""


@contextlib.contextmanager
def open_view(as_json: bool, count: int) -> Iterator[View]:
    """The view that fits stdout, for `count` trials."""
    if as_json:
        yield JsonView()
    elif is_terminal():
        with Progress(*_columns(), console=Console(), transient=True) as progress:
            yield TerminalView(progress, count)
    else:
        yield LineView(count)


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()


def in_words(finding: Finding) -> str:
    """A finding with the item that it breaks."""
    return f"{shown(finding.did, 200)} ({cited(finding.item)})"


def summary(results: list[Result], seconds: float) -> str:
    """All results in one line."""
    counts = Counter(result.outcome for result in results)
    parts = [f"{counts[outcome]} {outcome}" for outcome in (PASSED, FAILED, NOT_APPLICABLE)]
    more = ". What the commands wrote, --logs DIR keeps." if counts[FAILED] else "."
    return ", ".join(parts) + f", in {seconds:.0f} s" + more


class _Timed:
    def __init__(self) -> None:
        self._began_at = now()

    def _summary(self, results: list[Result]) -> str:
        return summary(results, now() - self._began_at)


class JsonView(_Timed):
    """A line of JSON for each trial, and one for all."""

    def tell(self, result: Result) -> None:
        """Print it."""
        findings = [
            {"item": finding.item, "section": SECTIONS.get(finding.item or 0), "did": finding.did}
            for finding in result.findings
        ]
        print_json(
            "scenario",
            {
                "scenario": result.scenario.name,
                "outcome": result.outcome,
                "items": list(result.scenario.items),
                "findings": findings,
                "reason": result.reason,
                "seconds": round(result.seconds, 1),
            },
        )

    def show(self, results: list[Result]) -> None:
        """Print how many there were of each."""
        counts = Counter(result.outcome.replace(" ", "_") for result in results)
        names = [outcome.replace(" ", "_") for outcome in (PASSED, FAILED, NOT_APPLICABLE)]
        seconds = round(now() - self._began_at, 1)
        print_json("conformance", {**{name: counts[name] for name in names}, "seconds": seconds})


class LineView(_Timed):
    """Lines on stdout at the end, and one for each trial on stderr as it ends."""

    def __init__(self, count: int):
        super().__init__()
        self._left = count

    def tell(self, result: Result) -> None:
        """Say how many are left."""
        self._left -= 1
        with contextlib.suppress(OSError):
            said = f"{result.outcome}: {result.scenario.name} ({self._left} left)"
            print(said, file=sys.stderr, flush=True)

    def show(self, results: list[Result]) -> None:
        """Print all, with what was wrong below."""
        for result in results:
            reason = f"  {result.reason}" if result.reason else ""
            print_text(f"{result.outcome:14}  {result.scenario.name}{reason}")
            for finding in result.findings:
                print_text(f"{'':16}it {in_words(finding)}")
        print_text(self._summary(results))


class TerminalView(_Timed):
    """A bar that grows, then a table."""

    def __init__(self, progress: Progress, count: int):
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("scenarios", total=count)

    def tell(self, result: Result) -> None:
        """Let the bar grow."""
        self._progress.update(self._task, advance=1, description=result.scenario.name)

    def show(self, results: list[Result]) -> None:
        """Take the bar away and draw the table."""
        self._progress.stop()
        table = Table(caption=self._summary(results))
        table.add_column("scenario", no_wrap=True)
        table.add_column("outcome", no_wrap=True)
        table.add_column("what it did", ratio=1, overflow="fold")
        for result in results:
            what = "\n".join(in_words(finding) for finding in result.findings) or result.reason
            outcome = Text(result.outcome, _STYLES[result.outcome])
            # As Text: what a client wrote must not be taken for markup.
            table.add_row(result.scenario.name, outcome, Text(what))
        self._progress.console.print(table)
