"""The verdicts, on journals made up for them: each on a client that is right and on one that is not."""

from typing import Any

import pytest
from pairlet_sim.faults.checks import TOLERANCE_S, judge
from pairlet_sim.faults.evidence import PAIR, THEN, UNPAIR, Evidence, Finding, Run
from pairlet_sim.faults.expectations import (
    asks_for_no_code,
    backs_off,
    does_not_poll,
    never_shows,
    owns_up_to_503,
    polls_again_after,
    reads_no_more_than_it_needs,
    refreshes_again,
    revokes,
    shows_the_code,
    spends_no_dead_token,
    waits_after,
    waits_at_least,
)
from pairlet_sim.faults.journal import (
    DEVICE_AUTHORIZATION,
    ELSEWHERE,
    ISSUED,
    METADATA,
    POLL,
    REFRESH,
    REVOCATION,
    TROUBLE,
    Code,
    Exchange,
)
from pairlet_sim.faults.scenario import Scenario

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
CODE = Code(0.0, "the-device-code", "BCDF-GHJK", "http://as/device", "http://as/device?user_code=BCDF-GHJK")
FORMS = {
    DEVICE_AUTHORIZATION: {},
    POLL: {"grant_type": DEVICE_CODE, "device_code": CODE.device_code},
    REFRESH: {"grant_type": "refresh_token", "refresh_token": "newest"},
    REVOCATION: {"token": "newest"},
}


def scenario(**values: Any) -> Scenario:
    return Scenario(name="x", about="X.", right="Y.", **values)


def sent(kind: str, at: float, outcome: str = ISSUED, **values: Any) -> Exchange:
    """A request in its right form; `form` and the rest of `values` change it."""
    form = {"client_id": "tv", **FORMS.get(kind, {}), **values.pop("form", {})}
    lists = {name: value if isinstance(value, list) else [value] for name, value in form.items() if value}
    defaults: dict[str, Any] = {
        "content_type": "application/x-www-form-urlencoded; charset=UTF-8", "form": lists,
        "outcome": outcome, "told": outcome, "ended_at": at, "complete": True, "newest": "newest",
    }  # fmt: skip
    method = values.pop("method", "POST")
    return Exchange(kind, at, method, "/" + kind, **(defaults | values))


def polls(*answers: tuple[float, str]) -> list[Exchange]:
    return [sent(POLL, at, outcome) for at, outcome in answers]


def ran(
    kind: str = PAIR, code: int | None = 0, out: str = "", err: str = "", at: float = 0, to: float = 99
) -> Run:
    return Run(kind, at, to, code, out, err)


def evidence(exchanges: list[Exchange], runs: list[Run] | None = None, **values: Any) -> Evidence:
    confidential = values.pop("confidential", False)
    return Evidence(scenario(**values), exchanges, [CODE], runs or [], confidential)


def items(found: list[Finding]) -> list[int | None]:
    return [finding.item for finding in found]


GOOD = [
    sent(DEVICE_AUTHORIZATION, 0),
    *polls((1, "authorization_pending"), (2, "slow_down"), (8, TROUBLE), (14, ISSUED)),
    sent(REFRESH, 20),
    sent(REVOCATION, 30),
]


def test_a_right_client_has_nothing_to_hear() -> None:
    assert judge(evidence(GOOD, [ran(out=CODE.user_code)])) == []


@pytest.mark.parametrize(
    ("wrong", "item", "words"),
    [
        (sent(DEVICE_AUTHORIZATION, 0, method="GET"), 1, "GET"),
        (sent(DEVICE_AUTHORIZATION, 0, content_type="application/json"), 1, "application/json"),
        (sent(DEVICE_AUTHORIZATION, 0, content_type=""), 1, "as nothing"),
        (sent(REFRESH, 0, method="GET"), 27, "GET"),
        (
            sent(POLL, 0, form={"device_code": [CODE.device_code, "x"]}),
            5,
            "repeated the parameter device_code",
        ),
        (sent(POLL, 0, query="device_code=x"), 28, "secrets into the address"),
        (sent(REFRESH, 0, query="a=1&refresh_token=x"), 28, "secrets into the address"),
        (sent(DEVICE_AUTHORIZATION, 0, form={"client_id": ""}), 2, "without client_id"),
        (sent(POLL, 0, form={"client_id": ""}), 15, "without client_id"),
        (sent(POLL, 0, form={"device_code": "guessed"}), 15, "never issued"),
        (sent(POLL, 0, form={"device_code": ""}), 15, "never issued"),
        (sent(REFRESH, 0, form={"refresh_token": ""}), 33, "without a refresh token"),
        (sent(REFRESH, 0, form={"refresh_token": "older"}), 33, "another refresh token"),
        (sent(ELSEWHERE, 0, form={"device_code": "x"}), 28, "device_code to another origin"),
        (sent(ELSEWHERE, 0, authorization="Basic x"), 28, "client credentials to another origin"),
        (sent(ELSEWHERE, 0), 28, "its request to another origin"),
    ],
)
def test_a_request_that_is_wrong(wrong: Exchange, item: int, words: str) -> None:
    found = judge(evidence([wrong]))
    assert items(found) == [item]
    assert words in found[0].did


