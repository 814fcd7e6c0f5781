"""One life of a seed, from its beginning to its end or to the first broken rule."""

import time
import warnings
from collections.abc import Mapping
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
    with warnings.catch_warnings():
        # Coroutines that a killed process had made and not yet begun are no mistake of anybody's.
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        world = World(seed, years, _REMEMBERS, given)
        world.live()
    lines = world.timeline.lines() if world.broken else []
    return Life(seed, years, world.broken, lines, world.tally, time.process_time() - began)
