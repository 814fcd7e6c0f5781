"""The agent against authorization servers that nobody here wrote: better-auth (npm) has two for devices.

Habits that a client has to live with. Of its OAuth provider (@better-auth/oauth-provider 1.7.5):

* RFC 8414's metadata is only where the site has put it; that of OpenID Connect is below the issuer.
* It takes public clients, though `token_endpoint_auth_methods_supported` has no `none`.
* `slow_down` for each poll that comes before the interval is over, and the interval stays as it was.
* A refresh token only with the scope `offline_access`; it rotates, and to revoke it ends its access tokens.

Of its plugin deviceAuthorization, which is RFC 8628 in words and no OAuth otherwise:

* The token endpoint takes JSON alone; a form, which the other endpoint takes, is HTTP 415 without an `error`.
* The access token is a session. There is no metadata, no refresh and no revocation.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pairlet
import pytest
import requests
from support.agent_process import AgentProcess, run, started
from support.better_auth import BetterAuth, Site
from support.certificates import private_ca
from support.processes import until

# Short enough to end within a test.
LIFETIME_S = 3
# What somebody would write for the plugin.
PROFILE = """
name = "Better Auth"

[values]
server = ""

[oauth]
device_authorization_endpoint = "{server}/device/code"
token_endpoint = "{server}/device/token"

[pairing]
announce = false

[dialect]
format = "json"
"""


CONFIG = """
[oauth]
provider = "better-auth.toml"
provider_values = {{ server = "{server}" }}
client_id = "tv"
scope = "telemetry"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """Both over https, with a certificate of a private CA."""
    folder = tmp_path_factory.mktemp("better-auth")
    tls, ca_file = private_ca(folder)
    with BetterAuth(folder, tls, ca_file, access_token_ttl=LIFETIME_S, interval=1) as running:
        yield running


class Device:
    """One state folder, and the options that go with it for the OAuth provider and for the plugin."""

    def __init__(self, server: BetterAuth, folder: Path):
        self.server = server
        self._state = folder / "state"
        rest = ["--ca-file", server.ca_file, "--state-dir", str(self._state)]
        self.options = ["--issuer", server.issuer, "--client-id", server.client_id, *rest]
        self.options += ["--scope", server.scope]
        (folder / "better-auth.toml").write_text(PROFILE)
        (folder / "pairlet.toml").write_text(CONFIG.format(server=server.plain))
        self.plain = ["--config", str(folder / "pairlet.toml"), *rest]
        names = {"issuer": server.issuer, "client_id": server.client_id, "scope": server.scope}
        self.tables: dict[str, Any] = {"oauth": names | {"ca_file": server.ca_file}}
        self.tables["store"] = {"dir": str(self._state)}

    @property
    def stored(self) -> dict[str, Any]:
        """What the agent keeps."""
        return dict(json.loads((self._state / "token").read_bytes()))

    def is_paired(self) -> bool:
        """Whether there is a token on the disk."""
        return (self._state / "token").exists()

    def is_over(self) -> bool:
        """Whether the stored access token has lived its life."""
        return time.time() > (self._state / "token").stat().st_mtime + LIFETIME_S

    def is_good(self, token: str) -> bool:
        """Whether the OAuth provider takes that access token."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.server.request("GET", self.server.issuer + "/oauth2/userinfo", headers=headers)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    def is_signed_in(self, token: str) -> bool:
        """Whether the plugin's site takes that session."""
        headers = {"Authorization": f"Bearer {token}"}
        return bool(self.server.request("GET", self.server.plain + "/get-session", headers=headers).json())


@pytest.fixture
def device(server: BetterAuth, tmp_path: Path) -> Device:
    """A device that is not paired yet."""
    return Device(server, tmp_path)


def hear(events: list[str]) -> Callable[..., None]:
    """A listener that keeps the names of events."""
    return lambda event, **fields: events.append(event)


def approve(device: Device, agent: AgentProcess) -> dict[str, Any]:
    """Somebody approves the code that the agent shows; how the command told it."""
    code = agent.wait_for("code")
    assert code["verification_uri_complete"].endswith(code["user_code"])
    assert device.server.decide("/oauth", code["user_code"].lower(), "approve") == device.server.scope
    paired = agent.wait_for("paired")
    # It signs with EdDSA.
    assert agent.wait_for("signed_in")["sub"]
    assert agent.end() == 0, agent.errors
    return paired