def test_what_is_good_in_a_request() -> None:
    several = sent(POLL, 0, form={"resource": ["a", "b"]})
    basic = sent(POLL, 5, form={"client_id": ""}, authorization="Basic x")
    assert judge(evidence([several, basic])) == []


@pytest.mark.parametrize(
    ("kind", "item"), [(DEVICE_AUTHORIZATION, 3), (POLL, 16), (REFRESH, 29), (REVOCATION, 29)]
)
def test_a_confidential_client_authenticates(kind: str, item: int) -> None:
    assert items(judge(evidence([sent(kind, 0)], confidential=True))) == [item]
    for right in ({"authorization": "Basic x"}, {"form": {"client_secret": "s"}}):
        assert judge(evidence([sent(kind, 0, **right)], confidential=True)) == []


@pytest.mark.parametrize(
    ("answers", "item"),
    [
        ([(1, "authorization_pending"), (1.9 - TOLERANCE_S, ISSUED)], 17),
        ([(1, TROUBLE), (1.5, ISSUED)], 17),
        ([(1, "slow_down"), (6, ISSUED)], 18),
        # For this and all subsequent requests.
        ([(1, "slow_down"), (7, "authorization_pending"), (12, ISSUED)], 18),
        ([(1, "slow_down"), (7, "slow_down"), (17, ISSUED)], 18),
    ],
)
def test_polls_too_early(answers: list[tuple[float, str]], item: int) -> None:
    found = judge(evidence(polls(*answers)))
    assert items(found) == [item]
    assert "were due" in found[0].did


def test_polls_in_pace() -> None:
    in_time = [(1, "slow_down"), (7, "slow_down"), (18, "authorization_pending"), (29, ISSUED)]
    assert judge(evidence(polls(*in_time))) == []
    assert judge(evidence(polls((1, TROUBLE), (2.01 - TOLERANCE_S, ISSUED)))) == []
    # Of each code by itself: nobody knows how long a person took for the next one.
    other = sent(POLL, 1.1, form={"device_code": "other"})
    assert items(judge(evidence([*polls((1, "expired_token")), other]))) == [15]
    assert items(judge(evidence(polls((1, TROUBLE), (3, ISSUED)), wait_s=5, pace=7))) == [7]


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "authorization_declined", "whatever"])
def test_polls_on_after_the_end(error: str) -> None:
    found = judge(evidence(polls((1, error), (2, error), (3, error))))
    assert found == [Finding(19, f"polled 2 more times after {error}")]
    assert judge(evidence(polls((1, "authorization_pending"), (2, error)))) == []


def test_one_poll_after_the_code_has_run_out() -> None:
    pending = "authorization_pending"
    assert judge(evidence(polls((4, pending), (6, pending)), life_s=5)) == []
    assert items(judge(evidence(polls((4, pending), (6, pending), (8, pending)), life_s=5))) == [20]


def test_the_device_code_is_not_for_people() -> None:
    assert items(judge(evidence([], [ran(err=f"polling with {CODE.device_code}")]))) == [11]


@pytest.mark.parametrize(
    ("run", "pair", "words"),
    [
        (ran(code=1), "done", "ended with 1; last answer: bad news"),
        (ran(code=0), "failed", "ended with 0, as if it had worked; last answer: bad news"),
        (ran(code=None, to=45), "either", "was still running after 45 s"),
        (ran(code=-11), "failed", "ended by signal 11"),
        (ran(code=1, err="Traceback (most recent call last):\nKeyError: 'a'\n"), "either", "KeyError: 'a'"),
        (ran(code=2, err="panic: runtime error\n"), "failed", "uncaught: panic: runtime error"),
    ],
)
def test_commands_that_end_wrong(run: Run, pair: str, words: str) -> None:
    bad_news = sent(METADATA, 1), sent(POLL, 2, "access_denied", told="bad news")
    found = judge(evidence(list(bad_news), [run], pair=pair, items=(21,)))
    assert len(found) == 1 and words in found[0].did
    assert found[0].item == (None if run.crashed and pair != "done" else 21)


def test_commands_that_end_right() -> None:
    for pair, code in (("done", 0), ("failed", 1), ("either", 0), ("either", 3)):
        assert judge(evidence([], [ran(code=code)], pair=pair)) == []


def test_a_token_that_is_over_is_none() -> None:
    again = ran(THEN, at=10, to=20)
    assert judge(evidence([sent(REFRESH, 15)], [ran(), again], then=("done",))) == []
    for wrong in ([], [sent(REFRESH, 5)], [sent(REFRESH, 15, TROUBLE)]):
        found = judge(evidence(wrong, [ran(), again], then=("either",)))
        assert "no other access token" in found[0].did


