"""Refresh: rotation, reuse, grace, scope (RFC 6749 section 6, RFC 9700 section 4.14.2)."""

import pytest


def test_rotation_gives_a_new_token_each_time(site):
    first = site.pair(device_id="tv-1")
    second = site.refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.headers["cache-control"] == "no-store"
    third = site.refresh(second.json()["refresh_token"]).json()
    assert len({first["refresh_token"], second.json()["refresh_token"], third["refresh_token"]}) == 3
    assert site.server.events[-1][1:] == ("token", "refreshed", "tv", "tv-1")


def test_reuse_ends_the_whole_family(site, error):
    first = site.pair()
    other = site.pair()
    second = site.refresh(first["refresh_token"]).json()
    error(site.refresh(first["refresh_token"]), "invalid_grant")
    error(site.refresh(second["refresh_token"]), "invalid_grant")
    assert site.introspect(second["access_token"]) == {"active": False}
    # Another pairing of the same person and client is another family.
    assert site.refresh(other["refresh_token"]).status_code == 200


def test_without_rotation_the_token_stays(start):
    site = start(rotate=False)
    first = site.pair()
    for _ in range(3):
        answer = site.refresh(first["refresh_token"])
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


def test_grace_repeats_a_lost_answer(start, error):
    site = start(refresh_grace_s=30)
    first = site.pair()["refresh_token"]
    lost = site.refresh(first).json()["refresh_token"]
    site.clock.advance(30)
    kept = site.refresh(first).json()["refresh_token"]
    assert site.refresh(kept).status_code == 200
    # `lost` was retired when `kept` was used: whoever holds it is not the device.
    error(site.refresh(lost), "invalid_grant")
    error(site.refresh(kept), "invalid_grant")


def test_grace_ends(start, error):
    site = start(refresh_grace_s=30)
    first = site.pair()["refresh_token"]
    second = site.refresh(first).json()["refresh_token"]
    site.clock.advance(30.5)
    error(site.refresh(first), "invalid_grant")
    error(site.refresh(second), "invalid_grant")


def test_grace_counts_from_the_first_use(start, error):
    site = start(refresh_grace_s=30)
    first = site.pair()["refresh_token"]
    for _ in range(3):
        assert site.refresh(first).status_code == 200
        site.clock.advance(10)
    site.clock.advance(1)
    error(site.refresh(first), "invalid_grant")


def test_grace_is_only_for_the_immediately_previous_token(start, error):
    site = start(refresh_grace_s=30)
    first = site.pair()["refresh_token"]
    second = site.refresh(first).json()["refresh_token"]
    assert site.refresh(second).status_code == 200
    error(site.refresh(first), "invalid_grant")


def test_refresh_tokens_expire_if_told_to(start, error):
    site = start(refresh_token_lifetime_s=100)
    token = site.pair()["refresh_token"]
    site.clock.advance(99.9)
    token = site.refresh(token).json()["refresh_token"]
    site.clock.advance(100)
    error(site.refresh(token), "invalid_grant")


def test_refresh_tokens_last_for_years_otherwise(site):
    token = site.pair()["refresh_token"]
    site.clock.advance(5 * 365 * 86400)
    assert site.refresh(token).status_code == 200


def test_scope_may_shrink_but_not_grow(site, error):
    token = site.pair(scope="profile")
    error(site.refresh(token["refresh_token"], scope="profile telemetry:write"), "invalid_scope")
    # The refused request has not used the token up.
    assert site.refresh(token["refresh_token"]).status_code == 200


def test_a_smaller_scope_is_for_one_access_token_only(site):
    token = site.pair()
    small = site.refresh(token["refresh_token"], scope="profile").json()
    assert small["scope"] == "profile"
    assert site.refresh(small["refresh_token"]).json()["scope"] == "telemetry:write profile"


def test_another_client_can_not_use_or_end_it(site, error):
    token = site.pair()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    error(site.post("/token", form, auth=("kiosk", "kiosk-secret")), "invalid_grant")
    assert site.refresh(token).status_code == 200


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "invalid_request"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"refresh_token": "unknown"}, "invalid_grant"),
        ({"refresh_token": "unknown", "resource": "urn:x"}, "invalid_target"),
    ],
)
def test_bad_requests(site, error, form, code):
    error(site.post("/token", {"grant_type": "refresh_token", "client_id": "tv", **form}), code)


def test_an_administrator_can_end_a_pairing(site, error):
    token = site.pair()
    (pairing,) = site.server.pairings()
    site.server.revoke_pairing(pairing.id)
    error(site.refresh(token["refresh_token"]), "invalid_grant")
    assert site.server.pairings()[0].revoked_at == site.clock.now
