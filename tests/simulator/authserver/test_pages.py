"""The pages as a hostile or hasty browser meets them: CSRF, cookies, guessing, escaping, headers."""

import re

import pytest
import requests
from pairlet_sim.authserver import Person


class Browser:
    """A browser without JavaScript that can also send what no form would."""

    def __init__(self, site):
        self.site = site
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, place: str, **options):
        return self.http.get(self.site.base + place, timeout=30, **options)

    def post(self, place: str, csrf: str | None = None, **form: str):
        form["csrf"] = self.csrf() if csrf is None else csrf
        return self.http.post(self.site.base + place, form, allow_redirects=False, timeout=30)

    def csrf(self) -> str:
        return re.search('name="csrf" value="([0-9a-f]{64})"', self.get("/sign-in").text)[1]

    def sign_in(self, username="ada", password="correct horse", **form: str):
        return self.post("/sign-in", username=username, password=password, **form)


@pytest.fixture
def browser(site):
    browser = Browser(site)
    with browser.http:
        yield browser


def test_the_whole_walk_by_hand(site, browser):
    codes = site.start_pairing(device_name="Kitchen sensor", device_id="k-1")
    answer = browser.sign_in(user_code=codes["user_code"])
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/device?user_code=" + codes["user_code"],
    )
    assert codes["user_code"] in browser.get("/device?user_code=" + codes["user_code"]).text
    assert browser.post("/device", user_code=codes["user_code"]).headers["location"] == "/consent"
    page = browser.get("/consent").text
    for shown in ("Kitchen sensor", "k-1", "Living room TV", "telemetry:write", "Send its measurements"):
        assert shown in page
    assert browser.post("/consent", decision="approve").headers["location"] == "/done"
    assert "Kitchen sensor notices" in browser.get("/done").text
    assert site.poll(codes["device_code"]).status_code == 200


@pytest.mark.parametrize("typed", ["{}", "{} ", "{low}", "{plain}", " {spaced} ", "{low_plain}", "{dots}"])
def test_code_entry_forgives(site, browser, typed):
    code = site.start_pairing()["user_code"]
    browser.sign_in()
    spellings = {
        "low": code.lower(),
        "plain": code.replace("-", ""),
        "low_plain": code.lower().replace("-", ""),
        "spaced": " ".join(code),
        "dots": code.replace("-", "\u2013"),
    }
    answer = browser.post("/device", user_code=typed.format(code, **spellings))
    assert answer.headers["location"] == "/consent"


@pytest.mark.parametrize("place", ["/sign-in", "/device", "/consent", "/sign-out"])
def test_every_form_needs_its_csrf_token(site, browser, place):
    codes = site.start_pairing()
    browser.sign_in()
    browser.post("/device", user_code=codes["user_code"])
    stranger = Browser(site).csrf()
    for csrf in ("", "0" * 64, stranger, "é"):
        assert browser.post(place, csrf=csrf, decision="approve").status_code == 403
    assert site.poll(codes["device_code"]).json()["error"] == "authorization_pending"
    # Still signed in, and the right token still works.
    assert browser.post("/consent", decision="deny").headers["location"] == "/done"


def test_a_csrf_token_of_before_sign_in_is_worth_nothing_after(site, browser):
    before = browser.csrf()
    browser.sign_in()
    assert browser.post("/device", csrf=before, user_code="x").status_code == 403


def test_sign_in_changes_the_cookie(site, browser):
    browser.get("/sign-in")
    planted = dict(browser.http.cookies)
    browser.sign_in()
    assert dict(browser.http.cookies) != planted
    answer = requests.get(site.base + "/device", cookies=planted, allow_redirects=False, timeout=30)
    assert answer.headers["location"] == "/sign-in"


def test_nothing_works_without_signing_in(site, browser):
    code = site.start_pairing()["user_code"]
    assert browser.get("/device?user_code=" + code).url.endswith("/sign-in?user_code=" + code)
    assert browser.get("/consent").url.endswith("/sign-in")
    assert browser.post("/device", user_code=code).headers["location"] == "/sign-in"
    assert browser.post("/consent", decision="approve").headers["location"] == "/sign-in"


def test_signing_out_ends_the_session(site, browser):
    browser.sign_in()
    cookies = dict(browser.http.cookies)
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    answer = requests.get(site.base + "/device", cookies=cookies, allow_redirects=False, timeout=30)
    assert answer.headers["location"] == "/sign-in"


def test_sessions_end_by_the_clock(site, browser):
    browser.sign_in()
    assert browser.get("/device").url.endswith("/device")
    site.clock.advance(3600)
    assert browser.get("/device").url.endswith("/sign-in")


def test_the_cookie(site, start):
    cookie = site.get("/sign-in").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert "Path=/;" in cookie
    other = start("/tenant").get("/sign-in").headers["set-cookie"]
    assert "Path=/tenant;" in other
    # Browsers send cookies to every port of a host.
    assert other.partition("=")[0] != cookie.partition("=")[0]


@pytest.mark.parametrize("place", ["/sign-in", "/style.css", "/nothing", "/jwks", "/token"])
def test_security_headers_are_everywhere(site, place):
    headers = site.get(place).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("max-age=3600" if place == "/style.css" else "no-store")


def test_pages_hold_no_script_and_label_every_field(site, browser):
    codes = site.start_pairing()
    texts = [browser.get("/sign-in").text]
    browser.sign_in()
    texts += [browser.get("/device").text, browser.get("/device?user_code=" + codes["user_code"]).text]
    browser.post("/device", user_code=codes["user_code"])
    texts.append(browser.get("/consent").text)
    for text in texts:
        assert not re.search(r"<script|javascript:|\son\w+=|\sstyle=", text)
        fields = re.findall(r'<input id="(\w+)"', text)
        assert [name for name in fields if f'<label for="{name}"' not in text] == []
        assert '<html lang="en">' in text