def test_each_further_command_has_its_own_end() -> None:
    runs = [ran(), ran(THEN, 1), ran(THEN, 1), ran(UNPAIR, 1)]
    found = judge(evidence([], runs, then=("either", "done"), unpair="done", items=(33,)))
    assert found == [
        Finding(33, "ended with 1; it made no request (--then command, no. 2)"),
        Finding(33, "ended with 1; it made no request (--unpair command, no. 1)"),
    ]


# What single scenarios ask for


def test_retry_after_is_kept() -> None:
    check = waits_after(POLL, 4, None)
    busy = sent(POLL, 1, TROUBLE, told="HTTP 429 and Retry-After 4 s", ended_at=1.5)
    assert check(evidence([busy, sent(POLL, 5.4)])) == []
    assert "after 3.0 s" in check(evidence([busy, sent(POLL, 4.5)]))[0].did
    assert check(evidence([sent(POLL, 1), sent(POLL, 2)])) == []


def test_a_new_interval_is_kept() -> None:
    check = waits_at_least(8, None, "too early")
    assert check(evidence(polls((1, "slow_down"), (9, ISSUED)))) == []
    assert check(evidence(polls((1, "slow_down"), (7, ISSUED)))) == [
        Finding(None, "polled again after 6.0 s, too early")
    ]


def test_failures_in_a_row_make_pauses_longer() -> None:
    assert backs_off(evidence(polls((1, TROUBLE), (2, TROUBLE), (4, ISSUED)))) == []
    assert items(backs_off(evidence(polls((1, TROUBLE), (2, TROUBLE), (3, ISSUED))))) == [21]
    assert backs_off(evidence(polls((1, TROUBLE), (2, "authorization_pending"), (3, ISSUED)))) == []


def test_code_and_address_are_shown() -> None:
    for shown in ("BCDF-GHJK", "BCDFGHJK", "BCDF GHJK"):
        assert shows_the_code(evidence([], [ran(out=f"{shown} at http://as/device")])) == []
    assert items(shows_the_code(evidence([], [ran(out="Wait.")]))) == [14, 10]


def test_what_must_not_be_shown() -> None:
    check = never_shows("\x1b]0;", "escapes", 32)
    assert check(evidence([], [ran(out="\\u001b]0;")])) == []
    assert check(evidence([], [ran(), ran(THEN, err="a\x1b]0;b")])) == [Finding(32, "showed escapes")]


def test_nothing_to_ask_for() -> None:
    assert items(asks_for_no_code(42)(evidence([sent(DEVICE_AUTHORIZATION, 1)]))) == [42]
    assert asks_for_no_code(42)(evidence([sent(METADATA, 1)])) == []
    assert items(does_not_poll(9)(evidence(polls((1, ISSUED))))) == [9]
    assert does_not_poll(9)(evidence([sent(DEVICE_AUTHORIZATION, 1)])) == []


def test_an_answer_without_end() -> None:
    assert reads_no_more_than_it_needs(evidence([sent(POLL, 1, sent=2_000_000)])) == []
    assert "60 MB" in reads_no_more_than_it_needs(evidence([sent(POLL, 1, sent=60_000_000)]))[0].did


def test_an_answer_that_can_not_be_used() -> None:
    check = polls_again_after(2, 5)
    twice = polls((1, "authorization_pending"), (2, TROUBLE))
    assert items(check(evidence(twice, [ran()]))) == [5]
    assert check(evidence(twice, [ran(code=1)])) == []
    assert check(evidence([*twice, sent(POLL, 3)], [ran()])) == []


def test_a_dead_refresh_token() -> None:
    dead = [sent(REFRESH, 1, "invalid_grant"), sent(REFRESH, 2, "invalid_grant")]
    assert "2 times in a row" in spends_no_dead_token(evidence(dead, [ran(THEN)]))[0].did
    one_each = [ran(THEN, at=0, to=1.5), ran(THEN, at=1.6, to=3)]
    assert spends_no_dead_token(evidence(dead, one_each)) == []


def test_a_refresh_token_outlives_trouble() -> None:
    assert items(refreshes_again(evidence([sent(REFRESH, 1, TROUBLE)], [ran(THEN)]))) == [33]
    assert refreshes_again(evidence([sent(REFRESH, 1, TROUBLE), sent(REFRESH, 2)], [ran(THEN)])) == []


def test_revocation() -> None:
    assert items(revokes(evidence([], [ran(UNPAIR)]))) == [38]
    assert items(revokes(evidence([sent(REVOCATION, 1, form={"token": ""})], [ran(UNPAIR)]))) == [38]
    assert revokes(evidence([sent(REVOCATION, 1)], [ran(UNPAIR)])) == []
    assert revokes(evidence([])) == []


def test_a_revocation_that_did_not_happen() -> None:
    refused = sent(REVOCATION, 1, TROUBLE)
    assert items(owns_up_to_503(evidence([refused], [ran(UNPAIR)]))) == [41]
    assert owns_up_to_503(evidence([refused], [ran(UNPAIR, err="could not be told")])) == []
    assert owns_up_to_503(evidence([refused], [ran(UNPAIR, code=5)])) == []
    assert owns_up_to_503(evidence([refused, sent(REVOCATION, 2)], [ran(UNPAIR)])) == []
