"""Two real authorization servers that are not ours, of one make: better-auth (npm), in a process of its own.

with BetterAuth(tmp_path, tls=(cert_file, key_file), ca_file=ca_file) as server:
    ...                                     # server.issuer, server.client_id, server.scope
    server.decide("/oauth", code["user_code"], "approve")
"""

import secrets
from pathlib import Path
from typing import Any, Literal

import requests
from support.node_server import TIMEOUT, NodeServer

Site = Literal["/oauth", "/api/auth"]


class BetterAuth(NodeServer):
    """Starts the servers on entry, ends them on exit; see better_auth/server.mjs for the settings.

    `issuer` is the OAuth provider, `scope` all that its public client `client_id` may ask for; `service_id`
    is a client of it with `service_secret` for the client credentials grant. `plain` is the address of the
    plugin that gives out sessions: it takes any client_id.
    """

    scope = "openid offline_access telemetry"

    def __init__(self, tmp_path: Path, tls: tuple[str, str], ca_file: str, **settings: Any):
        self.ca_file = ca_file
        self.service_secret = "+/:% &=" + secrets.token_urlsafe(24)
        self._account = {"email": "ada@example.com", "password": secrets.token_urlsafe(12)}
        given = {
            "cert_file": tls[0],
            "key_file": tls[1],
            "scopes": self.scope.split(),
            "service_secret": self.service_secret,
        }
        super().__init__(tmp_path, "better_auth", given | self._account | settings)

    @property
    def issuer(self) -> str:
        """URL of the OAuth provider."""
        return str(self.ready["base"]) + "/oauth"

    @property
    def plain(self) -> str:
        """URL of the other one."""
        return str(self.ready["base"]) + "/api/auth"

    @property
    def client_id(self) -> str:
        """The device's, at the OAuth provider."""
        return str(self.ready["client_id"])

    @property
    def service_id(self) -> str:
        """That of the client for the client credentials grant."""
        return str(self.ready["service_id"])

    def request(self, method: str, address: str, **more: Any) -> requests.Response:
        """An HTTP request that trusts the servers' CA, with no code of Pairlet."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, address, verify=self.ca_file, timeout=TIMEOUT, **more)

    def decide(self, site: Site, user_code: str, decision: Literal["approve", "deny"]) -> str:
        """What pages do for a person who signs in, types `user_code` and decides; the scope that is shown.

        The pages are for each site to write: better-auth has what they call, and no pages.
        """
        base = str(self.ready["base"])
        with requests.Session() as browser:
            browser.trust_env = False
            browser.verify = self.ca_file
            browser.headers["Origin"] = base
            for path, members in (
                ("/sign-in/email", self._account),
                ("/device", {"user_code": user_code}),
                ("/device/" + decision, {"userCode": user_code}),
            ):
                if path == "/device":
                    answer = browser.get(base + site + path, params=members, timeout=TIMEOUT)
                    shown = answer.json().get("scope", "")
                else:
                    answer = browser.post(base + site + path, json=members, timeout=TIMEOUT)
                assert answer.status_code == 200, answer.text
        return str(shown)
