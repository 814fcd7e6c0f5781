"""All scenarios, by subject. The order is that of tables."""

from ..scenario import Scenario
from . import codes, metadata, polling, refresh, revocation, screens, tls, tokens, trouble

ALL: tuple[Scenario, ...] = (
    *metadata.SCENARIOS,
    *codes.SCENARIOS,
    *polling.SCENARIOS,
    *trouble.SCENARIOS,
    *tokens.SCENARIOS,
    *screens.SCENARIOS,
    *refresh.SCENARIOS,
    *revocation.SCENARIOS,
    *tls.SCENARIOS,
)

# The scenario in which nothing goes wrong.
ORDINARY = "ordinary"

BY_NAME: dict[str, Scenario] = {scenario.name: scenario for scenario in ALL}
