"""pairlet.core.authorization_code_grant: PKCE with S256, the answer in the browser, the code's exchange."""

from pairlet.core.authorization_code_grant import (
    APPROVED,
    AUTHORIZING,
    DENIED,
    EXPIRED,
    FAILED,
    RANDOM_BYTES,
    READY,
    REDEEMING,
    AuthorizationCodeGrant,
)
from pairlet.core.client import POST, Client
from pairlet.core.errors import ConfigError, IssuerError, OAuthError, ProtocolError
from pairlet.core.machine import Wait
from pairlet.core.pkce import code_challenge, code_verifier
from scenario import (
    CLIENT_SECRET,
    answer,
    due,
    error,
    fields,
    header,
    metadata,
    page,
    refused,
    secret_client,
    sent,
    token_members,
    unquoted,
)

REDIRECT = "http://127.0.0.1:5555/callback"
CHANCE = bytes(range(RANDOM_BYTES))
VERIFIER = code_verifier(CHANCE[:32])
STATE = code_verifier(CHANCE[32:])
CODE = "c0de-hidden"
TEN_MINUTES = 600000
GOOD = "code=%s&state=%s" % (CODE, STATE.reveal())


def make(client=None, server=None, **options):
    """A grant that waits for the browser."""
    options.setdefault("expires_at", TEN_MINUTES)
    endpoints = {"authorization_endpoint": "https://auth.example/authorize"}
    endpoints.update(server or {})
    return AuthorizationCodeGrant(
        metadata(**endpoints), client or Client("kiosk"), REDIRECT, CHANCE, **options
    )


def asked(grant):
    """The parameters of the authorization request, in their order."""
    address, _, query = grant.authorization_uri.reveal().partition("?")
    assert address == "https://auth.example/authorize"
    return [tuple([unquoted(part) for part in piece.split("=")]) for piece in query.split("&")]


def redeeming(now=0, **options):
    """A grant whose token request is under way."""
    grant = make(**options)
    assert grant.redirected(GOOD, now)
    sent(grant, now)
    return grant


def test_item_45_item_56_the_address_that_a_person_opens():
    grant = make(scope="a b", extra=[("device_id", "d 1"), ("prompt", "consent")])
    assert asked(grant) == [
        ("response_type", "code"),
        ("client_id", "kiosk"),
        ("redirect_uri", REDIRECT),
        ("scope", "a b"),
        ("state", STATE.reveal()),
        ("code_challenge", code_challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
        ("device_id", "d 1"),
        ("prompt", "consent"),
    ]
    assert VERIFIER.reveal() not in grant.authorization_uri.reveal()
    assert grant.authorization_uri == grant.authorization_uri


def test_the_query_of_the_endpoint_stays():
    grant = make(server={"authorization_endpoint": "https://auth.example/a?tenant=1"})
    assert grant.authorization_uri.reveal().startswith("https://auth.example/a?tenant=1&response_type=code&")


def test_item_48_a_client_with_a_secret_uses_pkce_as_well():
    grant = redeeming(client=secret_client())
    assert "code_challenge" in [name for name, _ in asked(grant)]
    assert CLIENT_SECRET not in grant.authorization_uri.reveal()
    # A secret in a program that many people have is known to all of them.
    for client, where in ((secret_client(), "header"), (secret_client(POST), "body"), (Client("kiosk"), "")):
        grant = make(client)
        grant.redirected(GOOD, 0)
        request = sent(grant, 0)
        names = [name for name, _ in fields(request)]
        assert "code_verifier" in names
        assert bool(header(request, "authorization")) == (where == "header")
        assert ("client_secret" in names) == (where == "body")


def test_the_token_request():
    grant = make(parameters=[("resource", "https://api.example/")])
    assert isinstance(grant.next_action(0), Wait) and grant.next_action(0).until == TEN_MINUTES
    assert grant.redirected(GOOD, 5000) and grant.state == READY
    request = sent(grant, 5000)
    assert request.url == "https://auth.example/token"
    assert fields(request) == [
        ("grant_type", "authorization_code"),
        ("code", CODE),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER.reveal()),
        ("resource", "https://api.example/"),
        ("client_id", "kiosk"),
    ]


def test_a_token():
    grant = redeeming(5000, scope="a b")
    grant.receive(answer(token_members(scope="a")), 90000)
    assert grant.state == APPROVED and grant.error is None and grant.next_action(10**9) is None
    assert grant.token.scope == "a" and grant.token.expires_at == 5000 + 3600000
    assert grant.token.refresh_token is not None


def test_item_49_what_is_not_the_answer_changes_nothing():
    grant = make()
    for query in ("", "code=x", "code=x&state=guessed", "error=access_denied", GOOD + "&code=y"):
        assert not grant.redirected(query, 0)
        assert grant.state == AUTHORIZING
    assert grant.redirected(GOOD, 0)
    # A second one, be it the same, comes too late.
    for query in (GOOD, "error=access_denied&state=" + STATE.reveal()):
        assert not grant.redirected(query, 0) and grant.state == READY


