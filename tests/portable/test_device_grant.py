"""pairlet.core.device_grant: requests, answers and ends. When it polls is in test_poll_timing.py."""

from pairlet.core.client import POST, Client
from pairlet.core.device_grant import APPROVED, ASKING, DENIED, EXPIRED, FAILED, READY, WAITING, DeviceGrant
from pairlet.core.errors import ConfigError, OAuthError, ProtocolError
from scenario import (
    ACCESS_TOKEN,
    DEVICE_CODE,
    answer,
    code_members,
    due,
    error,
    fields,
    grant_with_code,
    header,
    make_grant,
    metadata,
    page,
    poll,
    refused,
    secret_client,
    sent,
    token_members,
)

URN = "urn:ietf:params:oauth:grant-type:device_code"


def test_item_01_the_device_authorization_request():
    grant = make_grant(scope="telemetry offline_access")
    request = sent(grant, 0)
    assert request.method == "POST" and request.url == "https://auth.example/device_authorization"
    assert header(request, "content-type") == ["application/x-www-form-urlencoded"]
    assert fields(request) == [("scope", "telemetry offline_access"), ("client_id", "tv")]
    assert grant.state == ASKING


def test_item_02_a_public_client_gives_its_client_id_at_both_endpoints():
    grant = make_grant()
    assert ("client_id", "tv") in fields(sent(grant, 0))
    grant.receive(answer(code_members()), 0)
    assert ("client_id", "tv") in fields(sent(grant, due(grant, 0)))


def test_item_03_item_16_a_confidential_client_authenticates_at_both_endpoints():
    for client in (secret_client(), secret_client(POST)):
        grant = make_grant(client=client)
        first = sent(grant, 0)
        grant.receive(answer(code_members()), 0)
        second = sent(grant, due(grant, 0))
        for request in (first, second):
            in_header = len(header(request, "authorization"))
            in_body = len([1 for name, _ in fields(request) if name == "client_secret"])
            assert in_header + in_body == 1


def test_item_05_no_parameter_is_empty_or_repeated():
    grant = make_grant(scope="", extra=[("resource", "https://mqtt.example"), ("audience", None), ("x", "")])
    request = sent(grant, 0)
    assert fields(request) == [("resource", "https://mqtt.example"), ("client_id", "tv")]
    grant.receive(answer(code_members()), 0)
    names = [name for name, _ in fields(sent(grant, due(grant, 0)))]
    assert len(names) == len(set(names)) == 3


def test_item_05_an_answer_that_repeats_a_member_is_not_believed():
    grant = make_grant()
    sent(grant, 0)
    grant.receive(
        answer(
            b'{"device_code":"a","user_code":"A","user_code":"B","verification_uri":"https://a/","expires_in":9}'
        ),
        0,
    )
    assert grant.state == READY and "twice" in str(grant.fault) and grant.code is None


def test_item_36_it_asks_for_the_scope_it_was_given_and_no_other():
    assert not [name for name, _ in fields(sent(make_grant(), 0)) if name == "scope"]
    assert [value for name, value in fields(sent(make_grant(scope="a"), 0)) if name == "scope"] == ["a"]


def test_item_15_the_device_access_token_request():
    grant = grant_with_code()
    request = sent(grant, due(grant, 0))
    assert request.method == "POST" and request.url == "https://auth.example/token"
    assert fields(request) == [("grant_type", URN), ("device_code", DEVICE_CODE), ("client_id", "tv")]


def test_item_27_item_28_secrets_stay_out_of_the_address_and_its_query_stays():
    members = metadata(token_endpoint="https://auth.example/token?tenant=7")
    grant = DeviceGrant(members, secret_client(POST))
    sent(grant, 0)
    grant.receive(answer(code_members()), 0)
    assert sent(grant, due(grant, 0)).url == "https://auth.example/token?tenant=7"


def test_item_22_polling_alone_brings_the_token():
    grant = grant_with_code()
    now = 0
    for _ in range(3):
        _, now = poll(grant, error("authorization_pending"), 100, now)
        assert grant.state == WAITING
    _, now = poll(grant, answer(token_members()), 100, now)
    assert grant.state == APPROVED
    assert grant.token.access_token.reveal() == ACCESS_TOKEN
    assert grant.error is None and grant.fault is None
    assert grant.next_action(now + 10**9) is None


def test_item_31_the_granted_scope_counts():
    grant = grant_with_code(options={"scope": "a b c"})
    poll(grant, answer(token_members(scope="a")))
    assert grant.token.scope == "a"
    grant = grant_with_code(options={"scope": "a b c"})
    poll(grant, answer(token_members(scope=None)))
    assert grant.token.scope == "a b c"


def test_item_19_any_other_error_ends_it():
    for code in (
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "never_heard",
    ):
        grant = grant_with_code()
        poll(grant, error(code, error_description="because"))
        assert grant.state == FAILED, code
        assert (
            isinstance(grant.error, OAuthError) and grant.error.error == code and grant.error.exit_code == 6
        )
        assert "because" in str(grant.error)
        assert grant.next_action(10**9) is None and grant.token is None


def test_item_19_denied():
    for status in (200, 400, 401, 403):
        grant = grant_with_code()
        poll(grant, error("access_denied", status))
        assert grant.state == DENIED and grant.error.error == "access_denied" and grant.error.exit_code == 3
        assert grant.next_action(10**9) is None


def test_expired_token_ends_it_and_it_does_not_start_again():
    grant = grant_with_code()
    poll(grant, error("expired_token", error_description="too late"))
    assert grant.state == EXPIRED and grant.error.error == "expired_token" and grant.error.exit_code == 4
    assert grant.error.error_description == "too late"
    for now in (0, 10**6, 10**9):
        assert grant.next_action(now) is None


