"""`pairlet sim soak`: device-years of the real agent in minutes.

Exit codes: 0 no rule was broken, 6 one was, 2 usage, 130 interrupted.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

from ..command_line import DONE, FAILED, INTERRUPTED, print_json, print_text
from .life import Life, live
from .options import LIFE_YEARS
from .report import describe_failure, figures, report
from .tally import Tally

_TELLS_EVERY_S = 1.0
_TELLS_A_FILE_EVERY_S = 30.0


def run(options: argparse.Namespace) -> int:
    """Carry the command out; return the exit code."""
    seed = fresh_seed() if options.seed is None else options.seed
    progress = _Progress(seed, options.years)
    tally, failures, cpu_s, lives = Tally(), [], 0.0, 0
    interrupted = False
    try:
        with _stoppable():
            for life in _lives(list(plan(seed, options.years)), options.jobs):
                tally.add(life.tally)
                cpu_s += life.cpu_s
                lives += 1
                if life.broken is not None:
                    failures.append(life)
                progress.tell(tally, len(failures))
                if failures and not options.keep_going:
                    break
    except KeyboardInterrupt:
        interrupted = True
    progress.clear()
    if options.json:
        print_json("soak", {"seed": seed, **figures(tally, cpu_s, lives, failures)})
    else:
        for life in failures:
            print_text(describe_failure(life, options.timeline) + "\n")
        print_text(report(tally, cpu_s, lives, len(failures)))
    return INTERRUPTED if interrupted else FAILED if failures else DONE


def fresh_seed() -> int:
    """One that nobody has seen, and that can be typed."""
    return int.from_bytes(os.urandom(4), "big")


def plan(seed: int, years: float) -> Iterator[tuple[int, float]]:
    """Seed and years of each life."""
    left = years
    while left > 1e-9:
        yield seed, min(left, LIFE_YEARS)
        seed, left = seed + 1, left - LIFE_YEARS


def _lives(plans: "list[tuple[int, float]]", jobs: int) -> Iterable[Life]:
    jobs = min(jobs, len(plans))
    if jobs == 1:
        yield from map(_live, plans)
        return
    # Ctrl-C reaches all of a terminal's processes, and the first of them ends the others. Blocked from birth:
    # a worker that is hit while it starts would say so at length. (The tracker's start would unblock it.)
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool = multiprocessing.get_context("spawn").Pool(jobs, _obey_terminate)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield from pool.imap_unordered(_live, plans)
    finally:
        pool.terminate()
        pool.join()


def _live(plan: "tuple[int, float]") -> Life:
    return live(*plan)


def _obey_terminate() -> None:
    """In a worker."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Progress:
    """One line on stderr: rewritten on a terminal, now and then a new one in a file."""

    def __init__(self, seed: int, years: float):
        self._years = years
        self._seed = seed
        self._is_terminal = sys.stderr.isatty()
        self._told_at = time.monotonic()
        print(f"pairlet sim soak: {years:g} device-years from seed {seed} on", file=sys.stderr, flush=True)

    def tell(self, tally: Tally, broken: int) -> None:
        """How far it is."""
        now = time.monotonic()
        if now - self._told_at < (_TELLS_EVERY_S if self._is_terminal else _TELLS_A_FILE_EVERY_S):
            return
        self._told_at = now
        words = (
            f"{tally.years:,.0f} of {self._years:,g} device-years, {tally.counts['refresh']:,} refreshes, "
            f"{sum(tally.troubles.values()):,} faults, {broken} rules broken"
        )
        end = "" if self._is_terminal else "\n"
        print(("\r\x1b[K" if self._is_terminal else "") + words, end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