def test_declined():
    grant = make()
    assert grant.redirected("error=access_denied&state=" + STATE.reveal(), 0)
    assert grant.state == DENIED and grant.error.exit_code == 3 and grant.next_action(0) is None


def test_item_50_a_mix_up_is_refused():
    says = {"authorization_response_iss_parameter_supported": True}
    for server, iss in (
        (says, ""),
        (says, "&iss=https%3A%2F%2Fevil.example"),
        (None, "&iss=https%3A%2F%2Fx.example"),
    ):
        grant = make(server=server)
        assert grant.redirected(GOOD + iss, 0)
        assert grant.state == FAILED and isinstance(grant.error, IssuerError) and grant.next_action(0) is None
    grant = make(server=says)
    assert grant.redirected(GOOD + "&iss=https%3A%2F%2Fauth.example", 0) and grant.state == READY


def test_any_other_error_in_the_browser_ends_it():
    for code in ("invalid_scope", "unauthorized_client", "unsupported_response_type", "server_error", "odd"):
        grant = make()
        assert grant.redirected("error=%s&state=%s" % (code, STATE.reveal()), 0)
        assert grant.state == FAILED and grant.error.error == code


def test_nobody_comes():
    grant = make()
    assert due(grant, 1000) == TEN_MINUTES
    assert grant.next_action(TEN_MINUTES) is None
    assert grant.state == EXPIRED and grant.error.exit_code == 4 and "in time" in str(grant.error)
    assert not grant.redirected(GOOD, TEN_MINUTES)


def test_who_comes_in_the_last_moment_still_gets_a_token():
    grant = make()
    assert grant.redirected(GOOD, TEN_MINUTES - 1)
    sent(grant, TEN_MINUTES + 10)
    grant.receive(answer(token_members()), TEN_MINUTES + 20)
    assert grant.state == APPROVED


def test_trouble_is_met_with_the_same_code_for_a_minute():
    grant = redeeming(TEN_MINUTES - 1)
    now = TEN_MINUTES - 1
    troubles = [None, page(503), page(200), error("invalid_grant", 500), answer({}), page(302)]
    for response in troubles:
        assert grant.state == REDEEMING
        if response is None:
            grant.transport_failed(now)
        else:
            grant.receive(response, now)
            assert isinstance(grant.fault, ProtocolError)
        now = due(grant, now)
        assert ("code", CODE) in fields(sent(grant, now))
    grant.receive(answer(token_members()), now)
    assert grant.state == APPROVED and grant.fault is None


def test_a_code_that_nobody_takes_in_time_is_given_up():
    grant = redeeming()
    now = 0
    while True:
        grant.transport_failed(now)
        now = due(grant, now) if now < TEN_MINUTES - 20000 else TEN_MINUTES
        if grant.next_action(now) is None:
            break
    assert grant.state == EXPIRED and grant.error.exit_code == 4 and "reached" in str(grant.error)


def test_an_error_of_the_token_endpoint_ends_it():
    for code in ("invalid_grant", "invalid_client", "invalid_request", "invalid_target"):
        grant = redeeming()
        grant.receive(error(code), 0)
        assert grant.state == FAILED and isinstance(grant.error, OAuthError) and grant.error.error == code


def test_what_the_server_quotes_is_not_repeated():
    grant = redeeming(client=secret_client())
    words = " ".join([CODE, VERIFIER.reveal(), STATE.reveal(), CLIENT_SECRET])
    grant.receive(error("invalid_grant", error_description=words), 0)
    for secret in words.split():
        assert secret not in str(grant.error)


def test_a_token_of_an_unknown_type_is_not_used():
    grant = redeeming()
    grant.receive(answer(token_members(token_type="mac")), 0)
    assert grant.state == FAILED and isinstance(grant.error, ProtocolError) and grant.token is None


def test_item_56_a_server_without_s256_is_refused():
    for methods in (["plain"], []):
        words = refused(ConfigError, make, server={"code_challenge_methods_supported": methods})
        assert "S256" in str(words)
    for methods in (["plain", "S256"], None, "S256"):
        assert make(server={"code_challenge_methods_supported": methods}).state == AUTHORIZING


def test_a_server_without_the_endpoints_is_refused():
    for name in ("authorization_endpoint", "token_endpoint"):
        assert name in str(refused(ConfigError, make, server={name: None}))


def test_nothing_of_it_can_be_shown():
    grant = redeeming()
    for secret in (CODE, VERIFIER.reveal(), STATE.reveal()):
        assert secret not in repr(grant) + repr(grant.authorization_uri) + str(grant.authorization_uri)


def test_what_the_driver_may_not_do_changes_nothing():
    grant = make()
    refused(ProtocolError, grant.receive, answer(token_members()), 0)
    refused(ProtocolError, grant.transport_failed, 0)
    assert grant.redirected(GOOD, 0)
    refused(ProtocolError, grant.receive, answer(token_members()), 0)
    sent(grant, 0)
    refused(ProtocolError, grant.next_action, 0)
    grant.receive(answer(token_members()), 0)
    token = grant.token
    refused(ProtocolError, grant.receive, error("invalid_grant"), 0)
    assert grant.token is token and grant.error is None and grant.state == APPROVED
