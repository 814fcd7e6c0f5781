"""The authorization code grant of our server: who may have a code, what it is good for, what is refused."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from pairlet_sim.authserver import Client, SettingsError
from pairlet_sim.person import Page
from support.proofs import new_key, proof

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT = "http://127.0.0.1:5555/callback"


def query(**changes: Any) -> str:
    """An authorization request (RFC 6749 section 4.1.1); None takes a parameter out."""
    members = {
        "response_type": "code",
        "client_id": "tv",
        "redirect_uri": REDIRECT,
        "state": "st4te",
        "scope": "profile",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return urlencode({name: value for name, value in members.items() if value is not None})


class Browser:
    """A person's browser that does not follow the redirect to the program."""

    def __init__(self, site: Any):
        self.site = site
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, place: str) -> requests.Response:
        return self.http.get(self.site.base + place, timeout=30, allow_redirects=False)

    def post(self, place: str, page: requests.Response, **fields: str) -> requests.Response:
        form = [form for form in Page(page.text).forms if not form.is_aside][0]
        hidden = {each.name: each.value for each in form.of_kind("hidden")}
        return self.http.post(self.site.base + place, hidden | fields, timeout=30, allow_redirects=False)

    def authorize(self, decision: str = "approve", **changes: Any) -> dict[str, str]:
        """Sign in if asked, decide; what goes back to the program."""
        answer = self.get("/authorize?" + query(**changes))
        if answer.status_code == 303 and "/sign-in?" in answer.headers["location"]:
            page = self.get(answer.headers["location"].removeprefix(self.site.server.settings.path))
            answer = self.post("/sign-in", page, username="ada", password="correct horse")
            assert answer.status_code == 303, answer.text
            answer = self.get(answer.headers["location"].removeprefix(self.site.server.settings.path))
        if answer.status_code == 200:
            answer = self.post("/authorize", answer, decision=decision)
        return back(answer)


