"""pairlet.core.metadata, the machine: finding what a server says of itself."""

from pairlet.core.discovery import FAILED, FOUND, READY, Discovery
from pairlet.core.errors import ConfigError, IssuerError, ProtocolError
from scenario import ISSUER, SEED, answer, due, error, metadata_members, page, refused, sent

OAUTH = ISSUER + "/.well-known/oauth-authorization-server"
OPENID = ISSUER + "/.well-known/openid-configuration"


def make(issuer=ISSUER, insecure_http=False):
    return Discovery(issuer, SEED, insecure_http)


def test_item_43_asks_the_place_of_rfc_8414_first():
    discovery = make()
    request = sent(discovery, 0)
    assert (request.method, request.url, request.body) == ("GET", OAUTH, b"")
    discovery.receive(answer(metadata_members()), 10)
    assert discovery.state == FOUND and discovery.metadata.issuer == ISSUER
    assert discovery.error is None and discovery.fault is None
    assert discovery.next_action(20) is None


def test_item_43_then_the_place_of_openid_connect_at_once():
    for first in (page(404), answer({}, 404), page(200), answer([]), error("not_found", 400), page(301)):
        discovery = make()
        sent(discovery, 0)
        discovery.receive(first, 10)
        assert sent(discovery, 10).url == OPENID
        discovery.receive(answer(metadata_members()), 20)
        assert discovery.state == FOUND


def test_nowhere_ends_it_with_the_first_reason():
    discovery = make()
    for response in (page(404), answer({}, 403)):
        sent(discovery, 0)
        discovery.receive(response, 0)
    assert discovery.state == FAILED and discovery.metadata is None
    assert "404" in str(discovery.error)
    assert discovery.next_action(10**9) is None


def test_item_42_another_issuer_is_what_gets_reported():
    other = metadata_members(issuer="https://evil.example")
    for responses in ((page(404), answer(other)), (answer(other), page(404))):
        discovery = make()
        for response in responses:
            sent(discovery, 0)
            discovery.receive(response, 0)
        assert discovery.state == FAILED and isinstance(discovery.error, IssuerError)
        assert discovery.metadata is None


def test_item_21_trouble_is_met_with_a_growing_pause_at_the_same_place():
    discovery = make()
    now = 0
    pauses = []
    for response in (page(503), None, page(429), page(500), None, page(502)):
        assert sent(discovery, now).url == OAUTH
        if response is None:
            discovery.transport_failed(now)
            assert discovery.fault is None
        else:
            discovery.receive(response, now)
            assert isinstance(discovery.fault, ProtocolError)
        until = due(discovery, now)
        pauses.append(until - now)
        assert due(discovery, until - 1) == until
        now = until
    for number in range(len(pauses)):
        assert 500 * 2**number < pauses[number] <= 1000 * 2**number, pauses


def test_retry_after_is_honoured():
    discovery = make()
    sent(discovery, 0)
    discovery.receive(page(429, [("retry-after", "77")]), 1000)
    assert 78000 <= due(discovery, 1000) <= 78000 + 19250


def test_trouble_is_forgotten_once_found():
    discovery = make()
    sent(discovery, 0)
    discovery.receive(page(503), 0)
    sent(discovery, due(discovery, 0))
    discovery.receive(answer(metadata_members()), 5000)
    assert discovery.fault is None and discovery.state == FOUND


def test_item_04_an_issuer_must_be_https():
    for bad in (
        "http://auth.example",
        "auth.example",
        "",
        "https://auth.example?x=1",
        "https://a#b",
        "https://a@b",
        "http://127.0.0.1",
    ):
        refused(ConfigError, make, bad)
    refused(ConfigError, make, "http://auth.example", True)
    assert make("http://127.0.0.1:1", True).state == READY


def test_item_04_metadata_with_a_plain_http_endpoint_is_passed_over():
    discovery = make()
    sent(discovery, 0)
    discovery.receive(answer(metadata_members(token_endpoint="http://auth.example/token")), 0)
    assert sent(discovery, 0).url == OPENID


def test_answers_nobody_asked_for_change_nothing():
    discovery = make()
    refused(ProtocolError, discovery.receive, answer(metadata_members()), 0)
    refused(ProtocolError, discovery.receive, page(404), 0)
    refused(ProtocolError, discovery.receive, page(503), 0)
    refused(ProtocolError, discovery.transport_failed, 0)
    assert discovery.metadata is None and discovery.error is None and discovery.fault is None
    assert sent(discovery, 0).url == OAUTH
    refused(ProtocolError, discovery.next_action, 0)
