"""The polling loop as the server sees it (RFC 8628 sections 3.4 and 3.5); only tests move its clock."""

import pytest
import requests

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def test_pending_then_approved_then_spent(site, error):
    codes = site.start_pairing(device_id="tv-1")
    error(site.poll(codes["device_code"]), "authorization_pending")
    site.decide(codes)
    answer = site.poll(codes["device_code"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert token["token_type"] == "Bearer"
    assert token["expires_in"] == 3600
    assert token["scope"] == "telemetry:write profile"
    assert token["refresh_token"]
    error(site.poll(codes["device_code"]), "invalid_grant")
    assert [event.outcome for event in site.server.events if event.endpoint == "token"] == [
        "authorization_pending", "issued", "invalid_grant",
    ]  # fmt: skip


def test_a_narrower_scope_is_granted_as_asked(site):
    assert site.pair(scope="profile")["scope"] == "profile"


def test_slow_down_costs_five_seconds_for_good(site, error):
    code = site.start_pairing()["device_code"]
    error(site.poll(code), "authorization_pending")
    site.clock.advance(4)
    error(site.poll(code), "slow_down")
    site.clock.advance(9.9)
    error(site.poll(code), "slow_down")
    site.clock.advance(15)
    error(site.poll(code), "authorization_pending")
    site.clock.advance(14.9)
    error(site.poll(code), "slow_down")
    site.clock.advance(20)
    error(site.poll(code), "authorization_pending")


@pytest.mark.parametrize(("wait", "outcome"), [(4.94, "slow_down"), (4.96, "authorization_pending")])
def test_the_tolerance_is_50_ms(site, error, wait, outcome):
    code = site.start_pairing()["device_code"]
    site.poll(code)
    site.clock.advance(wait)
    error(site.poll(code), outcome)


def test_each_code_has_an_interval_of_its_own(site, error):
    one, two = site.start_pairing()["device_code"], site.start_pairing()["device_code"]
    site.poll(one)
    error(site.poll(one), "slow_down")
    error(site.poll(two), "authorization_pending")
    site.clock.advance(5)
    error(site.poll(two), "authorization_pending")
    error(site.poll(one), "slow_down")


def test_an_early_poll_after_the_decision_gets_its_answer(site):
    codes = site.start_pairing()
    site.poll(codes["device_code"])
    site.decide(codes)
    assert site.poll(codes["device_code"]).status_code == 200


def test_denied(site, error):
    codes = site.start_pairing()
    site.decide(codes, "deny")
    error(site.poll(codes["device_code"]), "access_denied")
    error(site.poll(codes["device_code"]), "access_denied")
    assert site.server.pairings() == []


@pytest.mark.parametrize(("age", "outcome"), [(599.9, "authorization_pending"), (600, "expired_token")])
def test_expiry_is_exact(site, error, age, outcome):
    code = site.start_pairing()["device_code"]
    site.clock.advance(age)
    error(site.poll(code), outcome)


def test_an_approved_code_expires_too(site, error):
    codes = site.start_pairing()
    site.decide(codes)
    site.clock.advance(600)
    error(site.poll(codes["device_code"]), "expired_token")


def test_a_code_of_yesterday_is_forgotten(site, error):
    code = site.start_pairing()["device_code"]
    site.clock.advance(600 + 24 * 3600 + 1)
    error(site.poll(code), "expired_token")
    site.start_pairing()
    error(site.poll(code), "invalid_grant")


def test_unknown_and_foreign_codes_are_invalid_grants(site, error):
    error(site.poll("x" * 42), "invalid_grant")
    codes = site.start_pairing()
    form = {"grant_type": DEVICE_CODE, "device_code": codes["device_code"]}
    error(site.post("/token", form, auth=("kiosk", "kiosk-secret")), "invalid_grant")
    # The foreign poll did not count as one of the owner's.
    error(site.poll(codes["device_code"]), "authorization_pending")
    error(site.poll(codes["device_code"].swapcase()), "invalid_grant")


@pytest.mark.parametrize(
    ("form", "code", "status"),
    [
        ({"client_id": "tv"}, "invalid_request", 400),
        ({"client_id": "tv", "grant_type": DEVICE_CODE}, "invalid_request", 400),
        ({"device_code": "x", "grant_type": DEVICE_CODE}, "invalid_client", 401),
        ({"client_id": "no", "device_code": "x", "grant_type": DEVICE_CODE}, "invalid_client", 401),
        ({"client_id": "tv", "grant_type": "password", "username": "ada", "password": "x"},
         "unsupported_grant_type", 400),
        ({"client_id": "tv", "grant_type": "na\"\\\nï"}, "unsupported_grant_type", 400),
        ({"client_id": "tv", "grant_type": "implicit", "code": "x"}, "unsupported_grant_type", 400),
        ({"client_id": "tv", "device_code": "x", "grant_type": DEVICE_CODE, "resource": "urn:x"},
         "invalid_target", 400),
    ],
)  # fmt: skip
def test_bad_token_requests(site, error, form, code, status):
    error(site.post("/token", form), code, status)


def test_the_password_grant_is_told_what_to_use(site):
    answer = site.post("/token", {"grant_type": "password", "client_id": "tv"}).json()
    assert "device authorization grant" in answer["error_description"]
    assert "RFC 9700 section 2.4" in answer["error_description"]


def test_duplicate_parameters_are_refused(site, error):
    answer = site.post("/token", [("grant_type", DEVICE_CODE), ("device_code", "a"), ("device_code", "b")])
    error(answer, "invalid_request")


def test_a_slash_too_many_is_not_redirected_with_its_secrets(site):
    answer = requests.post(site.base + "/token/", {"client_id": "tv"}, allow_redirects=False, timeout=30)
    assert answer.status_code == 404
