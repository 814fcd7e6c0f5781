"""pairlet.core.device_grant: never faster than told, never given up before the end, never polled after it."""

from pairlet.core.device_grant import APPROVED, EXPIRED, WAITING
from pairlet.core.errors import OAuthError, ProtocolError
from scenario import (
    answer,
    code_members,
    due,
    error,
    grant_with_code,
    make_grant,
    page,
    poll,
    refused,
    sent,
    token_members,
)

PENDING = error("authorization_pending")
SLOW_DOWN = error("slow_down")


def pauses(grant, responses, took=0, now=0):
    """The pause before each poll, from the end of the exchange before it."""
    found = []
    for response in responses:
        at, ended = poll(grant, response, took, now)
        found.append(at - now)
        now = ended
    return found


def test_item_17_waits_the_interval_before_the_first_poll():
    assert due(grant_with_code(1000), 1000) == 6000
    assert due(grant_with_code(1000, interval=9), 1000) == 10000


def test_item_17_the_interval_counts_from_the_end_of_the_exchange():
    assert pauses(grant_with_code(), [PENDING] * 4, took=3000) == [5000] * 4
    # ... also when an answer takes longer than the interval.
    assert pauses(grant_with_code(), [PENDING] * 4, took=20000) == [5000] * 4


def test_item_17_asked_early_it_still_waits():
    grant = grant_with_code()
    for now in (0, 1, 2500, 4999):
        assert due(grant, now) == 5000
    poll(grant, PENDING, 100, 4999)
    assert due(grant, 5100) == 10100


def test_item_18_slow_down_adds_five_seconds_for_good():
    grant = grant_with_code()
    assert pauses(grant, [PENDING, SLOW_DOWN, PENDING, PENDING, SLOW_DOWN, PENDING, PENDING]) == [
        5000,
        5000,
        10000,
        10000,
        10000,
        15000,
        15000,
    ]
    assert grant.interval_ms == 15000


def test_item_18_the_interval_that_github_sends_along_counts_if_it_is_more():
    assert pauses(grant_with_code(), [error("slow_down", 200, interval=22), PENDING, SLOW_DOWN, PENDING]) == [
        5000,
        22000,
        22000,
        27000,
    ]
    # Less than five seconds more would undercut the RFC.
    assert pauses(grant_with_code(), [error("slow_down", interval=6), PENDING]) == [5000, 10000]
    assert pauses(grant_with_code(interval=60), [error("slow_down", interval=10), PENDING]) == [60000, 65000]


def test_item_18_an_interval_that_makes_no_sense_is_ignored():
    for bad in (0, -5, "x", True, [], None, float("nan")):
        response = error("slow_down")
        response = answer({"error": "slow_down", "interval": bad}, 400) if bad == bad else response
        assert pauses(grant_with_code(), [response, PENDING]) == [5000, 10000], bad
    assert pauses(grant_with_code(), [error("slow_down", interval=400), PENDING]) == [5000, 400000]


def test_item_18_slow_down_under_any_status():
    for status in (200, 400, 403, 428, 429, 503):
        assert pauses(grant_with_code(), [error("slow_down", status), PENDING]) == [5000, 10000], status


def test_a_new_interval_in_pending_is_no_reason_to_speed_up():
    assert pauses(grant_with_code(interval=10), [error("authorization_pending", interval=1), PENDING]) == [
        10000,
        10000,
    ]


def test_item_21_trouble_doubles_and_never_undercuts_the_interval():
    for interval in (1, 5, 30, 300):
        grant = grant_with_code(interval=interval, expires_in=86400)
        found = pauses(grant, [None, page(502), None, page(200), None, None, None, None])
        assert found[0] == 1000 * interval
        ceiling = 2000 * interval
        for pause in found[1:]:
            assert pause > 1000 * interval, "not less often than before"
            assert ceiling // 2 < pause <= ceiling, found
            ceiling = min(2 * ceiling, max(4000 * interval, 60000))


def test_item_21_a_proper_answer_ends_the_back_off():
    grant = grant_with_code()
    found = pauses(grant, [None] * 5 + [PENDING, PENDING, None, PENDING])
    assert found[6] == 5000 and found[7] == 5000
    assert 5000 < found[8] <= 10000


def test_item_21_after_slow_down_trouble_doubles_from_the_new_interval():
    found = pauses(grant_with_code(), [SLOW_DOWN, None, None, PENDING])
    assert found[1] == 10000 and 10000 < found[2] <= 20000 and 20000 < found[3] <= 40000


def test_two_devices_do_not_come_back_together():
    def second_pause(seed):
        return pauses(grant_with_code(options={"seed": seed}), [None, PENDING])[1]

    assert len({second_pause(bytes([5, 5, 5, number])) for number in range(30)}) > 20