def back(answer: requests.Response) -> dict[str, str]:
    """The parameters of a redirect to the program."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == REDIRECT, answer.headers["location"]
    return dict(parse_qsl(address.query))


def redeem(site: Any, code: str, **changes: Any) -> requests.Response:
    """The token request for `code`."""
    form = {
        "grant_type": "authorization_code",
        "client_id": "tv",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **changes,
    }
    return site.post("/token", {name: value for name, value in form.items() if value is not None})


@pytest.mark.parametrize("path", ["", "/tenant"])
def test_a_code_for_a_token(start, path):
    site = start(path)
    answer = Browser(site).authorize(device_id="kiosk-1", device_name="Hall")
    assert answer["state"] == "st4te" and answer["iss"] == site.server.settings.issuer
    token = redeem(site, answer["code"]).json()
    assert token["scope"] == "profile" and token["refresh_token"]
    told = site.introspect(token["access_token"])
    assert (told["active"], told["sub"], told["device_id"]) == (True, "ada", "kiosk-1")
    assert site.refresh(token["refresh_token"]).status_code == 200
    assert [event.outcome for event in site.server.events if event.endpoint == "authorization"] == [
        "approved"
    ]


def test_a_person_who_says_no(site):
    answer = Browser(site).authorize("deny")
    assert (answer["error"], answer["state"]) == ("access_denied", "st4te")
    assert answer["iss"] == site.server.settings.issuer and "code" not in answer


def test_who_is_signed_in_is_not_asked_again(site):
    browser = Browser(site)
    browser.authorize()
    page = browser.get("/authorize?" + query())
    assert page.status_code == 200 and "Living room TV" in page.text
    assert "form-action 'self' http://127.0.0.1:5555" in page.headers["content-security-policy"]
    assert "form-action 'self';" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("response_type", ["token", "id_token token", "id_token"])
def test_the_implicit_grant_is_refused_by_name(site, response_type):
    answer = back(Browser(site).get("/authorize?" + query(response_type=response_type)))
    assert (answer["error"], answer["state"]) == ("unsupported_response_type", "st4te")
    assert "RFC 9700 section 2.1.2" in answer["error_description"] and "PKCE" in answer["error_description"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": "magic"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"device_id": "a/b"}, "invalid_request"),
        ({"client_id": "broker"}, "unauthorized_client"),
    ],
)
def test_what_the_program_hears_of(site, changes, code):
    answer = back(Browser(site).get("/authorize?" + query(**changes)))
    assert answer["error"] == code and answer["state"] == "st4te" and "code" not in answer
    assert answer["iss"] == site.server.settings.issuer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:5555/elsewhere"},
        {"redirect_uri": "http://localhost:5555/callback"},
        {"redirect_uri": "http://evil@127.0.0.1:5555/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:99999/callback"},
        {"state": "x" * 9000},
    ],
)
def test_what_only_the_person_hears_of(site, changes):
    answer = Browser(site).get("/authorize?" + query(**changes))
    assert answer.status_code in (400, 414) and "location" not in answer.headers
    assert "does not work here" in answer.text


def test_a_parameter_that_repeats_is_nobody_s(site):
    answer = Browser(site).get("/authorize?" + query() + "&state=other")
    assert answer.status_code == 400 and "more than once" in answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:5556/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
    ],
)
def test_what_a_code_is_not_good_for(site, error, changes, code):
    answer = Browser(site).authorize()
    error(redeem(site, **({"code": answer["code"]} | changes)), code)
    # None of that has spent it.
    assert redeem(site, answer["code"]).status_code == 200


def test_another_client_s_code(site, error):
    answer = Browser(site).authorize()
    refused = site.post(
        "/token",
        {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT,
         "code_verifier": VERIFIER},
        auth=("kiosk", "kiosk-secret"),
    )  # fmt: skip
    error(refused, "invalid_grant")


def test_a_code_that_comes_back_ends_what_was_issued_for_it(site, error):
    answer = Browser(site).authorize()
    token = redeem(site, answer["code"]).json()
    error(redeem(site, answer["code"]), "invalid_grant")
    assert site.introspect(token["access_token"]) == {"active": False}
    error(site.refresh(token["refresh_token"]), "invalid_grant")


def test_a_code_lives_for_a_minute(site, error):
    answer = Browser(site).authorize()
    site.clock.advance(60)
    error(redeem(site, answer["code"]), "invalid_grant")


def test_a_confidential_client_authenticates(site, error):
    answer = Browser(site).authorize(client_id="kiosk", scope=None)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER}  # fmt: skip
    error(site.post("/token", form | {"client_id": "kiosk"}), "invalid_client", 401)
    assert site.post("/token", form, auth=("kiosk", "kiosk-secret")).status_code == 200


def test_a_form_from_elsewhere_decides_nothing(site):
    browser = Browser(site)
    browser.authorize()
    form = {"authorize": query(), "decision": "approve", "csrf": "guessed"}
    answer = browser.http.post(site.base + "/authorize", form, timeout=30, allow_redirects=False)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "uri",
    ["http://auth.example/cb", "app:/cb", "https://a.example/#x", "http://localhost/cb", "https://", "x"],
)
def test_a_client_with_a_bad_redirect_uri(uri):
    with pytest.raises(SettingsError, match="redirect URI"):
        Client("app", redirect_uris=(uri,))


def test_a_registered_https_address_is_compared_to_the_letter():
    client = Client("web", redirect_uris=("https://app.example/cb", "http://[::1]/cb?x=1"))
    assert client.check_redirect_uri("https://app.example/cb")
    assert client.check_redirect_uri("http://[::1]:80/cb?x=1")
    for other in ("https://app.example:444/cb", "https://app.example/cb/", "http://127.0.0.1/cb?x=1"):
        assert not client.check_redirect_uri(other)


def test_a_code_is_bound_to_a_key_by_dpop_jkt(site: Any, error: Any) -> None:
    """RFC 9449 section 10."""
    key, browser = new_key(), Browser(site)
    form = {"grant_type": "authorization_code", "client_id": "tv", "redirect_uri": REDIRECT}

    def ask(prover: Any) -> requests.Response:
        code = browser.authorize(dpop_jkt=key.thumbprint())["code"]
        headers = {"DPoP": proof(prover, site.base + "/token", site.clock())} if prover else {}
        return site.post("/token", form | {"code": code, "code_verifier": VERIFIER}, headers=headers)

    for prover in (None, new_key()):
        error(ask(prover), "invalid_grant")
    assert ask(key).json()["token_type"] == "DPoP"
