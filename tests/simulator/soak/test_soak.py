"""`pairlet sim soak`: no seed breaks a rule, and the command says what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pairlet_sim.soak.life import live
from support.processes import marked_environment, marked_processes, until

HERE = Path(__file__).resolve().parent
PROGRAM = [sys.executable, "-m", "pairlet.linux", "sim", "soak"]
# What a test run may spend on seeds that nobody has seen yet.
FRESH_S = 20.0


def soak(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=110)


@pytest.mark.timeout(300)
def test_fresh_seeds_break_no_rule() -> None:
    """Other ones at each run; a failure names its seed, and the same seed fails again."""
    first = int.from_bytes(os.urandom(4), "big")
    began, seed, refreshes = time.process_time(), first, 0
    while time.process_time() - began < FRESH_S:
        life = live(seed, 2)
        assert life.broken is None, f"pairlet sim soak --seed {seed} --years 2: {life.broken}"
        refreshes += life.tally.counts["refresh"]
        seed += 1
    print(f"{seed - first} lives from seed {first} on")
    assert seed - first >= 5 and refreshes > 0


def corpus() -> list[tuple[int, float]]:
    """Seed and years of the lives that broke a rule in the past."""
    lines = (HERE / "corpus.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [(int(seed), float(years)) for seed, years, _ in rows]


@pytest.mark.parametrize(("seed", "years"), [*((seed, 2.0) for seed in range(1, 13)), *corpus()])
def test_known_seeds_break_no_rule(seed: int, years: float) -> None:
    assert live(seed, years).broken is None


def test_the_same_seed_is_the_same_life() -> None:
    first = soak("--seed", "3", "--years", "2", "--json", "--jobs", "1")
    again = soak("--seed", "3", "--years", "2", "--json", "--jobs", "1")
    assert first.returncode == again.returncode == 0, first.stderr
    one, other = (json.loads(ran.stdout) for ran in (first, again))
    timed = [name for name in one if one[name] != other[name]]
    # Only what was measured may differ: how long it took.
    assert all("cpu" in name or "minute" in name or name == "at" for name in timed), timed
    assert one["seed"] == 3


def test_the_command_tells_what_was_lived() -> None:
    ran = soak("--seed", "1", "--years", "4", "--jobs", "2")
    assert ran.returncode == 0, ran.stderr
    assert "4.0 device-years in 2 lives" in ran.stdout and "No rule was broken." in ran.stdout
    assert "from seed 1 on" in ran.stderr


def test_ctrl_c_while_its_processes_start_is_quiet() -> None:
    environ, mark = marked_environment()

    def workers() -> list[int]:
        return [pid for pid, words in marked_processes(mark).items() if "spawn_main" in words]

    line = [*PROGRAM, "--years", "1000", "--jobs", "4"]
    # A group of its own, as at a terminal: all of it hears of Ctrl-C.
    running = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, text=True, start_new_session=True
    )
    until(workers, "the first worker")
    os.killpg(running.pid, signal.SIGINT)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 130 and "Traceback" not in said, said
    until(lambda: not marked_processes(mark), "every process to end")


@pytest.mark.parametrize("words", [["--years", "0"], ["--years", "x"], ["--seed", "-1"], ["--jobs", "0"]])
def test_what_can_t_be_used_is_said(words: list[str]) -> None:
    ran = soak(*words)
    assert ran.returncode == 2
    assert words[0] in ran.stderr and "Traceback" not in ran.stderr


def test_help() -> None:
    ran = soak("--help")
    assert ran.returncode == 0 and "device-years" in ran.stdout
