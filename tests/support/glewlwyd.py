"""A real authorization server that is not ours: Glewlwyd (C, Debian), in a process of its own.

    with Glewlwyd(tmp_path, tls=(cert_file, key_file), ca_file=ca_file) as glewlwyd:
        ...                                     # glewlwyd.issuer, glewlwyd.client_id
        glewlwyd.walk(code["verification_uri"], code["user_code"])

Habits of this server (2.7.5) that a client has to live with:

* A refresh token that it does not take is HTTP 400 without a body, where RFC 6749 section 5.2 has JSON and
  `invalid_grant`: nothing tells it from a proxy's refusal. A wrong client secret is a bare 403 likewise; at
  the device authorization endpoint it is 403 and `unauthorized_client`.
* Nobody can say no to a device's code: whoever grants nothing leaves it pending until it runs out.
* A device_code that it does not know, or that was redeemed, is `access_denied`; and the code is looked at
  before the client, so that a wrong secret does not show there.
* A scope without `password_required` (openid comes so) is granted by signing in, whatever a person ticks.
* An unknown scope gets a code all the same, which nobody can approve.
* Only clients with a secret and the client credentials grant may revoke and introspect; others get a bare
  401.
* Ids and secrets in HTTP Basic are taken as they are, not form-decoded (RFC 6749 section 2.3.1).
* A redirect URI is compared to the letter, the port included (against RFC 8252 section 7.3).
* `grant_types_supported` names neither client_credentials nor refresh_token; there is no RFC 8414 address.
* Refresh tokens rotate where it is told to; one that comes back ends the newest of its line.
"""

import contextlib
import secrets
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import requests
from support.broker_process import HOST, TIMEOUT, BrokerProcess
from support.glewlwyd_site import SCHEMA, Administrator, configuration, plugin
from support.missing import missing
from support.ports import free_port

_DEVICE = ("device_authorization", "refresh_token")
_SERVICE = "client_credentials"


