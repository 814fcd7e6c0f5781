"""Clients with one vice each: the table finds it, names its item, and nothing else."""

import shlex

import pytest
from support.conformance import bad_client, conformance

ONLY = "ordinary,slow_down,access_denied,refresh_rotation,redirect"


def test_a_client_without_a_vice_passes():
    report = conformance(
        "--only", ONLY, "--then", shlex.join(bad_client("token", "none")), "--", *bad_client("pair", "none")
    )  # fmt: skip
    # urllib follows no redirect of a POST, and this client has no answer to a page: it crashes there.
    assert report.outcomes() == {
        "ordinary": "passed",
        "slow_down": "passed",
        "access_denied": "passed",
        "refresh_rotation": "passed",
        "redirect": "failed",
    }
    assert report.items("redirect") == [None] and "uncaught" in report.did("redirect")
    assert report.exit_code == 6
    assert report.total["passed"] == 4 and report.total["failed"] == 1


@pytest.mark.parametrize(
    ("vice", "name", "item", "words"),
    [
        ("hasty", "ordinary", 17, "1 s were due"),
        ("deaf", "slow_down", 18, "after slow_down; 6 s were due"),
        ("stubborn", "access_denied", 19, "after access_denied"),
        ("careless", "access_denied", 19, "ended with 0, as if it had worked"),
        ("talkative", "ordinary", 11, "showed the device_code"),
        ("leaky", "ordinary", 28, "secrets into the address"),
        ("forgetful", "refresh_rotation", 33, "--then command, no. 2"),
    ],
)
def test_a_vice_is_found(vice, name, item, words):
    then = shlex.join(bad_client("token", vice))
    report = conformance("--only", name, "--then", then, "--", *bad_client("pair", vice))
    assert report.exit_code == 6
    assert report.outcomes()[name] == "failed"
    assert item in report.items(name)
    assert words in report.did(name)


def test_a_client_that_can_not_even_pair_is_told_so_once():
    report = conformance("--only", "slow_down,silence", "--", *bad_client("pair", "nameless"))
    assert report.outcomes() == {
        "ordinary": "failed", "slow_down": "not applicable", "silence": "not applicable",
    }  # fmt: skip
    assert 2 in report.items("ordinary")
    assert "when nothing goes wrong" in report.rows["silence"]["reason"]
    assert report.exit_code == 6