def test_a_swept_away_code_is_an_expired_one():
    # Keycloak and Auth0 answer invalid_grant once they have forgotten the code.
    grant = grant_with_code(expires_in=5)
    poll(grant, error("invalid_grant"))
    assert grant.state == EXPIRED and grant.error.error == "expired_token"


def test_a_code_swept_away_before_what_would_be_the_last_poll_is_an_expired_one_too():
    # django-allauth cuts the rest of its time to whole seconds at each poll.
    for expires_in, state in ((14, EXPIRED), (16, FAILED)):
        grant = grant_with_code(expires_in=expires_in)
        poll(grant, error("authorization_pending"))
        poll(grant, error("invalid_grant"))
        assert grant.state == state, expires_in


def test_item_09_errors_of_the_first_request_end_it():
    for code in (
        "invalid_client",
        "invalid_scope",
        "unauthorized_client",
        "slow_down",
        "authorization_pending",
        "access_denied",
    ):
        for status in (200, 400, 401, 403):
            grant = make_grant()
            sent(grant, 0)
            grant.receive(error(code, status), 0)
            assert grant.state == FAILED and grant.error.error == code, (code, status)
            assert grant.next_action(10**9) is None


def test_item_08_a_code_with_something_missing_ends_it():
    for name in ("device_code", "user_code", "verification_uri", "expires_in"):
        members = code_members()
        members.pop(name)
        grant = make_grant()
        sent(grant, 0)
        grant.receive(answer(members), 0)
        assert grant.state == FAILED and isinstance(grant.error, ProtocolError) and name in str(grant.error)
        assert grant.code is None


def test_item_21_trouble_with_the_first_request_is_met_with_a_growing_pause():
    grant = make_grant()
    now = 0
    ceiling = 1000
    for response in (
        page(502),
        None,
        page(200),
        answer(b'{"device_code":"x'),
        None,
        page(429),
        None,
        None,
        None,
    ):
        sent(grant, now)
        if response is None:
            grant.transport_failed(now)
        else:
            grant.receive(response, now)
            assert isinstance(grant.fault, ProtocolError)
        assert grant.state == READY and grant.code is None
        until = due(grant, now)
        assert ceiling // 2 < until - now <= ceiling
        ceiling = min(2 * ceiling, 60000)
        now = until
    sent(grant, now)
    grant.receive(answer(code_members()), now)
    assert grant.state == WAITING and grant.fault is None


def test_retry_after_of_the_first_request():
    grant = make_grant()
    sent(grant, 0)
    grant.receive(page(503, [("retry-after", "120")]), 500)
    assert due(grant, 500) == 120500


def test_item_21_what_is_no_answer_does_not_end_polling():
    for response in (
        page(200),
        page(302),
        page(404),
        page(502),
        answer([]),
        answer({}),
        answer({"ok": True}),
        answer({}, 500),
        None,
        error("invalid_grant", 503),
        error("server_error"),
        error("temporarily_unavailable", 429),
        error("x\x1b"),
        answer({"error_code": "rate_limit_exceeded"}, 403),
        answer(b'{"access_token":"x"', 200),
    ):
        grant = grant_with_code()
        _, now = poll(grant, response)
        assert grant.state == WAITING, response
        assert response is None or isinstance(grant.fault, ProtocolError)
        _, now = poll(grant, error("authorization_pending"), 0, now)
        assert grant.fault is None
        poll(grant, answer(token_members()), 0, now)
        assert grant.state == APPROVED


def test_item_34_a_token_of_an_unknown_type_is_not_used():
    for token_type in ("DPoP", "mac", "", None, 5, "bearer ", "Bearer\n"):
        members = token_members()
        members["token_type"] = token_type
        grant = grant_with_code()
        poll(grant, answer(members))
        assert grant.state == FAILED and grant.token is None and isinstance(grant.error, ProtocolError), (
            token_type
        )
    for token_type in ("bearer", "BEARER", "Bearer"):
        grant = grant_with_code()
        poll(grant, answer(token_members(token_type=token_type)))
        assert grant.state == APPROVED


def test_a_server_without_the_grant_is_named():
    for name in ("device_authorization_endpoint", "token_endpoint"):
        assert name in str(refused(ConfigError, DeviceGrant, metadata(**{name: None}), Client("tv")))


def test_what_the_driver_may_not_do_changes_nothing():
    grant = make_grant()
    for response in (answer(code_members()), error("access_denied"), page(502), answer(token_members())):
        refused(ProtocolError, grant.receive, response, 0)
    refused(ProtocolError, grant.transport_failed, 0)
    assert (grant.state, grant.code, grant.token, grant.error, grant.fault) == (READY, None, None, None, None)
    sent(grant, 0)
    refused(ProtocolError, grant.next_action, 0)
    assert grant.state == ASKING


def test_answers_nobody_asked_for_do_not_move_a_waiting_grant():
    grant = grant_with_code()
    until = due(grant, 0)
    for response in (
        error("slow_down"),
        error("access_denied"),
        page(502),
        answer(token_members()),
        error("authorization_pending"),
    ):
        refused(ProtocolError, grant.receive, response, 10)
    refused(ProtocolError, grant.transport_failed, 10)
    assert (grant.state, grant.token, grant.error, grant.fault) == (WAITING, None, None, None)
    assert due(grant, 10) == until and grant.interval_ms == 5000


def test_answers_after_the_end_change_nothing():
    grant = grant_with_code()
    poll(grant, answer(token_members()))
    token = grant.token
    refused(ProtocolError, grant.receive, answer(token_members(access_token="other")), 6000)
    refused(ProtocolError, grant.receive, error("access_denied"), 6000)
    refused(ProtocolError, grant.transport_failed, 6000)
    assert grant.state == APPROVED and grant.token is token and grant.error is None
