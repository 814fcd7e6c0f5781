"""The table of scenarios, as a whole."""

import re
import tomllib
from pathlib import Path

import pytest
from pairlet_sim.faults.checks import judge
from pairlet_sim.faults.evidence import PAIR, Evidence, Run
from pairlet_sim.faults.obligations import SECTIONS, cited
from pairlet_sim.faults.scenario import Scenario
from pairlet_sim.faults.scenarios import ALL, BY_NAME, ORDINARY
from pairlet_sim.faults.serving import CERTIFICATES

ITEMS = tomllib.loads((Path(__file__).parents[2] / "conformance.toml").read_text(encoding="utf-8"))


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(ALL) == len(BY_NAME) >= 70
    assert BY_NAME[ORDINARY].items == (10, 14, 17)


@pytest.mark.parametrize("scenario", ALL, ids=BY_NAME)
def test_a_scenario_says_what_it_is_about(scenario: Scenario) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{1,29}", scenario.name)
    for sentence in (scenario.about, scenario.right):
        assert re.fullmatch(r"[A-Za-z].*[.]", sentence) and len(sentence) <= 110
    assert set(scenario.items) <= set(SECTIONS)
    assert scenario.certificate in ("", *CERTIFICATES)


@pytest.mark.parametrize("scenario", ALL, ids=BY_NAME)
def test_no_client_passes_by_crashing_or_by_ending_wrong(scenario: Scenario) -> None:
    wrong = {"done": [1, -11, None], "failed": [0, -11, None], "either": [-11, None]}[scenario.pair]
    for exit_code in wrong:
        assert judge(Evidence(scenario, [], [], [Run(PAIR, 0, 1, exit_code)]))


@pytest.mark.parametrize("scenario", ALL, ids=BY_NAME)
def test_who_has_to_be_paired_can_be(scenario: Scenario) -> None:
    if scenario.pair == "done":
        assert scenario.decision == "approve"
        assert scenario.polls[-1] not in scenario.polls[:-1]
    assert not scenario.then or len(scenario.polls) == 1


def test_items_are_those_of_the_conformance_table() -> None:
    for item, section in SECTIONS.items():
        if str(item) in ITEMS:
            sections = section.replace("RFC 6749 ", "").replace("RFC 8628 ", "")
            assert section[:8] in ITEMS[str(item)]["rule"] and sections in ITEMS[str(item)]["rule"]
        else:
            assert item > 37


def test_what_no_rfc_says_is_called_good_practice() -> None:
    assert cited(None) == "good practice"
    assert cited(18) == "item 18, RFC 8628 section 3.5"