class Glewlwyd(BrokerProcess):
    """Starts the server on entry with two authorization servers in it, ends it on exit; skips the test where
    it is missing. `settings` are those of its plugin "oidc", by their names.

    `issuer` gives bearer tokens, `bound_issuer` those that are bound to a key, with a nonce in each proof.
    `client_id`: a public client for devices. `set_id`: one with `set_secret`, which may revoke. `service_id`:
    a client with `service_secret`, which it sends in the body, for the client credentials grant. `scope`: all
    that a device may ask for.
    """

    client_id, set_id, service_id = "living-room-tv", "kitchen-set", "meter"
    username = "ada"
    scope = "openid telemetry"

    def __init__(self, folder: Path, tls: tuple[str, str], ca_file: str, **settings: Any):
        program = shutil.which("glewlwyd")
        if program is None or not SCHEMA.exists():
            missing("Glewlwyd is missing: install the Debian packages glewlwyd and dbconfig-sqlite3")
        super().__init__(folder / "glewlwyd")
        self.password = secrets.token_urlsafe(12)
        self.set_secret = secrets.token_urlsafe(24)
        self.service_secret = "+/:% &=" + secrets.token_urlsafe(12)
        self.ca_file = ca_file
        self.port = 0
        self._program, self._tls, self._settings = str(program), tls, settings
        self._database = self._folder / "glewlwyd.sqlite3"

    @property
    def base(self) -> str:
        """The server's own URL."""
        return f"https://{HOST}:{self.port}"

    @property
    def issuer(self) -> str:
        """The issuer, with a path; its metadata is at ISSUER/.well-known/openid-configuration alone."""
        return self.base + "/api/oidc"

    @property
    def bound_issuer(self) -> str:
        """The issuer of tokens that are bound to a key (DPoP)."""
        return self.base + "/api/bound"

    def choose_ports(self) -> None:
        """Its own."""
        self.port = free_port()

    def ports(self) -> list[int]:
        """Where it listens."""
        return [self.port] if self.port else []

    def command(self) -> list[str]:
        """With a configuration for the port of now."""
        path = self._folder / "glewlwyd.conf"
        path.write_text(configuration(self.base, self.port, self._tls, self._database))
        return [self._program, "-c", str(path)]

    def __enter__(self) -> Self:
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            database.executescript(f"PRAGMA synchronous = OFF; BEGIN; {SCHEMA.read_text()} COMMIT;")
        self.start()
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise
        return self

    def request(self, method: str, address: str, **more: Any) -> requests.Response:
        """An HTTP request that trusts the server's CA, with no code of Pairlet."""
        with self._browser() as session:
            return session.request(method, address, timeout=TIMEOUT, **more)

    def accepts(self, access_token: str) -> bool:
        """Whether the server lets somebody in with that bearer token (RFC 6750)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = self.request("GET", self.issuer + "/userinfo", headers=headers)
        assert answer.status_code in (200, 401), answer.status_code
        return answer.status_code == 200

    def change(self, statement: str, *values: object) -> int:
        """What its administrator could do in the database: one SQL statement; how many rows it met."""
        database = sqlite3.connect(self._database, timeout=TIMEOUT)
        with contextlib.closing(database), database:
            return database.execute(statement, values).rowcount

    def register(self, client_id: str, *grants: str, **members: Any) -> None:
        """Add a client, as its administrator; `members` by the server's names for them."""
        with self._browser() as session:
            Administrator(session, self.base).add_client(client_id, *grants, **members)

    def walk(self, uri: str, user_code: str = "", granted: str = scope) -> str:
        """A person's way from an address to its end, with the requests that the server's own pages make.

        `uri`: verification_uri, or that of an authorization request; `granted`: the scopes that are ticked.
        Returns the name of the last page: deviceComplete, deviceCodeError, "" for the one that asks again.
        After an authorization request: the address of the client that the browser is sent to.
        """
        with self._browser() as session:
            page = _page(session, uri)
            if page.get("prompt") == "device":
                page = _page(session, f"{page['callback_url']}?code={user_code}")
            if "client_id" not in page:
                return page.get("prompt", "")
            person = {"username": self.username, "password": self.password}
            session.post(self.base + "/api/auth/", json=person, timeout=TIMEOUT).raise_for_status()
            consent = f"{self.base}/api/auth/grant/{page['client_id']}/"
            asked = session.get(consent + page["scope"], timeout=TIMEOUT).json()
            assert [each["name"] for each in asked["scope"]] == page["scope"].split(), asked
            session.put(consent, json={"scope": granted}, timeout=TIMEOUT).raise_for_status()
            page = _page(session, page["callback_url"] + "&g_continue")
            return page.get("prompt", "") if "callback_url" in page else page[""]

    def _browser(self) -> requests.Session:
        session = requests.Session()
        session.trust_env, session.verify = False, self.ca_file
        return session

    def _set_up(self) -> None:
        """Two authorization servers, clients, and a person."""
        with self._browser() as session:
            administrator = Administrator(session, self.base)
            administrator.add("scope", name="telemetry", password_required=True)
            administrator.add_plugin("oidc", plugin(self.issuer, self.scope) | self._settings)
            bound = {"oauth-dpop-allowed": True, "oauth-dpop-nonce-mandatory": True}
            bound |= {"oauth-dpop-iat-duration": 60, "oauth-dpop-nonce-counter": 2}
            # It reads a clock that may be a tick behind, and by itself takes nothing from its own future.
            bound |= {"oauth-dpop-iat-gap-duration": 1}
            administrator.add_plugin("bound", plugin(self.bound_issuer, self.scope) | self._settings | bound)
            administrator.add_client(self.client_id, *_DEVICE)
            administrator.add_client(self.set_id, *_DEVICE, _SERVICE, secret=self.set_secret)
            administrator.add_client(
                self.service_id, _SERVICE, secret=self.service_secret, method="client_secret_post",
                scope=["telemetry"],
            )  # fmt: skip
            scopes = ["g_profile", *self.scope.split()]
            administrator.add("user", username=self.username, password=self.password, scope=scopes)


def _page(session: requests.Session, address: str) -> dict[str, str]:
    """What the page that `address` leads to is told in its own address, which is "" in the dict."""
    answer = session.get(address, allow_redirects=False, timeout=TIMEOUT)
    assert answer.status_code == 302, (answer.status_code, answer.text)
    location = answer.headers["Location"]
    return {**dict(parse_qsl(urlsplit(location).query)), "": location}
