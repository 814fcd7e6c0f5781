"""Several processes on one state folder, against a server that ends the family at the first reuse.

`./run bench side-by-side` does it for 200 refreshes.
"""

from pathlib import Path

from support.side_by_side import LOOPS, RUNS, side_by_side

REFRESHES = 60
WITHOUT_A_LOCK = """
import contextlib
from pairlet.linux.store import FileStore
@contextlib.asynccontextmanager
async def lock(self):
    yield
FileStore.lock = lock
"""


def test_one_family_and_no_refresh_token_used_twice(tmp_path: Path) -> None:
    family = side_by_side(tmp_path, REFRESHES)
    assert family.refreshed >= REFRESHES and family.failed == []
    assert (family.families, family.revoked) == (1, False)
    assert "invalid_grant" not in family.outcomes
    # Everybody was there, and the commands adopted what somebody else had fetched as well.
    assert 0 < family.by_runs < family.refreshed
    assert sum(family.tokens.values()) > len(family.tokens) > LOOPS
    assert family.exit_codes == [0] * RUNS and family.errors == ""


def test_without_the_lock_the_server_would_have_noticed(tmp_path: Path) -> None:
    family = side_by_side(tmp_path, 10 * REFRESHES, sabotage=WITHOUT_A_LOCK)
    assert family.revoked and family.outcomes["invalid_grant"] > 0
