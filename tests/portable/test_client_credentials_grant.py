"""pairlet.core.client_credentials_grant: a token in the device's own name (RFC 6749 section 4.4)."""

from pairlet.core.client import NONE, POST, Client
from pairlet.core.client_credentials_grant import ASKING, GRANTED, READY, REFUSED, ClientCredentialsGrant
from pairlet.core.errors import ConfigError, OAuthError, ProtocolError
from pairlet.core.secret import Secret
from scenario import (
    CLIENT_SECRET,
    SEED,
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
)


def make(client=None, **options):
    """A grant that has done nothing yet."""
    options.setdefault("seed", SEED)
    return ClientCredentialsGrant(metadata(), client or secret_client(), **options)


def after(response, now=0, **options):
    """A grant that got `response` (None: no answer) to its first request."""
    grant = make(**options)
    sent(grant, now)
    if response is None:
        grant.transport_failed(now)
    else:
        grant.receive(response, now)
    return grant


def test_the_request():
    request = sent(make(scope="a b", parameters=[("resource", "https://api.example/")]), 0)
    assert request.method == "POST" and request.url == "https://auth.example/token"
    assert fields(request) == [
        ("grant_type", "client_credentials"),
        ("scope", "a b"),
        ("resource", "https://api.example/"),
    ]
    assert header(request, "authorization") and CLIENT_SECRET not in repr(request)
    assert "scope" not in [name for name, _ in fields(sent(make(), 0))]
    assert ("client_secret", CLIENT_SECRET) in fields(sent(make(secret_client(POST)), 0))


def test_only_a_client_that_can_prove_who_it_is():
    for client in (Client("tv"), Client("tv", Secret("x"), NONE)):
        words = refused(ConfigError, make, client)
        assert "device_code" in words.advice and "client_secret_file" in words.advice
    refused(ConfigError, ClientCredentialsGrant, metadata(token_endpoint=None), secret_client())


def test_the_token_lives_from_when_it_was_asked_for():
    grant = make()
    sent(grant, 1000)
    grant.receive(answer(token_members(expires_in=3600)), 3_601_000)
    assert grant.state == GRANTED and grant.next_action(10**9) is None
    assert grant.token.expires_at == 3_601_000 and grant.error is None


def test_a_refresh_token_is_of_no_use_here():
    assert after(answer(token_members())).token.refresh_token is None


def test_what_was_granted_counts():
    assert after(answer(token_members(scope="a")), scope="a b").token.scope == "a"
    assert after(answer(token_members(scope=None)), scope="a b").token.scope == "a b"


def test_an_error_ends_it():
    for code in ("invalid_client", "unauthorized_client", "invalid_scope", "invalid_target", "invalid_grant"):
        for status in (400, 401):
            grant = after(error(code, status))
            assert grant.state == REFUSED and isinstance(grant.error, OAuthError)
            assert grant.error.error == code and grant.token is None and grant.next_action(10**9) is None


def test_a_secret_that_the_server_quotes_is_not_repeated():
    grant = after(error("invalid_client", 401, error_description="wrong secret " + CLIENT_SECRET))
    assert CLIENT_SECRET not in str(grant.error) and "<secret>" in str(grant.error)


def test_a_token_of_an_unknown_type_is_not_used():
    for token_type in ("DPoP", None, 5):
        grant = after(answer(token_members(token_type=token_type)))
        assert grant.state == REFUSED and isinstance(grant.error, ProtocolError) and grant.token is None


def test_trouble_is_met_with_a_growing_pause():
    grant = make()
    now, ceiling = 0, 2000
    troubles = (None, page(503), page(200), error("invalid_client", 500), answer({}), answer([]), page(302))
    for response in troubles + (error("server_error"), answer({}, 429), None, None):
        sent(grant, now)
        assert grant.state == ASKING
        if response is None:
            grant.transport_failed(now)
            assert grant.fault is None
        else:
            grant.receive(response, now)
            assert isinstance(grant.fault, ProtocolError)
        assert grant.state == READY and grant.error is None
        until = due(grant, now)
        assert ceiling // 2 < until - now <= ceiling, (until - now, ceiling)
        now, ceiling = until, min(2 * ceiling, 120000)
    sent(grant, now)
    grant.receive(answer(token_members()), now)
    assert grant.state == GRANTED and grant.fault is None


def test_retry_after_is_honoured():
    for response in (page(503, [("retry-after", "600")]), answer({}, 429, [("retry-after", "600")])):
        assert 601000 <= due(after(response, 1000), 1000) <= 601000 + 120000


def test_what_the_driver_may_not_do_changes_nothing():
    grant = make()
    for response in (answer(token_members()), error("invalid_client"), page(503)):
        refused(ProtocolError, grant.receive, response, 0)
    refused(ProtocolError, grant.transport_failed, 0)
    sent(grant, 0)
    refused(ProtocolError, grant.next_action, 0)
    grant.receive(answer(token_members()), 0)
    token = grant.token
    refused(ProtocolError, grant.receive, error("invalid_client"), 0)
    assert grant.token is token and grant.error is None and grant.state == GRANTED
