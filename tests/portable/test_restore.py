"""pairlet.core.device_grant: a reboot while the code is on the screen goes on with the same code."""

import json

from pairlet.core.device_grant import APPROVED, EXPIRED, FAILED, READY, WAITING
from pairlet.core.errors import OAuthError, PairletError, ProtocolError
from scenario import (
    DEVICE_CODE,
    answer,
    due,
    error,
    fields,
    grant_with_code,
    make_grant,
    merged,
    page,
    poll,
    refused,
    sent,
    token_members,
)


def through_disk(snapshot):
    return json.loads(json.dumps(snapshot))


def restored(snapshot, now=0, age_ms=0, **options):
    grant = make_grant(**options)
    grant.restore(through_disk(snapshot), now, age_ms)
    return grant


def test_goes_on_with_the_same_code():
    before = grant_with_code(expires_in=900, interval=7)
    poll(before, error("authorization_pending"))
    snapshot = before.snapshot(100000)
    after = restored(snapshot, 500)
    assert after.state == WAITING
    assert after.code.device_code.reveal() == DEVICE_CODE
    assert after.code.user_code == before.code.user_code
    assert after.code.verification_uri == before.code.verification_uri
    assert after.code.verification_uri_complete == before.code.verification_uri_complete
    assert after.code.expires_at == 800500
    assert due(after, 500) == 7500
    request = sent(after, 7500)
    assert ("device_code", DEVICE_CODE) in fields(request) and request.url.endswith("/token")
    after.receive(answer(token_members()), 7600)
    assert after.state == APPROVED


def test_a_snapshot_of_a_restored_grant_is_the_same():
    snapshot = grant_with_code(verification_uri_complete=None).snapshot(0)
    assert restored(snapshot).snapshot(0) == snapshot


def test_while_a_poll_is_under_way():
    grant = grant_with_code()
    sent(grant, 5000)
    assert restored(grant.snapshot(5000), 0).state == WAITING


def test_item_18_slow_down_survives_a_reboot():
    grant = grant_with_code()
    poll(grant, error("slow_down"))
    after = restored(grant.snapshot(6000), 0)
    assert due(after, 0) == 10000 and after.interval_ms == 10000


def test_item_18_slow_down_survives_a_reboot_beyond_the_longest_interval():
    grant = grant_with_code(interval=300, expires_in=86400)
    poll(grant, error("slow_down"))
    assert grant.interval_ms == 305000
    assert due(restored(grant.snapshot(400000), 0), 0) == 305000


def test_item_21_back_off_after_a_reboot_doubles_from_the_interval():
    grant = restored(grant_with_code(interval=20).snapshot(0))
    _, now = poll(grant, page(502))
    assert 20000 < due(grant, now) - now <= 40000


def test_a_restored_code_ends_in_its_time():
    grant = restored(grant_with_code(expires_in=60).snapshot(50000), 10**6)
    assert grant.code.expires_at == 10**6 + 10000
    _, now = poll(grant, error("authorization_pending"), 0, 10**6)
    _, now = poll(grant, error("authorization_pending"), 0, now)
    assert grant.state == EXPIRED


def test_a_code_whose_time_is_over_is_not_restored():
    grant = grant_with_code(expires_in=60)
    for taken, age_ms in ((60000, 0), (59001, 0), (10**7, 0), (0, 60000), (0, 10**9), (30000, 30000)):
        snapshot = grant.snapshot(taken)
        fresh = make_grant()
        assert refused(OAuthError, fresh.restore, snapshot, 0, age_ms).error == "expired_token"
        assert fresh.state == READY and fresh.code is None


def test_what_has_passed_is_taken_off_to_the_millisecond():
    after = restored(grant_with_code(expires_in=60).snapshot(0), 10**6, 41234)
    assert after.code.expires_at == 10**6 + 60000 - 41234
    assert due(after, 10**6) == 10**6 + 5000


def test_a_retry_after_survives_a_reboot():
    grant = grant_with_code()
    poll(grant, page(503, [("retry-after", "120")]))
    assert grant.not_before == 125000
    snapshot = grant.snapshot(15000)
    assert due(restored(snapshot), 0) == 110000
    # What has passed counts, as far as it is known; the interval counts in any case.
    assert due(restored(snapshot, 0, 100000), 0) == 10000
    assert due(restored(snapshot, 0, 109000), 0) == 5000
    again = restored(restored(snapshot, 0, 50000).snapshot(20000), 0)
    assert due(again, 0) == 40000


def test_there_is_no_snapshot_without_a_code():
    grant = make_grant()
    refused(ProtocolError, grant.snapshot, 0)
    sent(grant, 0)
    refused(ProtocolError, grant.snapshot, 0)
    grant.receive(error("invalid_client"), 0)
    assert grant.state == FAILED
    refused(ProtocolError, grant.snapshot, 0)
    grant = grant_with_code()
    poll(grant, answer(token_members()))
    refused(ProtocolError, grant.snapshot, 0)


def test_what_is_no_snapshot_leaves_the_grant_as_it_was():
    good = grant_with_code().snapshot(0)
    for changes in (
        {"device_code": None},
        {"user_code": "\x1b[2J"},
        {"verification_uri": "http://evil.example/"},
        {"expires_in": 0},
        {"expires_in": "x"},
        {"device_code": 5},
        {"verification_uri_complete": "javascript:x"},
        {"user_code": None},
        {"verification_uri": None},
    ):
        grant = make_grant()
        refused(PairletError, grant.restore, merged(good, changes), 0)
        assert grant.state == READY and grant.code is None
        assert sent(grant, 0).url.endswith("/device_authorization")
    refused(ProtocolError, make_grant().restore, {}, 0)


def test_a_snapshot_with_a_strange_interval_gets_the_default():
    good = grant_with_code().snapshot(0)
    for bad in (0, -1, "x", None, True):
        snapshot = good.copy()
        snapshot["interval"] = bad
        assert due(restored(snapshot), 0) == 5000


def test_a_grant_that_has_begun_is_not_overwritten():
    snapshot = grant_with_code(device_code="another").snapshot(0)
    waiting = grant_with_code()
    refused(ProtocolError, waiting.restore, snapshot, 0)
    assert waiting.state == WAITING and waiting.code.device_code.reveal() == DEVICE_CODE
    assert due(waiting, 0) == 5000
    asking = make_grant()
    sent(asking, 0)
    refused(ProtocolError, asking.restore, snapshot, 0)
    assert asking.code is None
    ended = grant_with_code()
    poll(ended, answer(token_members()))
    refused(ProtocolError, ended.restore, snapshot, 0)
    assert ended.state == APPROVED
