"""A real authorization server that is not ours: oidc-provider (npm), run as a process of its own.

    with OidcProvider(tmp_path, interval=1) as provider:
        ...                                     # provider.issuer, provider.client_id, provider.scope
        walk(code["verification_uri_complete"], code["user_code"], "approve")

Habits of this server that a client has to live with, all allowed by the RFCs: no `interval` in the device
authorization answer (then it is 5 s, RFC 8628 section 3.2; the setting `interval` adds the field); never
`slow_down`; a refresh token only with the scope `offline_access` (OpenID Connect Core section 11); a rotated
refresh token that comes back ends the whole grant (RFC 9700 section 4.14.2); metadata only at
`/.well-known/openid-configuration`.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
from support.html_pages import Page
from support.node_server import TIMEOUT, NodeServer

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
AUTHORIZATION_CODE = "authorization_code"
# With any port, as for native applications (RFC 8252 section 7.3).
REDIRECT_URI = "http://127.0.0.1/callback"


class RegisteredClient:
    """A client that the server knows. `auth_method` is a token_endpoint_auth_method of RFC 7591.

    `registered`: what else is, such as its jwks. `client_secret`: "" for methods that take none.
    """

    def __init__(self, client_id: str, auth_method: str, *grant_types: str, **registered: Any):
        self.client_id = client_id
        self.auth_method = auth_method
        self.grant_types = grant_types
        self._registered = registered
        # The punctuation is there because HTTP Basic wants both halves form-encoded (RFC 6749 section 2.3.1).
        has_secret = auth_method.startswith("client_secret_")
        self.client_secret = "+/:% &=" + secrets.token_urlsafe(24) if has_secret else ""

    def metadata(self, scope: str) -> dict[str, Any]:
        """Client metadata as in RFC 7591 section 2."""
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        return (
            self._registered
            | secret
            | {
                "client_id": self.client_id,
                "client_name": self.client_id,
                "token_endpoint_auth_method": self.auth_method,
                "application_type": "native",
                "grant_types": list(self.grant_types),
                "response_types": ["code"] if AUTHORIZATION_CODE in self.grant_types else [],
                "redirect_uris": [REDIRECT_URI] if AUTHORIZATION_CODE in self.grant_types else [],
                "scope": scope,
            }
        )


class OidcProvider(NodeServer):
    """Starts the server on entry, ends it on exit; skips the test where node or its packages are missing.

    `tls` is (certificate file, key file), `settings` are those that server.mjs lists, in seconds where they
    are times. `issuer` is the URL, `client_id` the public client of a device (`device`), `basic` and `post`
    confidential ones, `app` and `secret_app` those with the authorization code grant, `service` one for the
    client credentials grant, `more` the test's own; `scope` is all that a device may ask for.
    """

    scope = "openid offline_access telemetry"

    def __init__(
        self,
        tmp_path: Path,
        tls: tuple[str, str] | None = None,
        more: Iterable[RegisteredClient] = (),
        **settings: Any,
    ):
        self.device = RegisteredClient("living-room-tv", "none", DEVICE_CODE, "refresh_token")
        self.basic = RegisteredClient("kiosk:basic", "client_secret_basic", DEVICE_CODE, "refresh_token")
        self.post = RegisteredClient("kiosk-post", "client_secret_post", DEVICE_CODE, "refresh_token")
        self.app = RegisteredClient("hall-kiosk", "none", AUTHORIZATION_CODE, "refresh_token")
        self.secret_app = RegisteredClient(
            "hall:kiosk", "client_secret_basic", AUTHORIZATION_CODE, "refresh_token"
        )
        self.service = RegisteredClient("meter", "client_secret_basic", "client_credentials")
        self.client_id = self.device.client_id
        if tls:
            settings |= {"cert_file": tls[0], "key_file": tls[1]}
        clients = [self.device, self.basic, self.post, self.app, self.secret_app, *more]
        metadata = [client.metadata(self.scope) for client in clients] + [self.service.metadata("telemetry")]
        settings = {"clients": metadata, "scopes": ["telemetry"], **settings}
        super().__init__(tmp_path, "oidc_provider", settings)

    @property
    def issuer(self) -> str:
        """Its URL."""
        return str(self.ready["issuer"])


def walk(
    uri: str,
    user_code: str,
    decision: str = "approve",
    *,
    verify: bool | str = True,
    username: str = "ada",
    password: str = "any will do",
) -> str:
    """A person's path through oidc-provider's own pages, without JavaScript; returns the last page's text.

    `uri` is verification_uri or verification_uri_complete, `user_code` what the person reads off the screen:
    typed where the page asks for it, compared where the page shows it. `decision`: approve, deny (at the
    code), cancel_sign_in or cancel_consent (the pages' Cancel links). `verify` is a CA file for https.
    """
    with requests.Session() as session:
        session.trust_env = False
        session.verify = verify
        page = Page.of(session.get(uri, timeout=TIMEOUT))
        # Six pages are the longest path; a page that comes back for ever would be a bug of this function.
        for _ in range(8):
            answer = _act(page, user_code, decision, {"login": username, "password": password})
            if answer is None:
                return page.text
            page = Page.of(session.request(*answer[:2], data=answer[2], timeout=TIMEOUT))
            if "incorrect" in page.text:
                return page.text
    raise AssertionError(f"the pages never ended; the last one said: {page.text}")


def _act(page: Page, user_code: str, decision: str, person: dict[str, str]) -> tuple[str, str, Any] | None:
    """What the person does on this page: (method, URL, form fields), or None where it asks for nothing."""
    form = page.form
    if form is None or "interrupted" in page.text:
        return None
    fields = dict(form.fields)
    if {"login", "password"} <= fields.keys():
        if decision == "cancel_sign_in":
            return "GET", page.link("Cancel"), None
        return form.submit(fields | person)
    if fields.get("prompt") == "consent":
        if decision == "cancel_consent":
            return "GET", page.link("Cancel"), None
        return form.submit(fields)
    if fields.get("confirm") == "yes":
        assert user_code in page.text, f"the page shows another code than the device: {page.text}"
        return form.submit(fields | ({"abort": "yes"} if decision == "deny" else {}))
    assert "user_code" in fields, f"nobody knows what to do on this page: {page.text}"
    return form.submit(fields | {"user_code": fields["user_code"] or user_code})
