"""The agent against an authorization server that nobody here wrote: oidc-provider (npm)."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.agent_process import AgentProcess, run, started
from support.certificates import CertificateAuthority
from support.oidc_provider import OidcProvider, RegisteredClient, walk
from support.processes import until

# Short enough to see several refreshes in a test; the agent starts at half of it.
LIFETIME_S = 4


class Peer:
    """A running oidc-provider, and how to reach it: `options` for the agent, `verify` for requests."""

    def __init__(self, provider: OidcProvider, ca_file: str | None):
        self.provider = provider
        self.verify: str | bool = ca_file or True
        self.options = ["--issuer", provider.issuer, "--scope", OidcProvider.scope]
        self.options += ["--ca-file", ca_file] if ca_file else ["--insecure-http"]

    def approve(self, agent: AgentProcess, decision: str = "approve") -> str:
        """A person's walk through the server's own pages for the code that the agent shows."""
        code = agent.wait_for("code")
        return walk(
            code["verification_uri_complete"], code["user_code"], decision=decision, verify=self.verify
        )

    def is_active(self, client: RegisteredClient, token: str) -> bool:
        """Ask the server about a token (RFC 7662), with no code of Pairlet."""
        form, headers = {"token": token, "client_id": client.client_id}, {}
        if client.auth_method == "client_secret_post":
            form["client_secret"] = client.client_secret
        elif client.auth_method == "client_secret_basic":
            halves = [urllib.parse.quote_plus(half) for half in (client.client_id, client.client_secret)]
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(halves).encode()).decode()
        with requests.Session() as session:
            session.trust_env = False
            address = self.provider.issuer + "/token/introspection"
            answer = session.post(address, data=form, headers=headers, verify=self.verify, timeout=30)
        return bool(answer.json()["active"])


class Device:
    """One state folder and the options that go with it."""

    def __init__(self, peer: Peer, client: RegisteredClient, folder: Path):
        self.client = client
        self._token_file = folder / "state" / "token"
        self.options = [*peer.options, "--client-id", client.client_id, "--state-dir", str(folder / "state")]
        if client.client_secret:
            secret = folder / "client-secret"
            secret.touch(mode=0o600)
            secret.write_text(client.client_secret + "\n")
            self.options += ["--client-secret-file", str(secret)]
            self.options += ["--set", f"oauth.client_auth={client.auth_method}"]

    @property
    def stored(self) -> dict[str, Any]:
        """What the agent keeps."""
        return dict(json.loads(self._token_file.read_bytes()))

    def pair(self, peer: Peer) -> dict[str, Any]:
        """`pairlet pair` and an approval; how it was told."""
        with started("pair", *self.options) as agent:
            assert "Sign-in Success" in peer.approve(agent)
            paired = agent.wait_for("paired")
            assert agent.end() == 0
            return paired

    def token(self) -> str:
        """What `pairlet token` prints."""
        done = run("token", *self.options)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.strip()

    def has_ended(self) -> bool:
        """Whether the stored access token is over, says `pairlet status`."""
        done = run("status", *self.options, "--json")
        return bool(json.loads(done.stdout)["expires_in"] == 0)


def serving(folder: Path, tls: tuple[str, str] | None, ca_file: str | None) -> Iterator[Peer]:
    """A server while a fixture lives."""
    with OidcProvider(folder, tls=tls, interval=1, access_token_ttl=LIFETIME_S) as provider:
        yield Peer(provider, ca_file)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The server over https, with a certificate of a private CA."""
    folder = tmp_path_factory.mktemp("oidc-provider")
    authority = CertificateAuthority()
    yield from serving(folder, authority.issue().write(folder), authority.write(folder / "ca.pem"))


