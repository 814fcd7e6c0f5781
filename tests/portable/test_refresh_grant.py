"""pairlet.core.refresh_grant: a new access token, never a lost refresh token (RFC 6749 section 6)."""

from pairlet.core.client import POST, Client
from pairlet.core.errors import ConfigError, OAuthError, ProtocolError
from pairlet.core.refresh_grant import READY, REFRESHED, REFRESHING, REFUSED, REJECTED, RefreshGrant
from pairlet.core.token import Kept
from scenario import (
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    answer,
    due,
    error,
    fields,
    header,
    make_refresh,
    make_token,
    metadata,
    page,
    refused,
    secret_client,
    sent,
    token_members,
)


def after(response, now=0, **options):
    """A RefreshGrant that got `response` (None: no answer) to its first request."""
    grant = make_refresh(**options)
    sent(grant, now)
    if response is None:
        grant.transport_failed(now)
    else:
        grant.receive(response, now)
    return grant


def test_item_33_the_request():
    request = sent(make_refresh(), 0)
    assert request.method == "POST" and request.url == "https://auth.example/token"
    assert fields(request) == [
        ("grant_type", "refresh_token"),
        ("refresh_token", REFRESH_TOKEN),
        ("client_id", "tv"),
    ]


def test_item_33_it_never_asks_for_scope():
    assert "scope" not in [name for name, _ in fields(sent(make_refresh(token=make_token(scope="a b")), 0))]


def test_item_29_item_33_a_confidential_client_authenticates():
    assert header(sent(make_refresh(client=secret_client()), 0), "authorization")
    assert "client_secret" in [name for name, _ in fields(sent(make_refresh(client=secret_client(POST)), 0))]


def test_item_27_the_query_of_the_endpoint_stays():
    kept = Kept(make_token(), None, None)
    grant = RefreshGrant(metadata(token_endpoint="https://auth.example/t?x=1"), Client("tv"), kept)
    assert sent(grant, 0).url == "https://auth.example/t?x=1"


def test_item_33_a_new_refresh_token_replaces_the_old_one():
    grant = after(answer(token_members(access_token="new", refresh_token="rotated")), 5000)
    assert grant.state == REFRESHED and grant.error is None
    assert grant.kept.token.refresh_token.reveal() == "rotated"
    assert grant.kept.token.access_token.reveal() == "new"
    assert grant.kept.token.expires_at == 5000 + 3600000
    assert grant.next_action(10**9) is None


def test_item_33_without_a_new_one_the_old_one_stays():
    for nothing in (None, ""):
        members = token_members()
        members["refresh_token"] = nothing
        assert after(answer(members)).kept.token.refresh_token.reveal() == REFRESH_TOKEN
    assert after(answer(token_members(refresh_token=None))).kept.token.refresh_token.reveal() == REFRESH_TOKEN


def test_item_31_the_scope_of_before_holds_unless_the_answer_names_one():
    token = make_token(scope="a b")
    assert after(answer(token_members(scope=None)), token=token).kept.token.scope == "a b"
    assert after(answer(token_members(scope="a")), token=token).kept.token.scope == "a"


def test_only_invalid_grant_of_the_server_itself_says_that_the_token_is_dead():
    for status in (200, 400, 401, 403):
        grant = after(error("invalid_grant", status))
        assert grant.state == REJECTED and grant.error.error == "invalid_grant"
        assert grant.next_action(10**9) is None


def test_any_other_error_leaves_the_pairing_standing():
    for code in (
        "invalid_client",
        "invalid_request",
        "unauthorized_client",
        "invalid_scope",
        "access_denied",
        "slow_down",
        "never_heard",
    ):
        grant = after(error(code))
        assert grant.state == REFUSED and isinstance(grant.error, OAuthError) and grant.error.error == code
        assert grant.kept.token.access_token.reveal() == ACCESS_TOKEN and grant.next_action(10**9) is None


