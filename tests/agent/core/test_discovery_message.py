"""Every unit and class of the naming convention, as Home Assistant reads it."""

from hypothesis import given
from hypothesis import strategies as st
from pairlet.core import homeassistant
from pairlet.core.quantity import _COUNTERS, _THINGS, _UNITS, quantity_of
from pairlet.core.telemetry import Topics
from support.home_assistant import entities

TOPICS = Topics("devices/{device_id}", "d")
ENDINGS = sorted({*_COUNTERS.split(), *(line.split()[0] for line in (_UNITS + _THINGS).splitlines())})


def described(names: list[str], gone: list[str], allowed: list[str]) -> dict[str, dict[str, object]]:
    """The entities of a device with these values."""
    payload = homeassistant.description(("d.1", "Kitchen"), "1", TOPICS, names, gone, allowed)
    return entities(homeassistant.discovery_topic("homeassistant", "d.1"), payload.decode())


def test_every_ending_makes_an_entity_that_is_taken() -> None:
    found = described([f"my_{ending}" for ending in ENDINGS] + ENDINGS, [], ["ping", "report-now"])
    assert all(f"my_{ending}" in found for ending in ENDINGS)
    assert found["my_celsius"]["device_class"] == "temperature"


@given(
    st.lists(st.text(max_size=70), unique=True, max_size=8),
    st.lists(st.sampled_from(["ping", "report-now", "restart"])),
)
def test_any_names_make_a_message_that_is_taken(names: list[str], allowed: list[str]) -> None:
    usable = [name for name in names if homeassistant.is_entity(name)]
    found = described(usable, ["gone_volts"], allowed)
    assert {*usable, "gone_volts"} <= set(found)
    for name in names:
        quantity_of(name)
