"""What each provider is asked and answers, as it documents it (tests/vectors/providers), through its dialect.

`presets` in a vector are what the profile comes to on a device; tests/agent/linux/test_providers.py compares
them with the profile.
"""

import json

from pairlet.core import device_grant, refresh_grant
from pairlet.core.client import Client
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.dialect import Dialect, decoded
from pairlet.core.http import FORM, JSON, Response
from pairlet.core.metadata import ENDPOINTS, ServerMetadata
from pairlet.core.refresh_grant import RefreshGrant
from pairlet.core.secret import Secret
from pairlet.core.token import Kept, Token
from scenario import sent

FOLDER = __file__.replace("\\", "/").rpartition("/")[0]
STATES = {
    "token": device_grant.APPROVED,
    "access_denied": device_grant.DENIED,
    "expired_token": device_grant.EXPIRED,
    "authorization_pending": device_grant.WAITING,
    "slow_down": device_grant.WAITING,
    "fault": device_grant.WAITING,
}


class Provider:
    """One vector, and the machines of a device that is configured for its provider."""

    def __init__(self, name):
        with open((FOLDER or ".") + "/../vectors/providers/" + name + ".json") as file:
            self.vector = json.load(file)
        self.oauth = self.vector["presets"]["oauth"].copy()
        self.oauth.update(self.vector["oauth"])
        self.dialect = Dialect(self.oauth.get("dialect", {}), self.oauth.get("scope", ""))
        secret = self.vector.get("client_secret")
        client_auth = self.oauth.get("client_auth") if secret else None
        self.client = Client(self.oauth["client_id"], Secret(secret) if secret else None, client_auth)
        found = {endpoint: self.oauth.get(endpoint) for endpoint in ENDPOINTS}
        self.metadata = ServerMetadata(self.oauth.get("issuer"), found)

    def ask(self, machine, now, wanted):
        """Have the request leave; it has to be the documented one. Returns what it asks for."""
        request, kind = self.dialect.request(sent(machine, now))
        assert request.method == "POST" and request.url == wanted["address"], request.url
        types = [value for name, value in request.headers if name == "Content-Type"]
        assert types == [JSON if wanted.get("json") else FORM], types
        if wanted.get("json"):
            body = json.loads(request.body)
        else:
            pairs = decoded(request.body)
            body = dict(pairs)
            assert len(body) == len(pairs), "a parameter is there twice"
        assert body == wanted["body"], body
        return kind

    def tell(self, machine, now, kind, answer):
        """Have the machine hear an answer."""
        said = answer.get("answer")
        body = b"" if said is None else json.dumps(said).encode()
        response = Response(answer.get("status", 200), [("content-type", "application/json")], body)
        machine.receive(self.dialect.response(response, kind), now)

    def device_grant(self):
        """A grant with the documented code on the screen."""
        extra = [(name, self.oauth["extra"][name]) for name in self.oauth.get("extra", {})]
        grant = DeviceGrant(
            self.metadata, self.client, scope=self.oauth.get("scope", ""), extra=extra, seed=b"seed"
        )
        kind = self.ask(grant, 0, self.vector["code"])
        self.tell(grant, 0, kind, self.vector["code"])
        assert grant.code is not None, grant.error
        for member in self.vector["code"]["reads"]:
            found = getattr(grant.code, member)
            assert found == self.vector["code"]["reads"][member], (member, found)
        return grant

    def check_polls(self):
        """Each answer to a poll, each to a grant of its own."""
        for answer in self.vector["poll"]["answers"]:
            grant = self.device_grant()
            kind = self.ask(grant, grant.due, self.vector["poll"])
            self.tell(grant, grant.due, kind, answer)
            means = answer["means"]
            assert grant.state == STATES.get(means, device_grant.FAILED), (answer, grant.state, grant.error)
            assert (grant.fault is not None) == (means == "fault"), (answer, grant.fault)
            if means not in STATES:
                assert grant.error.error == means, grant.error
            if "interval_ms" in answer:
                assert grant.interval_ms == answer["interval_ms"], grant.interval_ms
            if means == "token":
                has_refresh_token = grant.token.refresh_token is not None
                assert (grant.token.scope, grant.token.expires_in, has_refresh_token) == tuple(
                    answer["reads"]
                )

    def check_refreshes(self):
        """Each answer to a refresh, where there is one."""
        for answer in self.vector.get("refresh", {}).get("answers", []):
            token = Token(Secret("old-access"), refresh_token=Secret("old-refresh"))
            grant = RefreshGrant(self.metadata, self.client, Kept(token, None, None), seed=b"seed")
            kind = self.ask(grant, 0, self.vector["refresh"])
            self.tell(grant, 0, kind, answer)
            wanted = {"token": refresh_grant.REFRESHED, "invalid_grant": refresh_grant.REJECTED}
            wanted = wanted.get(answer["means"], refresh_grant.REFUSED)
            assert grant.state == wanted, (answer, grant.state, grant.error)
            if wanted == refresh_grant.REFUSED:
                assert grant.error.error == answer["means"]


def check(name):
    provider = Provider(name)
    provider.check_polls()
    provider.check_refreshes()
    # Whatever a network puts in between stays what it is.
    grant = provider.device_grant()
    kind = provider.ask(grant, grant.due, provider.vector["poll"])
    page = Response(400, [("content-type", "text/html")], b"<html>Sign in to the Wi-Fi</html>")
    grant.receive(provider.dialect.response(page, kind), grant.due)
    assert grant.state == device_grant.WAITING and grant.fault is not None


def test_amazon():
    check("amazon")


def test_auth0():
    check("auth0")


def test_aws():
    check("aws")


def test_entra():
    check("entra")


def test_facebook():
    check("facebook")


def test_github():
    check("github")


def test_gitlab():
    check("gitlab")


def test_glewlwyd():
    check("glewlwyd")


def test_google():
    check("google")


def test_keycloak():
    check("keycloak")


def test_okta():
    check("okta")


def test_trakt():
    check("trakt")


def test_twitch():
    check("twitch")
