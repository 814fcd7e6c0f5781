"""What several stories begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cloud import Cloud, cloud
from support.mosquitto import Mosquitto


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """An authorization server."""
    with cloud(interval_s=1) as running:
        yield running


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto."""
    with Mosquitto(tmp_path) as running:
        yield running
