"""What a benchmark brings home: figures with their spread, their aim, and whether it was met.

The machine that measures is never the one that ships, and is shared with others: what counts is a
ratio of two things measured in the same round, and the median of it over the rounds.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import check_warm


class Skipped(Exception):
    """A benchmark can't run on this machine; the text says why, and what to install."""


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of what several rounds gave."""

    median: float
    low: float
    high: float
    rounds: int

    @staticmethod
    def of(values: Iterable[float]) -> "Spread":
        """The spread of `values`, of which there is one a round. ValueError without any."""
        found = list(values)
        if not found:
            raise ValueError("there was no round")
        return Spread(statistics.median(found), min(found), max(found), len(found))

    @staticmethod
    def of_ratios(ours: Sequence[float], theirs: Sequence[float]) -> "Spread":
        """Round by round `ours` divided by `theirs`: noise that lasts a round meets both."""
        return Spread.of(one / other for one, other in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class Figure:
    """One result. `what` is compared or counted, in `unit`: "x" for a ratio, else as it is written.

    `aim`: the most that the median may be, None for a figure that only stands beside another one.
    `note`: the absolute values behind it, for a reader.
    """

    what: str
    spread: Spread
    unit: str = "x"
    aim: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median is within the aim; None without an aim. Nothing is rounded in our favour."""
        return None if self.aim is None else self.spread.median <= self.aim


@dataclass(frozen=True)
class Setting:
    """How to measure: `quick` for a look (few rounds), `folder` for files, `say` for progress."""

    quick: bool
    folder: Path
    say: Callable[[str], None]

    def rounds(self, usual: int) -> int:
        """How many rounds to take: `usual`, or 3 for a look."""
        return min(3, usual) if self.quick else usual


def in_turns(
    setting: Setting, candidates: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Measure each candidate once a round, in turns; return name to values, one a round.

    A round before the first does not count: it compiles, and fills the caches of the file system.
    """
    for measure in candidates.values():
        measure()
    check_warm()
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        setting.say(f"round {number + 1} of {rounds}")
        for name, measure in candidates.items():
            values[name].append(measure())
    return values