@pytest.fixture(scope="module")
def plain_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The server over http on loopback."""
    yield from serving(tmp_path_factory.mktemp("oidc-provider"), None, None)


def test_doctor_asks_what_it_makes_of_client_and_token(peer: Peer, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.basic, tmp_path)
    device.pair(peer)
    lines = run("doctor", *device.options).stdout
    assert "\nok       client" in lines and "\nok       introspection" in lines and "FAIL " not in lines, (
        lines
    )
    (tmp_path / "client-secret").write_text("another")
    done = run("doctor", *device.options)
    assert done.returncode == 6 and "\nFAIL     client" in done.stdout and "invalid_client" in done.stdout


@pytest.mark.item(51)
@pytest.mark.parametrize(
    ("server", "name"),
    [("plain_peer", "device"), ("peer", "device"), ("peer", "basic"), ("peer", "post")],
    ids=["http", "https", "https_basic", "https_post"],
)
def test_pair_refresh_with_rotation_and_unpair(
    server: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    peer: Peer = request.getfixturevalue(server)
    device = Device(peer, getattr(peer.provider, name), tmp_path)
    paired = device.pair(peer)
    assert paired["has_refresh_token"] is True
    assert set(paired["scope"].split()) == set(OidcProvider.scope.split())
    first = device.stored
    until(device.has_ended, "the access token to end")
    second = device.token()
    # The server rotates, and would end the whole grant if the old refresh token came back.
    assert device.stored["access_token"] == second != first["access_token"]
    assert device.stored["refresh_token"] != first["refresh_token"]
    assert peer.is_active(device.client, second)

    refresh_token = device.stored["refresh_token"]
    assert peer.is_active(device.client, refresh_token)
    assert "not paired any more" in run("unpair", *device.options).stdout
    assert not peer.is_active(device.client, refresh_token)
    assert not (tmp_path / "state" / "token").exists()
    assert run("token", *device.options).returncode == 6


def test_run_keeps_the_token_fresh(peer: Peer, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.device, tmp_path)
    with started("run", *device.options) as agent:
        peer.approve(agent)
        agent.wait_for("paired")
        seen = {device.stored["refresh_token"]}
        for _ in range(3):
            event = agent.wait_for("refreshed")
            assert event["rotated"] is True and event["expires_in"] == LIFETIME_S
            seen.add(device.stored["refresh_token"])
            assert peer.is_active(device.client, device.stored["access_token"])
        assert len(seen) > 1
        # Another process that asks meanwhile gets the same grant, and neither spoils the other's token.
        assert peer.is_active(device.client, device.token())
        agent.wait_for("refreshed")
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    assert "unpaired" not in [event["event"] for event in agent.events]
    assert device.token()


@pytest.mark.parametrize("decision", ["deny", "cancel_sign_in", "cancel_consent"])
def test_a_person_who_says_no_is_exit_code_3(peer: Peer, decision: str, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.device, tmp_path)
    with started("pair", *device.options) as agent:
        assert "interrupted" in peer.approve(agent, decision)
        agent.wait_for("denied")
        assert agent.end() == 3
    assert not (tmp_path / "state" / "token").exists()


def test_a_wrong_client_secret_is_named(peer: Peer, tmp_path: Path) -> None:
    client = RegisteredClient(peer.provider.basic.client_id, "client_secret_basic")
    device = Device(peer, client, tmp_path)
    done = run("pair", *device.options)
    assert done.returncode == 6 and "invalid_client" in done.stderr and "client secret" in done.stderr
    assert client.client_secret not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.item(55)
def test_a_grant_that_the_server_ended_is_said_and_forgotten(peer: Peer, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.device, tmp_path)
    device.pair(peer)
    stolen = device.stored["refresh_token"]
    revoke = {"token": stolen, "client_id": device.client.client_id}
    address = peer.provider.issuer + "/token/revocation"
    assert requests.post(address, data=revoke, verify=peer.verify, timeout=30).status_code == 200
    until(device.has_ended, "the access token to end")
    done = run("token", *device.options)
    assert done.returncode == 6 and "ended the pairing" in done.stderr and "pairlet pair" in done.stderr
    assert stolen not in done.stderr
    assert json.loads(run("status", *device.options, "--json").stdout)["paired"] is False


def test_an_unattended_kill_between_refreshes_costs_nothing(peer: Peer, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.device, tmp_path)
    device.pair(peer)
    for _ in range(2):
        with started("run", *device.options) as agent:
            agent.wait_for("refreshed")
            agent.process.kill()
            agent.process.wait(30)
    assert peer.is_active(device.client, device.token())


def test_without_offline_access_the_end_is_the_end(peer: Peer, tmp_path: Path) -> None:
    device = Device(peer, peer.provider.device, tmp_path)
    device.options += ["--scope", "openid telemetry"]
    assert device.pair(peer)["has_refresh_token"] is False
    until(device.has_ended, "the access token to end")
    done = run("token", *device.options)
    assert done.returncode == 6 and "no refresh token" in done.stderr
