"""The simulation has teeth: each way in which the agent must not be is noticed, by the rule that is meant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from simulator.soak.mutants import MUTANTS, Mutant

HERE = Path(__file__).resolve().parent
AGENT = HERE.parents[2] / "agent"
# So many lives at the most; nearly all are noticed in the first few.
SEEDS = 40
# Where it takes more of them, the life that was seen to show it comes first.
FIRST_SEEDS = {
    "adopts no token of another process": 4,
    "asks on after access_denied": 13,
    "asks on after expired_token": 7,
    "does not notice that its clock is fast": 3,
    "does not read again what another process may have saved": 8,
    "follows a redirect": 7,
    "lets the calendar say when to refresh": 5,
    "locks no other process out": 8,
    "locks without a lock": 8,
    "reconnects at once": 5,
    "shows a code again that its disk did not let go of": 4,
    "shows another code after a denial": 13,
    "waits for no Retry-After of a poll": 10,
    "writes over what it has": 24,
}


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert set(FIRST_SEEDS) <= {mutant.name for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_it_changes_what_is_there(mutant: Mutant) -> None:
    source = (AGENT / (mutant.module.replace(".", "/") + ".py")).read_text()
    changed = mutant.apply(source)
    assert changed != source
    compile(changed, mutant.module, "exec")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_it_is_noticed(mutant: Mutant) -> None:
    words = [mutant.name, str(mutant.years), str(FIRST_SEEDS.get(mutant.name, 1)), str(SEEDS)]
    command = [sys.executable, str(HERE / "mutated.py"), *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["seed"] is not None, f"no life of {SEEDS} shows that the agent {mutant.name}: {found}"
    assert found["rule"] in mutant.breaks