def test_retry_after_is_never_undercut():
    for response in (
        page(503, [("retry-after", "44")]),
        page(429, [("retry-after", "44")]),
        error("slow_down", 429, [("retry-after", "44")]),
        error("authorization_pending", 400, [("retry-after", "44")]),
        answer({}, 200, [("retry-after", "44")]),
    ):
        assert pauses(grant_with_code(), [response, PENDING])[1] == 44000


def test_retry_after_as_a_date():
    headers = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:21 GMT")]
    assert pauses(grant_with_code(), [page(503, headers), PENDING])[1] == 44000


def test_retry_after_below_the_interval_does_not_speed_up():
    assert (
        pauses(grant_with_code(), [error("authorization_pending", 400, [("retry-after", "1")]), PENDING])[1]
        == 5000
    )
    assert pauses(grant_with_code(), [page(503, [("retry-after", "1")]), PENDING])[1] > 5000


def test_one_last_poll_after_the_end_of_a_code():
    # Pending at 9 s of 10: the next poll is due at 14 s and may still bring an approval of the 10th second.
    grant = grant_with_code(expires_in=10)
    poll(grant, PENDING, 4000)
    assert due(grant, 9000) == 14000
    poll(grant, answer(token_members()), 0, 14000)
    assert grant.state == APPROVED


def test_the_last_poll_is_the_last():
    for response in (
        PENDING,
        SLOW_DOWN,
        None,
        page(502),
        page(200),
        error("expired_token"),
        error("invalid_grant"),
        answer({}),
    ):
        grant = grant_with_code(expires_in=10)
        poll(grant, PENDING, 4000)
        poll(grant, response, 100, 9000)
        assert grant.state == EXPIRED, response
        assert (
            isinstance(grant.error, OAuthError)
            and grant.error.error == "expired_token"
            and grant.error.exit_code == 4
        )
        assert grant.next_action(10**9) is None


def test_back_off_is_cut_short_for_one_last_poll_at_the_end():
    grant = grant_with_code(expires_in=100)
    now = 0
    for _ in range(20):
        at, now = poll(grant, None, 0, now)
        if grant.state != WAITING:
            break
        assert due(grant, now) <= max(100000, now + 5000)
    assert grant.state == EXPIRED and at == 100000


def test_the_last_poll_keeps_the_interval():
    grant = grant_with_code(expires_in=8, interval=5)
    assert pauses(grant, [None, None]) == [5000, 5000]
    assert grant.state == EXPIRED


def test_retry_after_beyond_the_last_poll_ends_at_the_code_end():
    grant = grant_with_code(expires_in=60)
    poll(grant, page(503, [("retry-after", "600")]))
    assert due(grant, 5000) == 60000
    assert due(grant, 59999) == 60000
    assert grant.next_action(60000) is None
    assert grant.state == EXPIRED and grant.error.error == "expired_token"


def test_retry_after_just_beyond_the_end_still_gets_its_poll():
    grant = grant_with_code(expires_in=60)
    poll(grant, page(503, [("retry-after", "58")]))
    assert due(grant, 5000) == 63000
    poll(grant, answer(token_members()), 0, 63000)
    assert grant.state == APPROVED


def test_a_code_that_lives_shorter_than_its_interval():
    grant = grant_with_code(expires_in=1, interval=5)
    assert due(grant, 0) == 5000
    poll(grant, PENDING)
    assert grant.state == EXPIRED


def test_an_answer_that_came_after_the_end_with_a_token_counts():
    grant = grant_with_code(expires_in=10)
    poll(grant, answer(token_members()), 60000)
    assert grant.state == APPROVED


def test_a_code_is_as_old_as_its_request():
    grant = make_grant()
    sent(grant, 1000)
    grant.receive(answer(code_members(expires_in=60)), 21000)
    assert grant.code.expires_at == 61000
    assert due(grant, 21000) == 26000


def test_a_driver_that_slept_through_polls_once():
    grant = grant_with_code(expires_in=10)
    poll(grant, PENDING, 0, 10**7)
    assert grant.state == EXPIRED and grant.next_action(10**7) is None


def test_polling_twice_without_an_answer_is_refused():
    from scenario import sent

    grant = grant_with_code()
    sent(grant, 5000)
    refused(ProtocolError, grant.next_action, 5000)
    refused(ProtocolError, grant.next_action, 10**7)


def test_item_18_a_clock_that_runs_too_fast_is_noticed():
    # Told twice in a row, it adds a third: a clock that is 30 % fast would never catch up by five seconds.
    assert pauses(grant_with_code(), [SLOW_DOWN, SLOW_DOWN, PENDING, PENDING, SLOW_DOWN, PENDING]) == [
        5000,
        10000,
        20000,
        20000,
        20000,
        26666,
    ]
