"""agent/README.md draws the machines as they are."""

from pathlib import Path

import pytest
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.discovery import Discovery
from pairlet.core.refresh_grant import RefreshGrant
from pairlet.core.revocation import Revocation

README = Path(__file__).parents[2] / "agent" / "README.md"


@pytest.mark.parametrize("machine", [DeviceGrant, RefreshGrant, Revocation, Discovery])
def test_the_transition_tables_are_the_code_s(machine):
    section = README.read_text().split(f"### {machine.__name__}\n")[1].split("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    drawn = {tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows}
    assert drawn == {(state, event, following) for (state, event), following in machine.TRANSITIONS.items()}
