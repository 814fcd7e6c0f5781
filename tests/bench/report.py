"""How figures are printed: a block of text a benchmark, or a JSON object a line."""

import json
from collections.abc import Iterable

from bench.figures import Figure

_VERDICTS = {True: "met", False: "MISSED", None: ""}


def as_text(name: str, meaning: str, figures: Iterable[Figure]) -> str:
    """A block for people: one line a figure, with the absolute values below where there are some."""
    lines = [f"{name}: {meaning}"]
    for figure in figures:
        spread = figure.spread
        value = _value(spread.median, figure.unit)
        ends = ""
        if spread.rounds > 1:
            ends = f"{_number(spread.low)} to {_number(spread.high)}, {spread.rounds} rounds"
        aim = "" if figure.aim is None else f"aim <= {figure.aim:g}: {_VERDICTS[figure.met]}"
        lines.append(f"  {figure.what:<66} {value:>11}  {ends:<24} {aim}".rstrip())
        if figure.note:
            lines.append(f"    {figure.note}")
    return "\n".join(lines) + "\n"


def as_json(name: str, figure: Figure, quick: bool) -> str:
    """One line: names as in Figure and Spread; `value` is the median, `aim` and `met` may be null."""
    spread = figure.spread
    return json.dumps(
        {
            "benchmark": name,
            "what": figure.what,
            "value": spread.median,
            "low": spread.low,
            "high": spread.high,
            "rounds": spread.rounds,
            "unit": figure.unit,
            "aim": figure.aim,
            "met": figure.met,
            "note": figure.note,
            "quick": quick,
        }
    )


def skipped_as_text(name: str, reason: str) -> str:
    """A benchmark that could not run, for people."""
    return f"{name}: left out: {reason}\n"


def skipped_as_json(name: str, reason: str) -> str:
    """A benchmark that could not run, as a line of JSON."""
    return json.dumps({"benchmark": name, "skipped": reason})


def _value(value: float, unit: str) -> str:
    return f"x {_number(value)}" if unit == "x" else f"{_number(value)} {unit}"


def _number(value: float) -> str:
    """Three digits that mean something; whole numbers as they are."""
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
