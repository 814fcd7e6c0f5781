"""Metrics in Prometheus's text format (exposition format 0.0.4)."""

import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

from ... import __version__
from ..standing.facts import Facts
from ..standing.judgement import FAILING, Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One metric without labels, or with `labels` as they are written. `value` None: it is left out."""

    name: str
    kind: str
    meaning: str
    value: float | int | None
    labels: str = ""


def exposition(facts: Facts, verdict: Verdict) -> str:
    """All metrics, each with its HELP and TYPE."""
    lines = []
    for metric in _metrics(facts, verdict):
        if metric.value is not None:
            lines.append(f"# HELP {metric.name} {metric.meaning}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.append(f"{metric.name}{metric.labels} {metric.value!r}")
    return "\n".join(lines) + "\n"


def _metrics(facts: Facts, verdict: Verdict) -> Iterator[Metric]:
    def gauge(name: str, meaning: str, value: float | int | None) -> Metric:
        return Metric("pairlet_" + name, "gauge", meaning, value)

    def counter(name: str, meaning: str, value: int) -> Metric:
        return Metric(f"pairlet_{name}_total", "counter", meaning, value)

    yield Metric("pairlet_info", "gauge", "The version at work.", 1, f'{{version="{__version__}"}}')
    yield gauge("healthy", "0 when a task makes no progress or the disk takes nothing.",
                int(verdict.status != FAILING))  # fmt: skip
    yield gauge("paired", "1 while there is a token.", int(facts.paired))
    yield gauge("token_seconds_left", "Life that is left in the access token.", _seconds(facts.token_left_ms))
    yield gauge("refresh_due_seconds", "Time until the token is renewed, negative when that was due.",
                _seconds(facts.refresh_in_ms))  # fmt: skip
    yield counter("refreshes", "Tokens renewed.", facts.refreshes)
    yield counter("samples", "Samples taken.", facts.samples)
    yield counter("published_samples", "Messages that the broker has acknowledged.", facts.published)
    yield counter("dropped_samples", "Samples that had to go before they were delivered.", facts.dropped)
    yield gauge("backlog_samples", "Samples that wait for the broker.", facts.backlog)
    yield gauge("sensors_failing", "Sensors that give no value at present.", len(facts.sensors_in_trouble))
    yield counter("errors", "Troubles told, each kind once until it is over.", facts.errors)
    if facts.broker:
        yield gauge("mqtt_connected", "1 while there is a connection to the broker.",
                    int(facts.connected_ms is not None))  # fmt: skip
        yield counter("mqtt_reconnects", "Connections to the broker after the first.",
                      max(0, facts.connections - 1))  # fmt: skip
        yield gauge("last_acknowledged_seconds", "Time since the broker acknowledged anything.",
                    _seconds(facts.acknowledged_ms))  # fmt: skip
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield counter("wakeups", "Times that the processor was given back, and so was woken up for.",
                  usage.ru_nvcsw)  # fmt: skip
    yield Metric("process_cpu_seconds_total", "counter", "Processor time used.",
                 round(usage.ru_utime + usage.ru_stime, 3))  # fmt: skip
    yield Metric("process_resident_memory_bytes", "gauge", "Memory in use.", _resident_bytes())


def _seconds(duration_ms: int | None) -> float | None:
    return None if duration_ms is None else duration_ms / 1000


def _resident_bytes() -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
