"""One life of a seed, from its beginning to its end or to the first broken rule."""

import contextlib
import inspect
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .tally import Tally
from .weather import NOTHING
from .world import World

# How much of the timeline a life remembers.
_REMEMBERS = 400


class Life(NamedTuple):
    """What became of it. `broken`: the rule that was broken and in which way, or None.

    `timeline`: one line for each of the last things that happened. `cpu_s`: seconds of processor time.
    """

    seed: int
    years: float
    broken: tuple[str, str] | None
    timeline: list[str]
    tally: Tally
    cpu_s: float


def live(seed: int, years: float, given: Mapping[str, object] = NOTHING) -> Life:
    """Live the life of `seed` for `years` device-years. `given`: what is not left to chance, see draw_era."""
    began = time.process_time()
    with _killed_in_peace():
        world = World(seed, years, _REMEMBERS, given)
        world.live()
    lines = world.timeline.lines() if world.broken else []
    return Life(seed, years, world.broken, lines, world.tally, time.process_time() - began)


@contextlib.contextmanager
def _killed_in_peace() -> Iterator[None]:
    """Coroutines that a killed process had made and not yet begun are no mistake of anybody's."""
    hook = sys.unraisablehook

    def hear(unraisable: "sys.UnraisableHookArgs") -> None:
        # Found by the garbage collector within a named tuple's __new__, which has no builtins, the warning
        # itself can't be imported (CPython 3.11).
        if not (inspect.iscoroutine(unraisable.object) and isinstance(unraisable.exc_value, KeyError)):
            hook(unraisable)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        sys.unraisablehook = hear
        try:
            yield
        finally:
            sys.unraisablehook = hook