def test_item_21_trouble_is_met_with_a_growing_pause_and_the_same_token():
    grant = make_refresh()
    now = 0
    ceiling = 2000
    troubles = (
        None,
        page(503),
        page(200),
        error("invalid_grant", 500),
        answer({}),
        answer([]),
        answer(b'{"access_token":"x'),
        error("server_error"),
        page(302),
        answer({}, 429),
        None,
        None,
    )
    for response in troubles:
        assert ("refresh_token", REFRESH_TOKEN) in fields(sent(grant, now))
        assert grant.state == REFRESHING
        if response is None:
            grant.transport_failed(now)
            assert grant.fault is None
        else:
            grant.receive(response, now)
            assert isinstance(grant.fault, ProtocolError)
        assert grant.state == READY and grant.error is None
        until = due(grant, now)
        assert ceiling // 2 < until - now <= ceiling, (until - now, ceiling)
        assert due(grant, until - 1) == until
        ceiling = min(2 * ceiling, 120000)
        now = until
    sent(grant, now)
    grant.receive(answer(token_members()), now)
    assert grant.state == REFRESHED and grant.fault is None


def test_trouble_never_ends_it():
    grant = make_refresh()
    now = 0
    for _ in range(200):
        sent(grant, now)
        grant.transport_failed(now)
        now = due(grant, now)
    assert grant.state == READY


def test_retry_after_is_honoured():
    for response in (page(503, [("retry-after", "600")]), answer({}, 429, [("retry-after", "600")])):
        assert 601000 <= due(after(response, 1000), 1000) <= 601000 + 120000


def test_item_34_a_token_of_an_unknown_type_is_not_used():
    for token_type in ("DPoP", None, 5):
        grant = after(answer(token_members(token_type=token_type)))
        assert grant.state == REFUSED and isinstance(grant.error, ProtocolError)
        assert grant.kept.token.access_token.reveal() == ACCESS_TOKEN
        # The pairing stands: this is no invalid_grant.
        assert grant.state != REJECTED


def test_without_a_refresh_token_there_is_nothing_to_do():
    refused(ProtocolError, make_refresh, token=make_token(refresh_token=None))
    kept = Kept(make_token(), None, None)
    refused(ConfigError, RefreshGrant, metadata(token_endpoint=None), Client("tv"), kept)


def test_what_the_driver_may_not_do_changes_nothing():
    grant = make_refresh()
    for response in (answer(token_members()), error("invalid_grant"), page(503), answer({})):
        refused(ProtocolError, grant.receive, response, 0)
    refused(ProtocolError, grant.transport_failed, 0)
    assert (grant.state, grant.lost, grant.error, grant.fault) == (READY, False, None, None)
    sent(grant, 0)
    refused(ProtocolError, grant.next_action, 0)
    grant.receive(answer(token_members(refresh_token="rotated")), 0)
    kept = grant.kept
    refused(ProtocolError, grant.receive, answer(token_members(refresh_token="evil")), 0)
    refused(ProtocolError, grant.receive, error("invalid_grant"), 0)
    assert grant.kept is kept and grant.error is None and grant.state == REFRESHED


NOON = 1700000000
PREVIOUS = "pr3vious-hidden"


def refresh_tokens(grant, *responses):
    """Drive `grant` with `responses` (None: no answer); the refresh tokens that it sent."""
    now, sent_tokens = 0, []
    for response in responses:
        now = max(now, grant.due)
        sent_tokens += [value for name, value in fields(sent(grant, now)) if name == "refresh_token"]
        if response is None:
            grant.transport_failed(now)
        else:
            grant.receive(response, now)
    return sent_tokens


def test_a_note_of_the_refresh_is_to_be_kept_before_it_leaves():
    grant = make_refresh()
    assert grant.kept.refreshing_since == NOON and grant.kept.token.refresh_token.reveal() == REFRESH_TOKEN
    assert not grant.lost


def test_the_note_stands_for_as_long_as_nobody_knows():
    grant = make_refresh()
    noted = grant.kept
    refresh_tokens(grant, None, page(503), page(200), error("invalid_grant", 500), None)
    assert grant.kept is noted and grant.lost, "no write for each try"


def test_an_answer_takes_the_note_away():
    for response in (answer(token_members(refresh_token="rotated")), error("invalid_client")):
        assert after(response).kept.refreshing_since is None


