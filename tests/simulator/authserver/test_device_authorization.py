"""The device authorization endpoint (RFC 8628 sections 3.1 and 3.2)."""

import re

import pytest


def test_the_response_has_every_field(site):
    codes = site.start_pairing()
    assert codes["verification_uri"] == site.base + "/device"
    assert codes["verification_uri_complete"] == f"{site.base}/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert len(codes["device_code"]) >= 40


def test_settings_show_in_the_response(start):
    codes = start(code_lifetime_s=90, interval_s=7).start_pairing()
    assert (codes["expires_in"], codes["interval"]) == (90, 7)


def test_user_codes_are_of_the_20_consonants_and_differ(site):
    codes = [site.start_pairing()["user_code"] for _ in range(30)]
    assert all(re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code) for code in codes)
    assert len(set(codes)) == 30


@pytest.mark.parametrize(
    ("form", "code", "status"),
    [
        ({}, "invalid_client", 401),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"client_id": "kiosk"}, "invalid_client", 401),
        ({"client_id": "tv", "scope": "telemetry:write root"}, "invalid_scope", 400),
        ({"client_id": "tv", "scope": 'a"b'}, "invalid_scope", 400),
        ({"client_id": "tv", "device_id": "a/b"}, "invalid_request", 400),
        ({"client_id": "tv", "device_id": "+"}, "invalid_request", 400),
        ({"client_id": "tv", "device_id": "x" * 65}, "invalid_request", 400),
        ({"client_id": "tv", "device_name": "x" * 65}, "invalid_request", 400),
        ({"client_id": "tv", "device_name": "a\x1b[2Jb"}, "invalid_request", 400),
        ({"client_id": "tv", "device_name": "a\u202eb"}, "invalid_request", 400),
        ({"client_id": "tv", "device_name": "a\u2028b"}, "invalid_request", 400),
        ({"client_id": "tv", "resource": "https://elsewhere.example"}, "invalid_target", 400),
    ],
)
def test_bad_requests(site, error, form, code, status):
    error(site.post("/device_authorization", form), code, status)
    assert site.server.events[-1][1:3] == ("device_authorization", code)


def test_a_client_without_the_grant_is_unauthorized(site, error):
    error(site.post("/device_authorization", auth=("broker", "broker-secret")), "unauthorized_client")


def test_basic_credentials_need_no_body(site):
    answer = site.post("/device_authorization", auth=("kiosk", "kiosk-secret"))
    assert answer.status_code == 200, answer.text


def test_longest_names_are_taken_and_reach_the_token(site):
    name = "Küche 厨房 🍳".ljust(64, "x")
    site.pair(device_id="a" * 64, device_name=name)
    (pairing,) = site.server.pairings()
    assert (pairing.device_id, pairing.device_name) == ("a" * 64, name)


def test_the_audience_may_be_asked_for_as_resource(start):
    site = start(audience="https://broker.example")
    assert site.start_pairing(resource="https://broker.example")


def test_empty_parameters_count_as_omitted(site, error):
    assert site.start_pairing(scope="", device_id="", device_name="")
    error(site.post("/device_authorization", {"client_id": ""}), "invalid_client", 401)


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"client_id=tv&client_id=tv", "application/x-www-form-urlencoded", 400),
        (b"client_id=tv", "application/json", 400),
        (b'{"client_id": "tv"}', "application/json", 400),
        (b"client_id=tv", None, 400),
        (b"client_id=%ff", "application/x-www-form-urlencoded", 400),
        (b"client_id=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"p%d=1" % n for n in range(60)), "application/x-www-form-urlencoded", 400),
        (b"client_id=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_bodies_that_are_no_form(site, error, body, media_type, status):
    headers = {"Content-Type": media_type} if media_type else {}
    error(site.post("/device_authorization", body, headers=headers), "invalid_request", status)


def test_parameters_in_the_url_are_not_read(site, error):
    answer = site.post("/device_authorization?client_id=tv", {"scope": "profile"})
    error(answer, "invalid_client", 401)
