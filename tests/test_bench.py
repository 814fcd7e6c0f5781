"""`./run bench` itself: that it measures what it says, in a quick run. The figures are not judged here."""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bench.command import BENCHMARKS
from bench.figures import Figure, Setting, Spread, in_turns
from bench.processes import cpu_s, memory, peer, switches
from bench.report import as_json, as_text
from bench.wakeups import woken
from support import micropython
from support.mosquitto import find_program

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, str(ROOT / "tests" / "bench")]
# What a quick run of each must bring home: how many figures, and how many of them with an aim.
EXPECTED = {
    "start": (5, 2),
    "poll": (2, 1),
    "memory": (7, 2),
    "wakeups": (2, 1),
    "publish": (1, 0),
    "telemetry": (10, 5),
    "install": (3, 0),
    "fleet-refresh": (6, 5),
    "kills": (3, 2),
    "side-by-side": (3, 3),
    "board": (9, 5),
}


def bench(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=110, env=environment)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_quick_run_brings_every_figure(name: str) -> None:
    if name in ("memory", "wakeups", "publish", "telemetry", "board"):
        find_program("mosquitto")
    if name == "board":
        micropython.required()
    ran = bench(name, "--quick", "--json")
    assert ran.returncode == 0, ran.stderr
    figures = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (len(figures), sum(figure["aim"] is not None for figure in figures)) == EXPECTED[name]
    for figure in figures:
        assert figure["benchmark"] == name and figure["quick"] is True
        # Only an idle device may come out at nothing, what must not happen, and what must not grow.
        may_be_nothing = name in ("wakeups", "kills", "side-by-side") or "growth" in figure["what"]
        assert figure["value"] > 0 or may_be_nothing
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["met"] == (None if figure["aim"] is None else figure["value"] <= figure["aim"])


def test_every_benchmark_is_tried_here_and_in_the_help() -> None:
    missing = set(BENCHMARKS) - set(EXPECTED)
    assert not missing, f"test_bench.EXPECTED says nothing of {missing}"
    shown = bench("--help").stdout
    assert all(f"  {name}" in shown and benchmark.meaning in shown for name, benchmark in BENCHMARKS.items())


def test_an_unknown_name_is_a_usage_error() -> None:
    ran = bench("starts")
    assert ran.returncode == 2 and "starts" in ran.stderr and "Traceback" not in ran.stderr


def test_without_mosquitto_the_figure_is_left_out_with_the_reason(tmp_path: Path) -> None:
    hidden = "import shutil, sys; shutil.which = lambda *_, **__: None; sys.path.insert(0, sys.argv.pop(1))"
    code = hidden + "; from bench.command import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, str(ROOT / "tests"), "memory", "--quick"]
    environment = {**os.environ, "CI": ""}
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("memory: left out: mosquitto is missing")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_running(number: signal.Signals, tmp_path: Path) -> None:
    find_program("mosquitto")
    process = subprocess.Popen(
        [*PROGRAM, "wakeups"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stderr is not None
    assert any("watching" in line for line in process.stderr), "it never got as far as to watch"
    assert _that_name(tmp_path), "nothing was running that could be left behind"
    process.send_signal(number)
    process.stderr.read()
    assert process.wait(60) == 130
    assert _that_name(tmp_path) == [] and list(tmp_path.iterdir()) == []


def _that_name(folder: Path) -> list[str]:
    """The command lines of all processes that name `folder`, which holds their state and certificates."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in words:
            found.append(words)
    return found


# ---- the parts -------------------------------------------------------------------------------


def test_a_ratio_is_taken_round_by_round() -> None:
    spread = Spread.of_ratios([10.0, 40.0, 90.0], [10.0, 20.0, 30.0])
    assert spread == Spread(2.0, 1.0, 3.0, 3)
    with pytest.raises(ValueError):
        Spread.of_ratios([1.0], [])
    with pytest.raises(ValueError):
        Spread.of([])


def test_an_aim_is_met_only_at_or_below_it() -> None:
    def figure(value: float, aim: float | None) -> Figure:
        return Figure("ours / theirs", Spread.of([value]), aim=aim)

    assert figure(1.15, 1.15).met is True
    assert figure(1.1501, 1.15).met is False
    assert figure(9, None).met is None
    text = as_text("x", "y", [figure(1.1501, 1.15), figure(1.0, 1.15)])
    assert text.count("MISSED") == 1 and text.count(": met") == 1
    assert json.loads(as_json("x", figure(1.1501, 1.15), False))["met"] is False


def test_candidates_take_turns_and_the_first_round_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    order: list[str] = []

    def candidate(name: str) -> float:
        order.append(name)
        return float(len(order))

    setting = Setting(True, tmp_path, lambda text: None)
    candidates = {name: functools.partial(candidate, name) for name in "ab"}
    with pytest.raises(RuntimeError, match="bytecode"):
        in_turns(setting, candidates, 2)
    (tmp_path / "x.pyc").touch()
    order.clear()
    assert in_turns(setting, candidates, 2) == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert order == ["a", "b"] * 3


def test_a_thread_that_comes_or_goes_is_not_passed_over() -> None:
    assert woken({1: 10, 2: 5}, {1: 12, 2: 9}) == 6
    with pytest.raises(RuntimeError):
        woken({1: 10}, {1: 12, 2: 1})


def test_what_the_kernel_tells_of_a_process() -> None:
    before, own = cpu_s(os.getpid()), switches(os.getpid())
    while cpu_s(os.getpid()) - before < 0.01:
        sum(range(10000))
    threading.Event().wait(0.01)  # gives the processor away once
    after = switches(os.getpid())
    assert sum(after.values()) > sum(own[thread] for thread in own if thread in after)
    held = memory(os.getpid())
    assert 0 < held.private <= held.resident <= held.peak


def test_a_peer_that_fails_says_so() -> None:
    with peer("poller.py", "no such client", "", "") as broken, pytest.raises(RuntimeError, match="ended"):
        broken.ask("1")
