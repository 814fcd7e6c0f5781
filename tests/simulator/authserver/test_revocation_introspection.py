"""Revocation (RFC 7009) and introspection (RFC 7662)."""

import pytest


def test_revoking_a_refresh_token_ends_the_pairing(site, error):
    token = site.pair()
    answer = site.post("/revoke", {"token": token["refresh_token"], "client_id": "tv"})
    assert answer.status_code == 200
    error(site.refresh(token["refresh_token"]), "invalid_grant")
    assert site.introspect(token["access_token"]) == {"active": False}


def test_revoking_an_access_token_ends_only_that(site):
    token = site.pair()
    form = {"token": token["access_token"], "client_id": "tv", "token_type_hint": "refresh_token"}
    assert site.post("/revoke", form).status_code == 200
    assert site.introspect(token["access_token"]) == {"active": False}
    assert site.refresh(token["refresh_token"]).status_code == 200


def test_an_unknown_token_is_as_good_as_revoked(site):
    for token in ("unknown", "a.b.c", "é"):
        assert site.post("/revoke", {"token": token, "client_id": "tv"}).status_code == 200


def test_revoking_twice_is_fine(site):
    form = {"token": site.pair()["refresh_token"], "client_id": "tv"}
    assert [site.post("/revoke", form).status_code for _ in range(2)] == [200, 200]


def test_another_clients_token_is_not_revoked(site, error):
    token = site.pair()
    for each in (token["refresh_token"], token["access_token"]):
        error(site.post("/revoke", {"token": each}, auth=("kiosk", "kiosk-secret")), "invalid_grant")
    assert site.introspect(token["access_token"])["active"]
    assert site.refresh(token["refresh_token"]).status_code == 200


@pytest.mark.parametrize("place", ["/revoke", "/introspect"])
def test_bad_requests(site, error, place):
    auth = ("kiosk", "kiosk-secret")
    error(site.post(place, auth=auth), "invalid_request")
    error(site.post(place, {"token": ""}, auth=auth), "invalid_request")
    hinted = {"token": "x", "token_type_hint": "cookie"}
    error(site.post(place, hinted, auth=auth), "unsupported_token_type")
    error(site.post(place, {"token": "x"}), "invalid_client", 401)
    error(site.post(place, {"token": "x"}, auth=("kiosk", "wrong")), "invalid_client", 401)


def test_introspection_of_an_access_token(site):
    token = site.pair(device_id="tv-1")
    payload = site.introspect(token["access_token"], token_type_hint="access_token")
    assert payload["active"] is True
    assert (payload["sub"], payload["client_id"], payload["device_id"]) == ("ada", "tv", "tv-1")
    assert (payload["iss"], payload["aud"]) == (site.base, "pairlet")
    assert payload["exp"] - payload["iat"] == 3600
    site.clock.advance(3600)
    assert site.introspect(token["access_token"]) == {"active": False}


def test_introspection_of_refresh_tokens(start):
    site = start(refresh_token_lifetime_s=100)
    old = site.pair(device_id="tv-1")["refresh_token"]
    assert site.introspect(old)["device_id"] == "tv-1"
    new = site.refresh(old).json()["refresh_token"]
    assert site.introspect(old) == {"active": False}
    assert site.introspect(new)["scope"] == "telemetry:write profile"
    site.clock.advance(100)
    assert site.introspect(new) == {"active": False}


def test_introspection_is_for_clients_with_a_secret(site, error):
    token = site.pair()["access_token"]
    error(site.post("/introspect", {"token": token, "client_id": "tv"}), "invalid_client", 401)


def test_a_client_sees_only_its_own_tokens(site):
    auth = ("kiosk", "kiosk-secret")
    foreign = site.pair()["access_token"]
    own = site.post("/token", {"grant_type": "client_credentials"}, auth=auth).json()["access_token"]
    assert site.post("/introspect", {"token": foreign}, auth=auth).json() == {"active": False}
    assert site.post("/introspect", {"token": own}, auth=auth).json()["active"] is True


def test_garbage_is_inactive(site):
    for token in ("x", "a.b.c", "é", "eyJhbGciOiJub25lIn0.e30."):
        assert site.introspect(token) == {"active": False}
    assert site.server.events[-1][1:3] == ("introspection", "inactive")
