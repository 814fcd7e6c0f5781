"""Who the client is (RFC 6749 sections 2.3, 3.2.1, 4.4 and 5.2; RFC 7617)."""

import base64

import pytest
from pairlet_sim.authserver import Client

FORM = {"grant_type": "client_credentials"}
ODD_ID, ODD_SECRET = "odd client", "a:b+c %é&"


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_basic_and_post_are_both_taken(site):
    assert site.post("/token", FORM, auth=("kiosk", "kiosk-secret")).status_code == 200
    in_body = {"client_id": "kiosk", "client_secret": "kiosk-secret"}
    assert site.post("/token", FORM | in_body).status_code == 200
    assert (
        site.post("/token", FORM | {"client_id": "kiosk"}, auth=("kiosk", "kiosk-secret")).status_code == 200
    )


def test_basic_credentials_are_form_decoded(start, error):
    site = start(clients=[Client(ODD_ID, secret=ODD_SECRET)])
    encoded = _basic("odd+client", "a%3Ab%2Bc+%25%C3%A9%26")
    assert site.post("/token", FORM, headers=encoded).status_code == 200
    # Sent raw, the plus becomes a space: the wrong secret.
    error(site.post("/token", FORM, headers=_basic(ODD_ID, "a:b+c %25é&")), "invalid_client", 401)


@pytest.mark.parametrize(
    ("headers", "form", "code", "status"),
    [
        (_basic("kiosk", "wrong"), {}, "invalid_client", 401),
        (_basic("kiosk", ""), {}, "invalid_client", 401),
        (_basic("nobody", "x"), {}, "invalid_client", 401),
        (_basic("tv", "x"), {}, "invalid_client", 401),
        (_basic("kiosk", "wrong"), {"client_id": "tv"}, "invalid_request", 400),
        (_basic("kiosk", "kiosk-secret"), {"client_secret": "kiosk-secret"}, "invalid_request", 400),
        ({"Authorization": "Bearer abc"}, {}, "invalid_client", 401),
        ({"Authorization": "Basic"}, {}, "invalid_client", 401),
        ({"Authorization": "Basic !!!"}, {}, "invalid_client", 401),
        ({"Authorization": "Basic /////w=="}, {}, "invalid_client", 401),
        ({"Authorization": "Basic a2lvc2s="}, {}, "invalid_client", 401),
        (_basic("%ff", "x"), {}, "invalid_client", 401),
        ({}, {"client_id": "kiosk", "client_secret": "wrong"}, "invalid_client", 401),
        ({}, {"client_id": "tv", "client_secret": "anything"}, "invalid_client", 401),
        ({}, {"client_id": "kiosk"}, "invalid_client", 401),
        ({}, {"client_secret": "kiosk-secret"}, "invalid_client", 401),
        ({}, {"client_id": "tv"}, "unauthorized_client", 400),
    ],
)
def test_refusals(site, error, headers, form, code, status):
    answer = site.post("/token", FORM | form, headers=headers)
    error(answer, code, status)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith('Basic realm="')


def test_refusals_do_not_tell_which_half_was_wrong(site):
    unknown = site.post("/token", FORM, headers=_basic("nobody", "x"))
    wrong = site.post("/token", FORM, headers=_basic("kiosk", "x"))
    assert unknown.json() == wrong.json()


def test_client_credentials_respect_scope(site, error):
    answer = site.post("/token", FORM | {"scope": "profile"}, auth=("kiosk", "kiosk-secret"))
    assert answer.json()["scope"] == "profile"
    error(site.post("/token", FORM | {"scope": "root"}, auth=("kiosk", "kiosk-secret")), "invalid_scope")


def test_a_confidential_client_pairs_and_refreshes_with_its_secret(site, error):
    auth = ("kiosk", "kiosk-secret")
    codes = site.post("/device_authorization", auth=auth).json()
    site.decide(codes)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": codes["device_code"],
        "client_id": "kiosk",
    }
    error(site.post("/token", form), "invalid_client", 401)
    token = site.post("/token", form, auth=auth).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    error(site.post("/token", refresh | {"client_id": "kiosk"}), "invalid_client", 401)
    assert site.post("/token", refresh, auth=auth).status_code == 200
