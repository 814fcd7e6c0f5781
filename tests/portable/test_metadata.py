"""pairlet.core.metadata, the document: what a server says of itself (RFC 8414)."""

from pairlet.core.client import Client
from pairlet.core.device_grant import READY, DeviceGrant
from pairlet.core.errors import ConfigError, IssuerError, ProtocolError
from pairlet.core.metadata import ENDPOINTS, ServerMetadata
from scenario import ISSUER, metadata, metadata_members, refused


def read(issuer=ISSUER, insecure_http=False, **changes):
    return ServerMetadata.from_answer(metadata_members(**changes), issuer, insecure_http)


def test_reads_the_endpoints_by_their_names():
    found = read(
        revocation_endpoint="https://auth.example/revoke", introspection_endpoint="https://auth.example/i?x=1"
    )
    assert found.issuer == ISSUER
    assert found.token_endpoint == "https://auth.example/token"
    assert found.device_authorization_endpoint == "https://auth.example/device_authorization"
    assert found.revocation_endpoint == "https://auth.example/revoke"
    assert found.introspection_endpoint == "https://auth.example/i?x=1"
    assert read().revocation_endpoint is None


def test_item_42_the_issuer_must_be_the_same_to_the_code_point():
    for other in (
        "https://auth.example/",
        "https://AUTH.example",
        "https://auth.example:443",
        "http://auth.example",
        "https://evil.example",
        "",
        5,
        ["https://auth.example"],
        "https://auth.ex\u0430mple",
        "https://auth.example\n",
        True,
    ):
        error = refused(IssuerError, ServerMetadata.from_answer, changed_issuer(other), ISSUER)
        assert error.exit_code == 7
        assert "\n" not in str(error) and "\u0430" not in str(error)
    members = metadata_members()
    members.pop("issuer")
    refused(IssuerError, ServerMetadata.from_answer, members, ISSUER)


def changed_issuer(issuer):
    members = metadata_members()
    members["issuer"] = issuer
    return members


def test_item_04_endpoints_must_be_https():
    for name in ENDPOINTS:
        for bad in (
            "http://auth.example/x",
            "auth.example/x",
            "",
            5,
            ["https://a/"],
            "https://a@b/",
            "https://a/#f",
            "ftp://a/",
        ):
            members = metadata_members()
            members[name] = bad
            assert name in str(refused(ProtocolError, ServerMetadata.from_answer, members, ISSUER)), (
                name,
                bad,
            )


def test_item_04_plain_http_on_loopback_only_with_the_flag():
    local = "http://127.0.0.1:8628"
    members = {"issuer": local, "token_endpoint": local + "/token"}
    assert ServerMetadata.from_answer(members, local, True).token_endpoint == local + "/token"
    refused(ProtocolError, ServerMetadata.from_answer, members, local, False)
    members["token_endpoint"] = "http://auth.example/token"
    refused(ProtocolError, ServerMetadata.from_answer, members, local, True)


def test_item_23_the_grant_is_offered_when_both_endpoints_are_there():
    for name in ("device_authorization_endpoint", "token_endpoint"):
        assert name in str(refused(ConfigError, DeviceGrant, read(**{name: None}), Client("tv")))
    # Lists that forget it are common; the endpoint counts.
    for listed in (["authorization_code"], None):
        assert DeviceGrant(read(grant_types_supported=listed), Client("tv")).state == READY


def test_item_23_grant_types_are_kept_as_a_list_or_not_at_all():
    assert "urn:ietf:params:oauth:grant-type:device_code" in read().grant_types_supported
    for bad in ("urn:ietf:params:oauth:grant-type:device_code", 5, {"a": 1}):
        assert read(grant_types_supported=bad).grant_types_supported is None


def test_a_missing_endpoint_is_named():
    error = refused(ConfigError, metadata(token_endpoint=None).require, "token_endpoint")
    assert "token_endpoint" in str(error) and "oauth.token_endpoint" in error.advice
    assert metadata().require("token_endpoint") == "https://auth.example/token"


def test_item_30_unknown_members_are_ignored():
    assert read(strange=[1], jwks_uri="http://plain.example/", self="x").token_endpoint
