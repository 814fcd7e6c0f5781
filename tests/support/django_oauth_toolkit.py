"""A real authorization server that is not ours: django-oauth-toolkit (on oauthlib), in a process of its own.

    with DjangoOAuthToolkit(tmp_path, tls=(cert_file, key_file), ca_file=ca_file) as toolkit:
        ...                                     # toolkit.issuer, toolkit.endpoint("token"), toolkit.client_id

Habits of this server (3.4) that a client has to live with:

* Its metadata (RFC 8414) names no `device_authorization_endpoint`, though the grant is in
  `grant_types_supported`: that endpoint must be configured.
* `verification_uri_complete` is left out unless the site sets one.
* The user code is eight of 0-9 and A-V, and the page takes it to the letter: no dash, no space, no small
  letter (RFC 8628 section 6.1 would have it strip and fold).
* Never `slow_down`. A code that has run out goes on being `authorization_pending` for ever, and turns into
  `expired_token` only once somebody types it: a client that had no clock of its own would poll for life.
* A device_code that it does not know is HTTP 404 and `device_not_found`, in place of `invalid_grant`.
* A device_code stays good after the first token: whoever has it can get more of them.
* Refresh tokens rotate; one that comes back ends the family only with REFRESH_TOKEN_REUSE_PROTECTION.
"""

import secrets
from pathlib import Path
from typing import Any

from support.django_site import DjangoSite


class DjangoOAuthToolkit(DjangoSite):
    """Starts the server on entry, ends it on exit. `settings` are the toolkit's own, by their names.

    `base` is the site's URL, `issuer` that of the toolkit in it, `scope` all that a device may ask for.
    `app_id`: a public client for the authorization code grant. `service_id`: a client with `service_secret`
    for the client credentials grant.
    """

    client_id = "living-room-tv"
    app_id = "hall-kiosk"
    service_id = "meter"
    username = "ada"
    scope = "telemetry profile"

    def __init__(self, folder: Path, tls: tuple[str, str], ca_file: str, **settings: Any):
        self.password = secrets.token_urlsafe(12)
        self.service_secret = "+/:% &=" + secrets.token_urlsafe(12)
        scopes = {"SCOPES": {name: f"May use {name}" for name in self.scope.split()}}
        super().__init__(
            folder,
            "django_oauth_toolkit",
            "oauth2_provider",
            tls,
            ca_file,
            username=self.username,
            password=self.password,
            client_id=self.client_id,
            app_id=self.app_id,
            service_id=self.service_id,
            service_secret=self.service_secret,
            provider={"REFRESH_TOKEN_REUSE_PROTECTION": True, **scopes, **settings},
        )

    @property
    def issuer(self) -> str:
        """The issuer, with a path: its metadata is at /.well-known/oauth-authorization-server/o."""
        return self.base + "/o"

    def endpoint(self, name: str) -> str:
        """URL of one of the toolkit's views: device-authorization, token, revoke_token."""
        return f"{self.issuer}/{name}/"

    def accepts(self, access_token: str) -> bool:
        """Whether the site lets somebody in with that access token (RFC 6750)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = self.request("GET", self.base + "/whoami/", headers=headers)
        assert answer.status_code in (200, 401, 403), answer.text
        return answer.status_code == 200 and bool(answer.json()["username"] == self.username)
