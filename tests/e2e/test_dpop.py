"""Tokens bound to a key of the device (DPoP, RFC 9449): a server that nobody here wrote, and ours."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import requests
from joserfc import jwk
from pairlet import BearerAuth, Device, HttpxBearerAuth, ProtocolError
from pairlet.core.http import Request, Response
from pairlet.linux.http import RequestsHttp
from pairlet_sim.authserver import Client, Person
from pairlet_sim.person import walk as walk_ours
from support.agent_process import run, started
from support.authserver_thread import RunningServer, authserver
from support.certificates import CertificateAuthority
from support.oidc_provider import DEVICE_CODE, OidcProvider, RegisteredClient, walk
from support.processes import until
from support.proofs import new_key, proof

LIFETIME_S = 4
DPOP = ["--set", "oauth.dpop=true"]


class Site:
    """oidc-provider over https, which wants a nonce in each proof, and its clients."""

    def __init__(self, folder: Path):
        authority, self.meter_key = CertificateAuthority(), new_key()
        self.ca_file = authority.write(folder / "ca.pem")
        jwks = {"keys": [self.meter_key.as_dict(private=False)]}
        self.meter = RegisteredClient("meter-7", "private_key_jwt", "client_credentials", jwks=jwks)
        settings = {"interval": 1, "access_token_ttl": LIFETIME_S, "dpop": True}
        self.provider = OidcProvider(folder, authority.issue().write(folder), [self.meter], **settings)

    def options(self, client: RegisteredClient, folder: Path) -> list[str]:
        """For the command."""
        options = ["--issuer", self.provider.issuer, "--ca-file", self.ca_file, *DPOP]
        return [*options, "--client-id", client.client_id, "--state-dir", str(folder / "state")]

    def introspect(self, token: str) -> dict[str, Any]:
        """What the server says of a token (RFC 7662), with no code of Pairlet."""
        form = {"token": token, "client_id": self.provider.client_id}
        with requests.Session() as session:
            session.trust_env = False
            address = self.provider.issuer + "/token/introspection"
            return dict(session.post(address, form, verify=self.ca_file, timeout=30).json())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server."""
    found = Site(tmp_path_factory.mktemp("oidc-provider"))
    with found.provider:
        yield found


def stored(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "state" / "token").read_bytes()))


@pytest.mark.item(57)
def test_pair_refresh_ask_a_resource_and_unpair(site: Site, tmp_path: Path) -> None:
    provider = site.provider
    options = [*site.options(provider.device, tmp_path), "--scope", "openid offline_access"]
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        assert "Sign-in Success" in walk(
            code["verification_uri_complete"], code["user_code"], verify=site.ca_file
        )
        agent.wait_for("paired")
        assert agent.wait_for("signed_in")["name"] == "ada"
        assert agent.end() == 0
    assert not [file for file in (tmp_path / "state").iterdir() if b"eyJ" in file.read_bytes()], "no ID token"
    polls = provider.events("grant.error")
    assert {poll["grant_type"] for poll in polls} == {DEVICE_CODE}
    assert [poll["error"] for poll in polls].count("use_dpop_nonce") == 1
    times = [poll["at"] for poll in [*polls, *provider.events("grant.success")]]
    # The clocks of two processes, and a timer that may ring a little early.
    assert all(later - earlier > 980 for earlier, later in zip(times, times[1:], strict=False)), times
    first = stored(tmp_path)
    key_file = tmp_path / "state" / "dpop-key"
    thumbprint = jwk.import_key(key_file.read_bytes(), "EC").thumbprint()
    assert first["token_type"] == "DPoP"
    assert site.introspect(first["access_token"])["cnf"] == {"jkt": thumbprint}
    assert site.introspect(first["refresh_token"])["cnf"] == {"jkt": thumbprint}, "a public client's"

    until(lambda: not site.introspect(first["access_token"])["active"], "the access token to end")
    done = run("token", *options)
    second = stored(tmp_path)
    assert done.stdout.strip() == second["access_token"] and second["token_type"] == "DPoP"
    assert second["refresh_token"] != first["refresh_token"]
    assert "of no use without it" in done.stderr and "BearerAuth" in done.stderr

    oauth = {"issuer": provider.issuer, "client_id": provider.client_id, "ca_file": site.ca_file}
    device = Device({"oauth": oauth | {"dpop": True}, "store": {"dir": str(tmp_path / "state")}})
    _ask_a_resource(site, device)
    last = stored(tmp_path)["refresh_token"]
    assert device.unpair() is None
    assert not key_file.exists() and not (tmp_path / "state" / "token").exists()
    assert not site.introspect(last)["active"]


def _ask_a_resource(site: Site, device: Device) -> None:
    """The server's own resource, which wants a nonce, too; then without the key, and with a used proof."""
    place = site.provider.issuer + "/me"
    with requests.Session() as session:
        session.trust_env, session.verify, session.auth = False, site.ca_file, BearerAuth(device)
        for _ in range(2):
            answer = session.get(place, params={"x": "1"}, timeout=30)
            assert answer.status_code == 200 and answer.json()["sub"] == "ada", answer.text
        sent = dict(answer.request.headers)
        session.auth = None
        stolen = {"Authorization": "Bearer " + sent["Authorization"].partition(" ")[2]}
        for headers in (stolen, {"Authorization": sent["Authorization"]}, sent):
            assert session.get(place, headers=headers, timeout=30).status_code in (400, 401)
    context = ssl.create_default_context(cafile=site.ca_file)
    with httpx.Client(verify=context, trust_env=False, auth=HttpxBearerAuth(device)) as client:
        assert client.get(place).json()["sub"] == "ada"

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(verify=context, trust_env=False, auth=HttpxBearerAuth(device)) as client:
            return await client.post(place)

    assert asyncio.run(ask()).json()["sub"] == "ada"


