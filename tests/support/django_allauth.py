"""A real authorization server that is not ours: django-allauth (allauth.idp.oidc), in a process of its own.

    with DjangoAllauth(tmp_path, tls=(cert_file, key_file), ca_file=ca_file) as allauth:
        ...                                     # allauth.base is the issuer, allauth.client_id the device's
        allauth.walk(code["verification_uri"], code["user_code"], "confirm")

Habits of this server (65.19.5) that a client has to live with:

* Metadata only at `/.well-known/openid-configuration`; all endpoints of the device are in it.
* The device grant is for public clients alone; others may authenticate, and are refused later.
* HTTP Basic is not form-decoded (RFC 6749 section 2.3.1), though the secrets that it makes hold punctuation:
  those clients need client_secret_post.
* `slow_down` for each poll that comes before the interval is over, and the interval stays as it was.
* Never `expired_token`: a code that ran out is forgotten and then `invalid_grant`. Each poll cuts the time
  that is left to whole seconds, so that it may be forgotten up to a second early.
* An unknown client is `invalid_request` at the device authorization endpoint, `invalid_client` at the other.
* The user code is taken in small letters, but not without its dash.
* Refresh tokens rotate; one that comes back is `invalid_grant` and ends nothing else.
* An access token outlives a refresh and the revocation of its refresh token (RFC 7009 section 2.1 would have
  it end with it): each is good until its own time is over.
* An id_token comes with a refresh, not with the first token.
"""

import secrets
from pathlib import Path
from typing import Any, Literal

import requests
from support.django_site import TIMEOUT, DjangoSite
from support.html_pages import Page

_PAGES = 5


class DjangoAllauth(DjangoSite):
    """Starts the server on entry, ends it on exit. `settings` are those of allauth.idp.oidc, by their names.

    `base` is the issuer, `scope` all that the public client `client_id` may ask for. `service_id`: a client
    with `service_secret` for the client credentials grant and the scope `telemetry`.
    """

    client_id = "living-room-tv"
    service_id = "meter"
    username = "ada"
    scope = "openid telemetry"

    def __init__(self, folder: Path, tls: tuple[str, str], ca_file: str, **settings: Any):
        self.password = secrets.token_urlsafe(12)
        self.service_secret = "+/:% &=" + secrets.token_urlsafe(12)
        super().__init__(
            folder,
            "django_allauth",
            "allauth",
            tls,
            ca_file,
            username=self.username,
            password=self.password,
            scope=self.scope,
            client_id=self.client_id,
            service_id=self.service_id,
            service_secret=self.service_secret,
            provider={"IDP_OIDC_" + name: value for name, value in settings.items()},
        )

    def endpoint(self, name: str) -> str:
        """URL of one of its views: token, revoke, device/code, userinfo."""
        return f"{self.base}/identity/o/api/{name}"

    def accepts(self, access_token: str) -> bool:
        """Whether the userinfo endpoint takes that access token (RFC 6750)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = self.request("GET", self.endpoint("userinfo"), headers=headers)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def walk(self, uri: str, user_code: str, decision: Literal["confirm", "deny"] = "confirm") -> str:
        """A person's path through the site's own pages, without JavaScript; the last page's text.

        `uri` is verification_uri or verification_uri_complete, `user_code` what the person types where a page
        asks for it.
        """
        with requests.Session() as session:
            session.trust_env = False
            session.verify = self.ca_file
            page = Page.of(session.get(uri, timeout=TIMEOUT))
            for _ in range(_PAGES):
                form = page.form
                if form is None:
                    return page.text
                if "login" in form.fields:
                    fields = form.fields | {"login": self.username, "password": self.password}
                elif "code" in form.fields:
                    fields = form.fields | {"code": user_code}
                else:
                    fields = form.fields | {"action": decision}
                # As browsers do, and as Django's protection against CSRF asks for under https.
                headers = {"Referer": page.url}
                pairs = {"params" if form.method == "GET" else "data": fields}
                page = Page.of(
                    session.request(form.method, form.action, headers=headers, timeout=TIMEOUT, **pairs)
                )
                if "Incorrect code" in page.text:
                    return page.text
        raise AssertionError(f"the pages never ended; the last one said: {page.text}")
