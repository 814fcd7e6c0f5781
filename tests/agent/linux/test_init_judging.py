"""What `pairlet init` finds in a server's metadata."""

from typing import Any

import pytest
from pairlet.core.metadata import ServerMetadata
from pairlet.linux.init import judging
from pairlet.linux.init.grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE
from pairlet.linux.init.judging import Found

ISSUER = "https://auth.example.com"
URN = "urn:ietf:params:oauth:grant-type:device_code"
WHOLE: dict[str, Any] = {
    "issuer": ISSUER,
    "device_authorization_endpoint": ISSUER + "/device",
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + "/token",
    "grant_types_supported": [URN, "authorization_code", "client_credentials", "refresh_token"],
    "code_challenge_methods_supported": ["S256"],
    "scopes_supported": ["openid", "offline_access", "telemetry:write"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
}


def found(without: str = "", **changes: Any) -> Found:
    members = {name: value for name, value in {**WHOLE, **changes}.items() if name not in without.split()}
    return Found(ServerMetadata.from_answer(members, ISSUER), members)


@pytest.mark.parametrize("grant", [DEVICE_CODE, AUTHORIZATION_CODE, CLIENT_CREDENTIALS])
def test_a_server_that_offers_all_gives_no_cause(grant: str) -> None:
    server = found()
    assert judging.of_grant(grant, server) == [] and judging.offers(grant, server)
    assert judging.of_scope("openid offline_access", grant, server) == []
    assert judging.of_client_auth("none", server) == []
    # What it does not say can't be held against it.
    silent = found("grant_types_supported scopes_supported token_endpoint_auth_methods_supported")
    assert judging.of_grant(grant, silent) == [] and judging.offers(grant, silent)
    assert judging.of_scope("anything", grant, silent) == []
    assert judging.of_client_auth("private_key_jwt", silent) == []


@pytest.mark.parametrize(
    ("grant", "without", "changes", "words"),
    [
        (DEVICE_CODE, "device_authorization_endpoint", {}, "names no device_authorization_endpoint"),
        (AUTHORIZATION_CODE, "authorization_endpoint", {}, "names no authorization_endpoint"),
        (CLIENT_CREDENTIALS, "token_endpoint", {}, "names no token_endpoint"),
        (DEVICE_CODE, "", {"grant_types_supported": ["client_credentials"]}, "does not offer device_code"),
        (CLIENT_CREDENTIALS, "", {"grant_types_supported": [URN]}, "does not offer client_credentials"),
        (AUTHORIZATION_CODE, "", {"code_challenge_methods_supported": ["plain"]}, "PKCE with S256"),
        (AUTHORIZATION_CODE, "", {"code_challenge_methods_supported": []}, "PKCE with S256"),
    ],
)
def test_what_can_not_work_is_fatal(grant: str, without: str, changes: dict[str, Any], words: str) -> None:
    server = found(without, **changes)
    objections = judging.of_grant(grant, server)
    assert [each.is_fatal for each in objections] == [True]
    assert words in objections[0].message and not judging.offers(grant, server)
    assert objections[0].sentence.startswith("The server ")


def test_the_advice_names_what_it_does_offer() -> None:
    server = found(
        "device_authorization_endpoint", grant_types_supported=["authorization_code", "refresh_token"]
    )
    assert "authorization_code will do" in judging.of_grant(DEVICE_CODE, server)[0].advice
    server = found("device_authorization_endpoint authorization_endpoint", grant_types_supported=["password"])
    assert "another server" in judging.of_grant(DEVICE_CODE, server)[0].advice


def test_what_is_only_odd_is_a_note() -> None:
    def said(*objections: judging.Objection) -> str:
        assert not any(each.is_fatal for each in objections)
        return " ".join(each.sentence for each in objections)

    no_refresh = found(grant_types_supported=[URN])
    assert "refresh_token" in said(*judging.of_grant(DEVICE_CODE, no_refresh))
    assert judging.of_grant(CLIENT_CREDENTIALS, found(grant_types_supported=["client_credentials"])) == []
    silent = found("code_challenge_methods_supported")
    assert "PKCE" in said(*judging.of_grant(AUTHORIZATION_CODE, silent))
    scopes = said(*judging.of_scope("openid telemetrie", DEVICE_CODE, found()))
    assert "does not name telemetrie among" in scopes and "without offline_access" in scopes
    assert "offline" not in said(*judging.of_scope("openid", CLIENT_CREDENTIALS, found()))
    confidential = found(token_endpoint_auth_methods_supported=["client_secret_basic"])
    assert "public" in said(*judging.of_client_auth("none", confidential))


def test_a_provider_without_metadata_is_not_vouched_for() -> None:
    silent = Found(
        ServerMetadata(None, {"token_endpoint": "https://a/t", "authorization_endpoint": "https://a/a"}), {}
    )
    for grant in (AUTHORIZATION_CODE, CLIENT_CREDENTIALS):
        objections = judging.of_grant(grant, silent)
        assert [each.is_fatal for each in objections] == [False] and grant in objections[0].message
    assert judging.of_grant(DEVICE_CODE, silent)[0].is_fatal


def test_a_secret_goes_where_the_server_wants_it() -> None:
    def auth(*methods: str) -> str:
        return judging.client_auth_for_secret(found(token_endpoint_auth_methods_supported=list(methods)))

    assert (
        auth("client_secret_basic", "client_secret_post")
        == ""
        == auth()
        == judging.client_auth_for_secret(None)
    )
    assert auth("client_secret_post", "private_key_jwt") == "client_secret_post"
    server = found(token_endpoint_auth_methods_supported=["private_key_jwt"])
    assert judging.client_auth_for_secret(server) == ""
    assert judging.of_client_auth("client_secret_basic", server)[0].is_fatal
    assert judging.of_client_auth("private_key_jwt", server) == []


def test_scopes_are_suggested_as_far_as_the_server_has_them() -> None:
    assert judging.suggested_scope(DEVICE_CODE, found()) == "openid offline_access"
    assert (
        judging.suggested_scope(DEVICE_CODE, found(scopes_supported=["offline_access"])) == "offline_access"
    )
    assert judging.suggested_scope(CLIENT_CREDENTIALS, found()) == ""
    assert judging.suggested_scope(DEVICE_CODE, None) == ""


def test_what_a_server_writes_does_not_reach_the_screen_unseen() -> None:
    server = found(scopes_supported=["good", 7, "\x1b[2J", "two words", "", None, "\u202eevil"])
    assert judging.known_scopes(server) == ["good"]
    assert judging.known_scopes(found(scopes_supported="openid")) == []