def test_in_the_device_s_own_name_with_an_assertion_for_each_request(site: Site, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(site.meter_key.as_dict(private=True)))
    options = [*site.options(site.meter, tmp_path), "--set", "oauth.grant=client_credentials"]
    options += ["--set", "oauth.client_auth=private_key_jwt", "--scope", "telemetry"]
    done = run("token", "--json", *options, "--set", f"oauth.client_key_file={tmp_path / 'key.json'}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["token_type"] == stored(tmp_path)["token_type"] == "DPoP"


def test_the_doctor_proves_itself_at_once_and_makes_nothing(site: Site, tmp_path: Path) -> None:
    told = len(site.provider.events("grant.error"))
    done = run("doctor", *site.options(site.provider.device, tmp_path), "--display", "none")
    assert done.returncode == 0, done.stdout
    assert f"the server knows the client {site.provider.client_id}" in done.stdout
    refusals = [event["error"] for event in site.provider.wait_for("grant.error", told + 2)[told:]]
    assert refusals == ["use_dpop_nonce", "invalid_grant"] and not (tmp_path / "state").exists()


def test_with_a_browser_the_code_is_bound_as_well(tmp_path: Path) -> None:
    clients = [Client("kiosk", scopes=("telemetry:write", "offline_access"))]
    with authserver([Person("ada", "correct horse")], clients, dpop_nonce=True) as ours:
        options = ["--issuer", ours.issuer, "--client-id", "kiosk", "--insecure-http", *DPOP]
        options += ["--set", "oauth.grant=authorization_code", "--set", "oauth.browser=none"]
        options += ["--state-dir", str(tmp_path / "state")]
        with started("pair", *options) as agent:
            uri = agent.wait_for("authorize")["authorization_uri"]
            key = jwk.import_key((tmp_path / "state" / "dpop-key").read_bytes(), "EC")
            assert parse_qs(urlsplit(uri).query)["dpop_jkt"] == [key.thumbprint()]
            assert "This device is paired" in walk_ours(uri, "", "ada", "correct horse").text
            agent.wait_for("paired")
            assert agent.end() == 0
        assert stored(tmp_path)["token_type"] == "DPoP"
        token = stored(tmp_path)["refresh_token"]
        form = {"grant_type": "refresh_token", "client_id": "kiosk", "refresh_token": token}
        thief = {"DPoP": proof(new_key(), ours.issuer + "/token", ours.clock())}
        answer = requests.post(ours.issuer + "/token", form, headers=thief, timeout=30)
        nonce = answer.headers["DPoP-Nonce"]
        thief = {"DPoP": proof(new_key(), ours.issuer + "/token", ours.clock(), nonce=nonce)}
        answer = requests.post(ours.issuer + "/token", form, headers=thief, timeout=30)
        assert answer.json()["error"] == "invalid_grant"
        # Without the setting nothing is sent at all: the server would take it for theft.
        done = run("token", *options, "--set", "oauth.dpop=false")
        assert done.returncode == 0 and "of no use without it" in done.stderr


def device_of(ours: RunningServer, folder: Path) -> Device:
    oauth = {"issuer": ours.issuer, "client_id": "tv", "insecure_http": True, "dpop": True}
    return Device({"oauth": oauth, "store": {"dir": str(folder / "state")}})


def pair(ours: RunningServer, device: Device) -> None:
    """The person decides at once."""

    def approve(screen: Any) -> None:
        if screen.kind == "code":
            ours.server.approve(screen.user_code, "ada")

    device.pair(approve)


def test_un_pairing_while_another_process_gets_a_token_leaves_it_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, keys = RequestsHttp.exchange, []

    async def interrupted(self: RequestsHttp, request: Request) -> Response:
        response = await exchange(self, request)
        if b"access_token" in response.body and not keys:
            # The server has bound a token to the key, and nobody here has it yet. What counts so far is this.
            (tmp_path / "state" / "token").write_text(json.dumps(before))
            keys.append((tmp_path / "state" / "dpop-key").read_bytes())
            assert device_of(ours, tmp_path).unpair() is None
            assert not (tmp_path / "state" / "token").exists()
        return response

    with authserver([Person("ada", "x")], [Client("tv")], interval_s=1) as ours:
        before = {"version": 1, "access_token": "x", "token_type": "DPoP", "refresh_token": "r"}
        before |= {"issuer": ours.issuer, "client_id": "tv"}
        monkeypatch.setattr(RequestsHttp, "exchange", interrupted)
        device = device_of(ours, tmp_path)
        pair(ours, device)
        first = device.token()
        assert keys == [(tmp_path / "state" / "dpop-key").read_bytes()] and first.token_type == "DPoP"
        assert device.token(first.access_token).access_token != first.access_token, "refreshed with its key"
        assert device.unpair() is None and not (tmp_path / "state" / "dpop-key").exists()


@pytest.mark.item(57)
def test_a_server_that_binds_nothing_is_refused(tmp_path: Path) -> None:
    with authserver([Person("ada", "x")], [Client("tv")], dpop=False, interval_s=1) as ours:
        with pytest.raises(ProtocolError, match="only DPoP tokens can be used") as caught:
            pair(ours, device_of(ours, tmp_path))
        assert "leave out oauth.dpop" in caught.value.advice
        assert not (tmp_path / "state" / "token").exists()