@pytest.mark.item(51)
def test_pair_refresh_with_rotation_doctor_and_unpair(device: Device) -> None:
    with started("pair", *device.options) as agent:
        paired = approve(device, agent)
    assert paired["has_refresh_token"] is True
    assert set(paired["scope"].split()) == set(device.server.scope.split())
    first = device.stored
    assert device.is_good(first["access_token"])
    until(device.is_over, "the access token to end")
    assert not device.is_good(first["access_token"])
    done = run("token", *device.options)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    second = device.stored
    assert second["access_token"] == done.stdout.strip() != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"] and device.is_good(second["access_token"])

    lines = run("doctor", *device.options).stdout
    assert "\nok       client" in lines and "FAIL " not in lines and "warn     metadata" not in lines, lines

    assert "not paired any more" in run("unpair", *device.options).stdout
    form = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
    form["client_id"] = device.server.client_id
    refused = device.server.request("POST", device.server.issuer + "/oauth2/token", data=form)
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"
    assert not device.is_good(second["access_token"]) and not device.is_paired()


def test_tokens_that_are_bound_to_a_key(device: Device) -> None:
    with started("pair", *device.options, "--set", "oauth.dpop=true") as agent:
        approve(device, agent)
    assert device.stored["token_type"] == "DPoP" and not device.is_good(device.stored["access_token"])
    events: list[str] = []
    library = pairlet.Device(device.tables | {"oauth": device.tables["oauth"] | {"dpop": True}}, hear(events))
    with requests.Session() as api:
        api.trust_env, api.verify, api.auth = False, device.server.ca_file, pairlet.BearerAuth(library)
        address = device.server.issuer + "/oauth2/userinfo"
        assert api.get(address, timeout=30).status_code == 200
        until(device.is_over, "the access token to end")
        assert api.get(address, timeout=30).status_code == 200 and events == ["refreshed"]


@pytest.mark.parametrize("site", ["/oauth", "/api/auth"])
def test_a_person_who_denies_is_exit_code_3(device: Device, site: Site) -> None:
    with started("pair", *(device.options if site == "/oauth" else device.plain)) as agent:
        device.server.decide(site, agent.wait_for("code")["user_code"], "deny")
        agent.wait_for("denied")
        assert agent.end() == 3
    assert not device.is_paired()


def test_in_the_devices_own_name(device: Device, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(device.server.service_secret)
    options = ["--issuer", device.server.issuer, "--client-id", device.server.service_id]
    options += [
        "--scope",
        "telemetry",
        "--client-secret-file",
        str(secret),
        "--ca-file",
        device.server.ca_file,
    ]
    options += ["--set", "oauth.grant=client_credentials", "--state-dir", str(tmp_path / "own")]
    done = run("token", *options)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_a_session_through_a_profile_of_ones_own(device: Device) -> None:
    with started("pair", *device.plain) as agent:
        code = agent.wait_for("code")
        assert device.server.decide("/api/auth", code["user_code"], "approve") == "telemetry"
        assert agent.wait_for("paired")["has_refresh_token"] is False
        assert agent.end() == 0, agent.errors
    session = device.stored["access_token"]
    assert device.is_signed_in(session)
    until(device.is_over, "the session to end")
    assert not device.is_signed_in(session)
    done = run("token", *device.plain)
    assert done.returncode == 6 and "no refresh token" in done.stderr and "pairlet pair" in done.stderr
    done = run("unpair", *device.plain)
    assert done.returncode == 0 and not device.is_paired()


def test_without_the_profile_the_first_poll_says_what_is_missing(device: Device) -> None:
    server = device.server
    options = ["--client-id", "tv", *device.plain[2:]]
    for name, path in (("device_authorization", "code"), ("token", "token")):
        options += ["--set", f"oauth.{name}_endpoint={server.plain}/device/{path}"]
    with started("pair", *options) as agent:
        agent.wait_for("code")
        assert agent.end() == 6
    said = "".join(agent.errors)
    assert "takes no forms (HTTP 415)" in said and 'format = "json"' in said and "Traceback" not in said