def test_a_new_refresh_token_comes_with_the_one_that_it_came_for():
    kept = after(answer(token_members(refresh_token="rotated"))).kept
    assert kept.token.refresh_token.reveal() == "rotated" and kept.previous.reveal() == REFRESH_TOKEN
    # The one before that has been proven wrong or right by then.
    kept = after(answer(token_members(refresh_token="rotated")), previous=PREVIOUS).kept
    assert kept.previous.reveal() == REFRESH_TOKEN


def test_without_rotation_there_is_none_before():
    for same in (None, REFRESH_TOKEN):
        assert after(answer(token_members(refresh_token=same)), previous=PREVIOUS).kept.previous is None


def test_a_refusal_leaves_what_was_kept():
    kept = after(error("invalid_client"), previous=PREVIOUS).kept
    assert kept.token.refresh_token.reveal() == REFRESH_TOKEN and kept.previous.reveal() == PREVIOUS


def test_a_lost_answer_of_an_earlier_start_is_known():
    grant = make_refresh(lost_since=5)
    assert grant.lost and grant.kept.refreshing_since == 5
    assert refresh_tokens(grant, answer(token_members())) == [REFRESH_TOKEN]
    assert grant.state == REFRESHED


def test_the_token_before_is_tried_once_before_it_is_over():
    grant = make_refresh(previous=PREVIOUS)
    assert refresh_tokens(grant, error("invalid_grant"), error("invalid_grant")) == [REFRESH_TOKEN, PREVIOUS]
    assert grant.state == REJECTED and grant.next_action(10**9) is None


def test_the_token_before_may_still_be_good():
    grant = make_refresh(previous=PREVIOUS)
    rotated = answer(token_members(access_token="new", refresh_token="rotated"))
    assert (
        refresh_tokens(grant, error("invalid_grant"), None, page(503), rotated)
        == [REFRESH_TOKEN] + [PREVIOUS] * 3
    )
    assert grant.state == REFRESHED and grant.kept.token.refresh_token.reveal() == "rotated"
    assert grant.kept.previous.reveal() == PREVIOUS
    grant = make_refresh(previous=PREVIOUS)
    refresh_tokens(grant, error("invalid_grant"), answer(token_members(refresh_token=None)))
    assert grant.kept.token.refresh_token.reveal() == PREVIOUS and grant.kept.previous is None


def test_the_current_one_stays_first_while_nobody_has_rejected_it():
    grant = make_refresh(previous=PREVIOUS)
    assert refresh_tokens(grant, None, page(502), error("invalid_client")) == [REFRESH_TOKEN] * 3
    assert grant.state == REFUSED


def test_a_rotated_token_of_an_unusable_answer_is_to_be_kept():
    grant = after(answer(token_members(token_type="mac", refresh_token="rotated")))
    assert grant.state == REFUSED and grant.kept.token.refresh_token.reveal() == "rotated"
    assert grant.kept.previous.reveal() == REFRESH_TOKEN and grant.kept.refreshing_since is None
    for nothing in (None, REFRESH_TOKEN, "\n"):
        kept = after(answer(token_members(token_type="mac", refresh_token=nothing)), previous=PREVIOUS).kept
        assert kept.token.refresh_token.reveal() == REFRESH_TOKEN and kept.previous.reveal() == PREVIOUS


def test_an_error_does_not_bring_back_an_answer_that_was_lost():
    grant = make_refresh()
    refresh_tokens(grant, None, error("invalid_client"))
    assert grant.state == REFUSED and grant.kept.refreshing_since == NOON
    grant = make_refresh()
    refresh_tokens(grant, None, answer(token_members(token_type="mac", refresh_token="rotated")))
    assert grant.state == REFUSED and grant.kept.refreshing_since is None, "that was the answer"


def test_the_new_token_lives_from_when_it_was_asked_for():
    grant = make_refresh()
    sent(grant, 1000)
    # The device slept for an hour before it could read the answer.
    grant.receive(answer(token_members(expires_in=3600)), 3_601_000)
    assert grant.kept.token.expires_at == 3_601_000
