"""What a soak has shown, for people and for scripts."""

from .life import Life
from .tally import Tally

# Names in the tally, and what to call them.
_FIGURES = (
    ("refresh", "refreshes sent"),
    ("rotations", "rotations"),
    ("poll", "polls"),
    ("event paired", "pairings"),
    ("messages", "messages at the broker"),
    ("event mqtt_connected", "connections"),
    ("starts", "starts of the agent"),
    ("boots", "boots"),
    ("writes", "values written"),
)


def report(tally: Tally, cpu_s: float, lives: int, broken: int) -> str:
    """The summary of a soak."""
    a_minute = 60 * tally.years / cpu_s if cpu_s else 0
    lines = [
        f"{tally.years:,.1f} device-years in {lives:,} lives and {cpu_s:,.1f} s of processor time "
        f"({a_minute:,.0f} device-years a minute of one processor)",
        "",
        *(f"  {tally.counts[name]:>10,}  {words}" for name, words in _FIGURES),
        f"  {sum(tally.troubles.values()):>10,}  faults: {_counts(tally.troubles)}",
        "",
        f"Pairings that the server or a person ended: {_counts(tally.end_reasons)}",
        f"Pairings that nothing could have saved: {_counts(tally.unavoidable_reasons)}",
        "",
        f"Rules were broken in {broken} of {lives:,} lives." if broken else "No rule was broken.",
    ]
    return "\n".join(lines)


def _counts(counter: "dict[str, int]") -> str:
    parts = sorted(counter.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {name}" for name, count in parts) or "none"


def describe_failure(life: Life, lines: int) -> str:
    """The end of a life in which a rule was broken, and how to see it again. `lines`: of its timeline."""
    assert life.broken is not None
    rule, words = life.broken
    return "\n".join(
        [
            f"Seed {life.seed}: the rule {rule} was broken: {words}.",
            "",
            *(f"  {line[:200]}" for line in life.timeline[-lines:]),
            "",
            f"The same again: pairlet sim soak --seed {life.seed} --years {life.years:g}",
        ]
    )


def figures(tally: Tally, cpu_s: float, lives: int, failures: "list[Life]") -> dict[str, object]:
    """The summary as plain values."""
    return {
        "device_years": round(tally.years, 3),
        "lives": lives,
        "cpu_s": round(cpu_s, 3),
        "counts": dict(tally.counts),
        "faults": dict(tally.troubles),
        "ended": dict(tally.end_reasons),
        "unavoidable": dict(tally.unavoidable_reasons),
        "broken": [
            {"seed": life.seed, "years": life.years, "rule": life.broken[0], "words": life.broken[1]}
            for life in failures
            if life.broken is not None
        ],
    }
