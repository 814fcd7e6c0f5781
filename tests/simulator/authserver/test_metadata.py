"""Metadata, where it is found, and the keys (RFC 8414, RFC 7517)."""

import pytest
import requests


@pytest.mark.parametrize("path", ["", "/", "/tenant", "/a/b", "/a/b/"])
def test_both_well_known_places_follow_the_path_rules(start, path):
    site = start(path)
    issuer = site.server.settings.issuer
    origin = issuer[: issuer.index("/", 8)] if path else issuer
    # RFC 8414 section 3.1 inserts, OpenID Connect Discovery section 4 appends; both drop a final slash.
    stem = path.rstrip("/")
    inserted = requests.get(f"{origin}/.well-known/oauth-authorization-server{stem}", timeout=30)
    appended = requests.get(f"{origin}{stem}/.well-known/openid-configuration", timeout=30)
    assert inserted.status_code == appended.status_code == 200
    assert inserted.json() == appended.json()
    assert inserted.json()["issuer"] == issuer


def test_a_path_is_not_served_at_the_root(start):
    site = start("/tenant")
    origin = site.base.removesuffix("/tenant")
    assert requests.get(origin + "/.well-known/oauth-authorization-server", timeout=30).status_code == 404
    assert requests.post(origin + "/token", timeout=30).status_code == 404


def test_every_endpoint_of_the_document_answers(start):
    site = start("/tenant")
    document = site.http.get(site.base + "/.well-known/openid-configuration", timeout=30).json()
    posts = [name for name in document if name.endswith("_endpoint")]
    posts.remove("authorization_endpoint")  # for browsers
    assert site.http.get(document["authorization_endpoint"], timeout=30).status_code == 400
    assert len(posts) == 4
    for name in posts:
        answer = site.http.post(document[name], timeout=30)
        assert (answer.status_code, answer.json()["error"]) in [
            (400, "invalid_request"),
            (401, "invalid_client"),
        ]
        refused = site.http.get(document[name], timeout=30)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert len(site.http.get(document["jwks_uri"], timeout=30).json()["keys"]) == 1


def test_the_document_offers_the_device_grant(site):
    document = site.get("/.well-known/oauth-authorization-server").json()
    assert "urn:ietf:params:oauth:grant-type:device_code" in document["grant_types_supported"]
    assert document["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none",
    ]  # fmt: skip
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    # Section 3.2: claims with zero elements MUST be omitted.
    assert all(document.values())


def test_the_jwks_is_public(site):
    (key,) = site.get("/jwks").json()["keys"]
    assert "d" not in key
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert site.server.jwks == {"keys": [key]}
