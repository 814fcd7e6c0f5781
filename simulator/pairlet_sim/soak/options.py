"""The options of `pairlet sim soak`."""

import argparse
import os

from ..command_line import whole

# A life is long enough for a seed to go through good and bad times, and short enough to be replayed.
LIFE_YEARS = 2.0
_MOST_YEARS = 1_000_000.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Lives device-years in minutes: the real agent in virtual time, with the server, the broker, the "
        "network, the disk, the power and the people around it simulated, and faults drawn from a seed. "
        "The rules of a paired device are checked at every step; the first life that breaks one is shown."
    )
    parser.epilog = "examples:\n  pairlet sim soak --years 1000\n  pairlet sim soak --seed 7 --years 2"
    parser.add_argument("--years", type=_years, default=100.0, metavar="N",
                        help="device-years (default: %(default)g)")  # fmt: skip
    parser.add_argument(
        "--seed", type=_seed, metavar="S",
        help=f"the first life's; each of {LIFE_YEARS:g} years has the next number (default: a fresh one)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=whole, default=os.cpu_count() or 1, metavar="N",
        help="processes (default: one for each processor, %(default)s)",
    )  # fmt: skip
    parser.add_argument("--keep-going", action="store_true", help="go on after a life that broke a rule")
    parser.add_argument(
        "--timeline", type=whole, default=60, metavar="LINES",
        help="how many lines to show of a life that broke a rule (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")


def _years(text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        years = 0
    if not 0 < years <= _MOST_YEARS:
        raise argparse.ArgumentTypeError(f"must be a number of years from above 0 to {_MOST_YEARS:,.0f}")
    return years


def _seed(text: str) -> int:
    seed = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= seed < 1 << 63:
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return seed
