"""The server in a provider's manners: who asks otherwise than the provider wants it is refused."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pairlet_sim.authserver import AuthorizationServer, Client, Settings
from pairlet_sim.imitating import Likeness, words
from starlette.types import Message

ISSUER = "http://127.0.0.1:8628"


def likeness(name: str) -> tuple[Callable[..., tuple[int, bytes]], AuthorizationServer]:
    """A server like the provider `name`; the first asks it: (path, body, content type) to (status, body)."""
    like = Likeness(name)
    secret = like.secret("s3cret" if like.profile.wants_secret else None)
    client = Client("tv", secret=secret, scopes=("profile", *like.scopes()))
    settings = Settings(ISSUER, clients=[client], interval_s=1)
    server = AuthorizationServer(settings)
    app = like.app(server.app, settings)

    def ask(path: str, body: bytes, media_type: str) -> tuple[int, bytes]:
        headers = [(b"content-type", media_type.encode())]
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": b"", "headers": headers, "root_path": "",
            "server": ("127.0.0.1", 8628), "client": ("127.0.0.1", 4),
        }  # fmt: skip
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    return ask, server


def form(**parameters: str) -> tuple[bytes, str]:
    return urlencode(parameters).encode(), "application/x-www-form-urlencoded"


def in_json(**parameters: Any) -> tuple[bytes, str]:
    return json.dumps(parameters).encode(), "application/json"


@pytest.mark.parametrize(
    ("name", "path", "request_", "word"),
    [
        ("trakt", "/oauth/device/code", form(client_id="tv"), "application/json"),
        ("trakt", "/oauth/device/code", in_json(client_id="tv", scope="profile"), "scope does not belong"),
        ("github", "/login/device/code", in_json(client_id="tv"), "x-www-form-urlencoded"),
        ("twitch", "/oauth2/device", form(client_id="tv", scope="profile"), "scope does not belong"),
        ("amazon", "/auth/o2/create/codepair", form(client_id="tv"), "response_type"),
        ("facebook", "/v2.6/device/login", form(access_token="tv"), "access_token must be"),
        ("facebook", "/v2.6/device/login", form(client_id="tv"), "client_id does not belong"),
        ("aws", "/device_authorization", in_json(clientId="tv", scope="x"), "scope does not belong"),
        ("aws", "/client/register", in_json(clientName="tv"), "clientType"),
        ("aws", "/client/register", form(clientName="tv"), "JSON object"),
    ],
)
def test_a_request_that_the_provider_does_not_want_is_refused(
    name: str, path: str, request_: tuple[bytes, str], word: str
) -> None:
    ask, server = likeness(name)
    status, body = ask(path, *request_)
    assert status == 400 and word in json.loads(body)["error_description"]
    assert not server.events


def test_codes_that_do_not_belong_together_are_refused() -> None:
    ask, _ = likeness("amazon")
    asked = form(response_type="device_code", client_id="tv", scope="profile")
    code = json.loads(ask("/auth/o2/create/codepair", *asked)[1])
    poll = {"grant_type": "device_code", "device_code": code["device_code"]}
    for user_code, word in ((code["user_code"], "authorization_pending"), ("AB", "invalid_request")):
        status, body = ask("/auth/o2/token", *form(**poll, user_code=user_code))
        assert (status, json.loads(body)["error"]) == (400, word)


def test_a_refresh_that_is_refused_by_a_status_alone() -> None:
    ask, _ = likeness("glewlwyd")
    body, media_type = form(client_id="tv", grant_type="refresh_token", refresh_token="nobody's")
    assert ask("/token", body, media_type) == (400, b"")
    body, media_type = form(client_id="nobody", grant_type="refresh_token", refresh_token="nobody's")
    status, said = ask("/token", body, media_type)
    assert status == 401 and json.loads(said)["error"] == "invalid_client"


def test_its_own_addresses_are_not_the_provider_s() -> None:
    ask, _ = likeness("github")
    assert ask("/login/elsewhere", *form(client_id="tv"))[0] == 404
    # The server behind it stays what it is, under its own addresses.
    assert b"device_code" in ask("/device_authorization", *form(client_id="tv"))[1]


def test_a_provider_that_is_found_by_its_metadata_keeps_the_addresses() -> None:
    ask, _ = likeness("auth0")
    code = json.loads(ask("/device_authorization", *form(client_id="tv"))[1])
    poll = form(
        client_id="tv",
        grant_type="urn:ietf:params:oauth:grant-type:device_code",
        device_code=code["device_code"],
    )
    assert [ask("/token", *poll)[0] for _ in range(2)] == [403, 429]


@pytest.mark.parametrize("name", ["trakt", "twitch", "facebook", "aws", "amazon"])
def test_any_bytes_are_answered(name: str) -> None:
    like = Likeness(name)
    ask, _ = likeness(name)
    settings = Settings(ISSUER, clients=[Client("tv")])
    endpoints = like.app(None, settings)._places  # type: ignore[arg-type]
    bodies = [b"", b"\xff\xfe", b"%%%=%f", b"[1]", b"null", b'{"code": {}}', b"[" * 20_000, b"x" * 100_000]
    for path in endpoints:
        for body in bodies:
            for media_type in ("application/json", "application/x-www-form-urlencoded", ""):
                status, _ = ask(path, body, media_type)
                assert 400 <= status < 500, (path, body[:20], media_type)


def test_a_profile_of_one_s_own_is_imitated(tmp_path: Any) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(
        'name = "Acme"\nneeds = { client_id = "x" }\n[oauth]\n'
        'device_authorization_endpoint = "https://acme.example/code"\n'
        'token_endpoint = "https://acme.example/token"\n'
    )
    like = Likeness(str(path))
    settings = Settings(ISSUER, clients=[Client("tv")])
    # The addresses are not left open, so that each is named.
    oauth = like.settings(settings, str(path))
    assert oauth["token_endpoint"] == "http://127.0.0.1:8628/token"
    assert words(oauth) == (
        f"--set oauth.provider={path} --set oauth.device_authorization_endpoint=http://127.0.0.1:8628/code "
        "--set oauth.token_endpoint=http://127.0.0.1:8628/token --set oauth.client_id=tv"
    )


@pytest.mark.parametrize("oauth", ["", '[oauth]\nissuer = "https://acme.example"\n'])
def test_what_a_short_profile_leaves_out_is_named_too(tmp_path: Any, oauth: str) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(f'name = "Acme"\n{oauth}')
    settings = Settings(ISSUER, clients=[Client("tv")])
    named = Likeness(str(path)).settings(settings, "acme.toml")
    assert named == {"provider": "acme.toml", "issuer": ISSUER, "client_id": "tv"}


def test_the_address_in_the_qr_code_leads_to_the_page() -> None:
    """Trakt's is made up by the device: {verification_uri}/{user_code}."""
    ask, server = likeness("trakt")
    _, body = ask("/oauth/device/code", *in_json(client_id="tv"))
    said = json.loads(body)
    transport = httpx.ASGITransport(Likeness("trakt").app(server.app, server.settings))

    async def opened(address: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport) as browser:
            return await browser.get(address)

    page = asyncio.run(opened(f"{said['verification_url']}/{said['user_code']}"))
    assert (page.status_code, page.headers["location"]) == (303, f"/device?user_code={said['user_code']}")
    assert asyncio.run(opened(f"{ISSUER}/devices")).status_code == 404
