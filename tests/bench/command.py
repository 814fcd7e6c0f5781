"""The command line of `./run bench`."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from bench import (
    board,
    fleet_refresh,
    install,
    kills,
    memory,
    poll,
    publish,
    side_by_side,
    start,
    telemetry,
    wakeups,
)
from bench.figures import Figure, Setting, Skipped
from bench.processes import prepare_environment
from bench.report import as_json, as_text, skipped_as_json, skipped_as_text


class Benchmark(NamedTuple):
    """`measure` yields figures and may raise Skipped; `meaning` is its line in --help."""

    measure: Callable[[Setting], Iterable[Figure]]
    meaning: str


# A new benchmark is a module with such a function, and a line here.
BENCHMARKS = {
    "start": Benchmark(start.measure, "CPU from a cold start to the first device authorization request"),
    "poll": Benchmark(poll.measure, "CPU of one poll on a new TLS connection, with a whole CA bundle"),
    "memory": Benchmark(memory.measure, "memory of a paired and connected device, TLS everywhere"),
    "wakeups": Benchmark(wakeups.measure, "wake-ups a minute of a connected device that is idle"),
    "publish": Benchmark(publish.measure, "CPU of a published sample"),
    "telemetry": Benchmark(
        telemetry.measure, "the durable outbox: CPU, throughput, memory, bytes written, wake-ups"
    ),
    "install": Benchmark(install.measure, "size of what is installed"),
    "fleet-refresh": Benchmark(
        fleet_refresh.measure, "how evenly 1,000 agents come back after what met all of them at once"
    ),
    "kills": Benchmark(kills.measure, "pairings that end when the agent is killed while it refreshes"),
    "side-by-side": Benchmark(side_by_side.measure, "two agents and three more commands on one state folder"),
    "board": Benchmark(board.measure, "the firmware on a board: its .mpy files and the heap it takes"),
}


def main(words: list[str]) -> int:
    """Run what is asked for. Returns 0 when it was measured, met or not; 1 for a failure; 130: stopped."""
    options = _parser().parse_args(words)
    names = options.names or list(BENCHMARKS)
    # Everything that runs is ended on the way out of a with block, so SIGTERM has to go that way too.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="pairlet-bench-") as folder:
            prepare_environment()
            return max([_run(name, options, Path(folder)) for name in names])
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130


def _run(name: str, options: argparse.Namespace, folder: Path) -> int:
    """Measure one thing and print it at once; the others go on whatever becomes of it."""

    def say(text: str) -> None:
        print(f"bench: {name}: {text}", file=sys.stderr, flush=True)

    benchmark = BENCHMARKS[name]
    say(benchmark.meaning)
    own = folder / name
    own.mkdir()
    try:
        figures = list(benchmark.measure(Setting(options.quick, own, say)))
    except Skipped as reason:
        skipped = skipped_as_json if options.json else skipped_as_text
        print(skipped(name, str(reason)), flush=True)
        return 0
    except (RuntimeError, AssertionError, OSError) as error:
        say(f"failed: {error}")
        return 1
    if options.json:
        print("\n".join(as_json(name, figure, options.quick) for figure in figures), flush=True)
    else:
        caution = " (quick: a look, not a result)" if options.quick else ""
        print(as_text(name, benchmark.meaning + caution, figures), flush=True)
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:<15}{benchmark.meaning}" for name, benchmark in BENCHMARKS.items()]
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Measures the agent beside what a maker would write by hand, here and in one run.\n"
        "Medians over rounds in which all candidates take turns; ratios say more than the absolute values,\n"
        "and nothing here was measured on a Raspberry Pi. An aim that is missed is said to be missed; the\n"
        "exit code is 0 all the same.",
        epilog="benchmarks:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Without a name argparse checks the empty list itself against the choices.
    choices = [[], *BENCHMARKS]
    parser.add_argument("names", nargs="*", metavar="NAME", choices=choices, help="which; all by default")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: a look, not a result")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure and line on stdout")
    return parser
