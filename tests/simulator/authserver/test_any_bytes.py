"""Whatever arrives at a form endpoint, the answer is an answer: never a 500, always the right shape."""

import asyncio
import base64
import json
import re
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings

API = ["/token", "/device_authorization", "/revoke", "/introspect"]
PAGES = ["/sign-in", "/device", "/consent", "/sign-out"]
MEDIA_TYPE = b"application/x-www-form-urlencoded"

SERVER = AuthorizationServer(
    Settings(
        "http://127.0.0.1:1",
        people=[Person("ada", "pw")],
        clients=[Client("tv"), Client("kiosk", secret="s", introspects=True)],
    )
)


def call(method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]], query: bytes = b""):
    """One request straight into the ASGI application, where even impossible bytes get through."""
    sent: list[dict] = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(SERVER.app(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), text


def check_api(status: int, headers: dict, text: bytes) -> None:
    assert status in (200, 400, 401, 413)
    assert headers[b"cache-control"] == b"no-store"
    answer = json.loads(text)
    if status != 200:
        # RFC 6749 section 5.2: only these characters in an error and its description.
        for name in ("error", "error_description"):
            assert answer[name]
            assert all(0x20 <= ord(each) <= 0x7E and each not in '"\\' for each in answer[name])


names = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "device_code", "refresh_token", "scope", "resource", "token",
     "token_type_hint", "device_id", "device_name", "csrf", "user_code", "username", "password", "decision"]
)  # fmt: skip
known = st.sampled_from(
    ["urn:ietf:params:oauth:grant-type:device_code", "tv", "kiosk", "s", "refresh_token",
     "client_credentials", "password", "profile", "approve", "ada"]
)  # fmt: skip
pair = st.tuples(names, st.one_of(known, st.text(max_size=40)))


def encode(pairs: list[tuple[str, str]]) -> bytes:
    return urlencode(pairs, errors="replace").encode()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(API), st.binary(max_size=300))
def test_any_body(path, body):
    check_api(*call("POST", path, body, [(b"content-type", MEDIA_TYPE)]))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(API), st.lists(pair, max_size=6), st.binary(max_size=60))
def test_any_parameters(path, pairs, query):
    check_api(*call("POST", path, encode(pairs), [(b"content-type", MEDIA_TYPE)], query))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(API), st.binary(max_size=60), st.binary(max_size=60), st.booleans())
def test_any_headers(path, authorization, media_type, basic):
    value = b"Basic " + base64.b64encode(authorization) if basic else authorization
    headers = [(b"authorization", value), (b"content-type", media_type or MEDIA_TYPE)]
    check_api(*call("POST", path, b"grant_type=client_credentials&token=x", headers))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(PAGES),
    st.one_of(st.binary(max_size=200), st.lists(pair, max_size=6).map(encode)),
    st.binary(max_size=80),
)
def test_any_form_of_a_page(path, body, cookie):
    headers = [(b"content-type", MEDIA_TYPE), (b"cookie", cookie)]
    status, answered, text = call("POST", path, body, headers)
    # No browser of ours knows the CSRF token of a session that it did not get from a page.
    assert status in (400, 403)
    assert answered[b"content-type"].startswith(b"text/html")
    assert b"<script" not in text


def sign_in() -> tuple[bytes, str]:
    """A signed-in browser: its cookie, and the CSRF token of its forms."""
    cookie, csrf = b"", ""
    for form in (None, {"username": "ada", "password": "pw"}):
        if form:
            headers = [(b"content-type", MEDIA_TYPE), (b"cookie", cookie)]
            answer = call("POST", "/sign-in", urlencode(form | {"csrf": csrf}).encode(), headers)
            assert answer[0] == 303
        else:
            answer = call("GET", "/sign-in", b"", [])
        cookie = answer[1][b"set-cookie"].partition(b";")[0]
        page = call("GET", "/device" if form else "/sign-in", b"", [(b"cookie", cookie)])[2].decode()
        csrf = re.search('name="csrf" value="([0-9a-f]+)"', page)[1]
    return cookie, csrf


BROWSER: list[tuple[bytes, str]] = []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["/sign-in", "/device", "/consent"]), st.lists(pair, max_size=4))
def test_any_values_in_a_real_browsers_form(path, pairs):
    if not BROWSER:
        BROWSER.append(sign_in())
    cookie, csrf = BROWSER[0]
    form = encode([("csrf", csrf)] + [each for each in pairs if each[0] != "csrf"])
    status, _, text = call("POST", path, form, [(b"content-type", MEDIA_TYPE), (b"cookie", cookie)])
    assert status in (303, 400, 403, 429)
    assert b"<script" not in text


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["/sign-in", "/device", "/consent", "/done", "/"]), st.binary(max_size=80))
def test_any_query_of_a_page(path, query):
    status, _, text = call("GET", path, b"", [], query)
    assert status in (200, 303)
    assert b"<script" not in text
