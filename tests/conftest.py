"""Puts the firmware where a board has it: on the path, for it is in no package that is installed. What takes
longest comes first, and nothing is compiled twice."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "firmware"))
# As on a device, processes start from bytecode. PYTHONDONTWRITEBYTECODE is common where tests run, and would
# have each worker compile all tests anew, and each of the hundreds of commands that they start the agent.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is given more time than others comes first: begun last, it would keep one worker at it alone."""
    items.sort(key=_patience, reverse=True)


def _patience(item: pytest.Item) -> float:
    given = item.get_closest_marker("timeout")
    return float(given.args[0]) if given else 0