def test_names_are_escaped(site, browser):
    codes = site.start_pairing(device_name="<script>alert(1)</script>")
    browser.sign_in(username="<b>")
    assert "<b>" not in browser.sign_in(username="<b>").text
    browser.sign_in()
    browser.post("/device", user_code=codes["user_code"])
    assert "<script" not in browser.get("/consent").text
    assert "<i>" not in browser.post("/device", user_code="<i>").text


def test_a_get_is_no_oracle(site, browser):
    code = site.start_pairing()["user_code"]
    browser.sign_in()
    pages = []
    for each in (code, "BBBB-BBBB"):
        page = browser.get("/device?user_code=" + each).text
        assert each in page
        pages.append(page.replace(each, "").replace(" ".join(each), ""))
    assert pages[0] == pages[1]


def test_a_code_from_the_query_is_only_shown_if_it_can_be_one(site, browser):
    browser.sign_in()
    assert "evil" not in browser.get("/device?user_code=evil+text").text.lower()


def _guess_codes(browser, count: int) -> list[int]:
    return [browser.post("/device", user_code="BBBB-BBBB").status_code for _ in range(count)]


def test_guessing_codes_is_limited_per_account(site, browser):
    code = site.start_pairing()["user_code"]
    browser.sign_in()
    assert _guess_codes(browser, 10) == [400] * 10
    site.clock.advance(100)
    answer = browser.post("/device", user_code=code)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "500")
    assert "Wait 9 minutes" in answer.text
    assert site.server.events[-1].outcome == "rate_limited"
    # Right codes are refused as well, and being refused costs nothing more.
    site.clock.advance(499)
    assert browser.post("/device", user_code=code).headers["retry-after"] == "1"
    site.clock.advance(1)
    assert browser.post("/device", user_code=site.start_pairing()["user_code"]).status_code == 303


def test_guessing_codes_is_limited_per_address_too(site, browser):
    browser.sign_in()
    _guess_codes(browser, 10)
    bob = Browser(site)
    bob.sign_in("bob", "battery staple")
    assert _guess_codes(bob, 1) == [429]


def test_a_right_code_does_not_reset_the_count(site, browser):
    browser.sign_in()
    _guess_codes(browser, 9)
    assert browser.post("/device", user_code=site.start_pairing()["user_code"]).status_code == 303
    assert _guess_codes(browser, 2) == [400, 429]


def test_guessing_passwords_is_limited(start):
    site = start(attempts_allowed=3)
    browser = Browser(site)
    assert [browser.sign_in(password="x").status_code for _ in range(4)] == [403, 403, 403, 429]
    assert browser.sign_in().status_code == 429
    assert site.start_pairing()
    site.clock.advance(600)
    assert browser.sign_in().status_code == 303


def test_right_passwords_do_not_count(start):
    browser = Browser(start(attempts_allowed=2))
    assert [browser.sign_in().status_code for _ in range(4)] == [303] * 4


def test_unknown_people_and_wrong_passwords_look_the_same(site, browser):
    one, two = browser.sign_in("ada", "x"), browser.sign_in("eve", "x")
    assert one.status_code == two.status_code == 403

    def neutral(text: str) -> str:
        return re.sub('value="[^"]*"', "", text)

    assert neutral(one.text) == neutral(two.text)


def test_usernames_forgive_case_and_spaces(start):
    browser = Browser(start(people=[Person(" Ada ", "pw")]))
    assert browser.sign_in("  aDA ", "pw").status_code == 303


def test_a_code_that_runs_out_while_one_decides(site, browser):
    codes = site.start_pairing()
    browser.sign_in()
    browser.post("/device", user_code=codes["user_code"])
    site.clock.advance(600)
    assert browser.post("/consent", decision="approve").headers["location"] == "/done"
    page = browser.get("/done")
    assert (page.status_code, "Too late" in page.text) == (410, True)
    assert site.server.pairings() == []


def test_only_the_first_of_two_people_decides(site, browser):
    codes = site.start_pairing()
    bob = Browser(site)
    browser.sign_in()
    bob.sign_in("bob", "battery staple")
    for each in (browser, bob):
        each.post("/device", user_code=codes["user_code"])
    bob.post("/consent", decision="deny")
    browser.post("/consent", decision="approve")
    assert browser.get("/done").status_code == 410
    assert site.poll(codes["device_code"]).json()["error"] == "access_denied"


def test_approving_twice_pairs_once(site, browser):
    codes = site.start_pairing()
    browser.sign_in()
    browser.post("/device", user_code=codes["user_code"])
    browser.post("/consent", decision="approve")
    browser.post("/consent", decision="deny")
    assert site.poll(codes["device_code"]).status_code == 200


@pytest.mark.parametrize("decision", ["", "maybe", "APPROVE"])
def test_a_decision_is_one_of_two(site, browser, decision):
    codes = site.start_pairing()
    browser.sign_in()
    browser.post("/device", user_code=codes["user_code"])
    assert browser.post("/consent", decision=decision).status_code == 400
    assert site.poll(codes["device_code"]).json()["error"] == "authorization_pending"


def test_pages_below_an_issuer_with_a_path(start):
    site = start("/tenant")
    token = site.pair(device_id="tv-1")
    assert token["access_token"]
    assert site.get("/").headers["location"] == "/tenant/device"
    assert '/tenant/style.css"' in site.get("/sign-in").text
