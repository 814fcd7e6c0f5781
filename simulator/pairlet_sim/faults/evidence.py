"""What verdicts are made from, and what they say."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .journal import Code, Exchange, shown

if TYPE_CHECKING:
    from .scenario import Scenario

PAIR, THEN, UNPAIR = "pair", "then", "unpair"

# How programs of several languages say that nobody caught an exception.
_CRASHES = re.compile(
    r"^Traceback \(most recent call last\):|^panic: |^thread '.*' panicked at |^Exception in thread"
    r"|^\s+at .+\(.+:\d+:\d+\)$|Unhandled (?:promise|exception)",
    re.MULTILINE,
)


class Finding(NamedTuple):
    """What a client did that it should not have, and the item that says so (None: good practice)."""

    item: int | None
    did: str


@dataclass(frozen=True)
class Run:
    """One command of the client. `exit_code` is negative for a signal, None if it had to be stopped."""

    kind: str
    started_at: float
    ended_at: float
    exit_code: int | None
    stdout: str = field(default="", repr=False)
    stderr: str = field(default="", repr=False)

    @property
    def output(self) -> str:
        """Everything that people could see."""
        return self.stdout + "\n" + self.stderr

    @property
    def crashed(self) -> bool:
        """Whether an exception that nobody caught ended it, or a signal that nobody sent."""
        return (self.exit_code or 0) < 0 or bool(_CRASHES.search(self.stderr))

    @property
    def ending(self) -> str:
        """How it ended, in words that follow "it"."""
        if self.exit_code is None:
            return f"was still running after {self.ended_at - self.started_at:.0f} s"
        words = f"ended by signal {-self.exit_code}" if self.exit_code < 0 else f"ended with {self.exit_code}"
        return f"{words}, uncaught: {self._last_line()}" if self.crashed else words

    def _last_line(self) -> str:
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return shown(lines[-1]) if lines else "nothing was said"


@dataclass(frozen=True)
class Evidence:
    """All that is known: the journal, the codes that were issued, and, if it was run by us, the commands.

    `troubles`: where the simulated person got stuck, or other reasons to doubt the rest.
    """

    scenario: "Scenario"
    exchanges: list[Exchange]
    codes: list[Code]
    runs: list[Run] = field(default_factory=list)
    confidential: bool = False
    troubles: list[str] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Exchange]:
        """The requests of these kinds, in order."""
        return [each for each in self.exchanges if each.kind in kinds]

    def runs_of(self, kind: str) -> list[Run]:
        """The commands of this kind, in order."""
        return [run for run in self.runs if run.kind == kind]

    @property
    def output(self) -> str:
        """Everything that the client has shown."""
        return "\n".join(run.output for run in self.runs)

    def during(self, run: Run) -> list[Exchange]:
        """The requests that arrived while `run` ran."""
        return [each for each in self.exchanges if run.started_at <= each.at <= run.ended_at]
