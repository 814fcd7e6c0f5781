"""Real kills (SIGKILL) of real processes while they refresh: no pairing ends that could have been kept.

`./run bench kills` does the same a thousand times.
"""

from pathlib import Path

import pytest
from support.kill_rounds import Tally, kill_rounds

ROUNDS = 200
# Each breaks what the rounds are there to prove: values that are replaced as a whole, and in the right order.
SABOTAGES = {
    "values are written in place": """
import os
from pairlet.linux import store
def save(self, name, value):
    descriptor = store.os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    store.write_all(descriptor, value)
    store.os.close(descriptor)
store.FileStore.save = save
""",
    "the old value goes before the new one is there": """
from pairlet.linux import store
right = store.FileStore.save
def save(self, name, value):
    self.delete(name)
    right(self, name, value)
store.FileStore.save = save
""",
}


def check_the_deaths(tally: Tally) -> None:
    """The rounds only mean something if most died, in all of the ways, and some got far."""
    died = {cause: count for cause, count in tally.deaths.items() if "ended before" not in cause}
    assert sum(died.values()) > tally.rounds / 2, tally
    for way in ("before a system call", "after a system call", "torn a system call", "a moment by chance"):
        assert any(way in cause for cause in died), tally
    assert tally.refreshed > tally.rounds / 10 and tally.lost > 0, tally


def test_a_strict_server_ends_only_what_nobody_could_have_kept(tmp_path: Path) -> None:
    """Without a time of grace, an answer that never reached the disk was the only copy of the token."""
    with kill_rounds(tmp_path, seed=1) as rounds:
        tally = rounds.play(ROUNDS)
    check_the_deaths(tally)
    assert tally.needless == 0 and tally.repaired <= tally.lost, tally


def test_a_server_with_a_time_of_grace_ends_nothing(tmp_path: Path) -> None:
    with kill_rounds(tmp_path, grace_s=60, seed=2) as rounds:
        tally = rounds.play(ROUNDS)
    check_the_deaths(tally)
    assert tally.repaired == 0, tally


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_store_that_is_not_careful_is_found_out(tmp_path: Path, name: str) -> None:
    with kill_rounds(tmp_path, grace_s=60, sabotage=SABOTAGES[name]) as rounds:
        assert any(tally.needless for tally in rounds.playing(2 * ROUNDS))
