"""The decision table of `pairlet init`."""

import pytest
from pairlet.config import CHOICES
from pairlet.linux.init.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE,
    DEVICE_CODE,
    PERSON,
    REASONS,
    TABLE,
    contradiction,
    fitting,
    whom_for,
)


@pytest.mark.parametrize(
    ("acts_for", "browser", "grant"),
    [
        (PERSON, False, DEVICE_CODE),
        (PERSON, True, AUTHORIZATION_CODE),
        (DEVICE, None, CLIENT_CREDENTIALS),
        (DEVICE, False, CLIENT_CREDENTIALS),
        (DEVICE, True, CLIENT_CREDENTIALS),
    ],
)
def test_each_device_has_its_grant(acts_for: str, browser: bool | None, grant: str) -> None:
    assert fitting(acts_for, browser) == grant
    assert whom_for(grant) == acts_for
    assert contradiction(grant, acts_for, browser) == ""


def test_every_kind_of_program_is_in_the_table_and_gets_what_its_row_says() -> None:
    words = " ".join(case.kind for case in TABLE).lower()
    assert all(
        each in words for each in ("web", "single-page", "native", "machine to machine", "tv", "command")
    )
    for case in TABLE:
        assert fitting(case.acts_for, case.browser) == case.grant


def test_each_grant_that_there_is_has_a_reason_of_two_lines_that_fit_a_terminal() -> None:
    assert set(REASONS) == set(CHOICES["oauth.grant"])
    assert all(len(lines) == 2 and max(map(len, lines)) < 80 for lines in REASONS.values())


def test_a_case_that_is_not_there_is_an_error_and_no_guess() -> None:
    with pytest.raises(ValueError):
        fitting("nobody", None)


@pytest.mark.parametrize(
    ("grant", "acts_for", "browser", "words"),
    [
        (DEVICE_CODE, DEVICE, None, "asks a person"),
        (CLIENT_CREDENTIALS, PERSON, None, "has no person to ask"),
        (AUTHORIZATION_CODE, PERSON, False, "takes a browser"),
        (AUTHORIZATION_CODE, None, False, "takes a browser"),
        (DEVICE_CODE, PERSON, True, ""),
        (DEVICE_CODE, None, None, ""),
        (CLIENT_CREDENTIALS, DEVICE, False, ""),
    ],
)
def test_what_contradicts_itself_is_told(
    grant: str, acts_for: str | None, browser: bool | None, words: str
) -> None:
    said = contradiction(grant, acts_for, browser)
    assert words in said and bool(said) == bool(words)
