"""The fixture is what it says: a device flow with bare `requests` against oidc-provider, http and https."""

import base64
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.certificates import CertificateAuthority
from support.oidc_provider import DEVICE_CODE, OidcProvider, RegisteredClient, walk

RESOURCE = "https://telemetry.example/"


class RawClient:
    """A device flow by hand: no code of Pairlet, so that a misread RFC cannot cancel itself out."""

    def __init__(self, provider: OidcProvider, client: RegisteredClient, verify: bool | str = True):
        self.client = client
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = verify
        address = provider.issuer + "/.well-known/openid-configuration"
        self.metadata = self.session.get(address, timeout=30).json()

    def post(self, endpoint: str, **form: str) -> requests.Response:
        """POST a form to an endpoint of the metadata, with the client's authentication."""
        headers = {}
        if self.client.auth_method == "client_secret_basic":
            halves = [self.client.client_id, self.client.client_secret]
            joined = ":".join(urllib.parse.quote_plus(half) for half in halves)
            headers["Authorization"] = "Basic " + base64.b64encode(joined.encode()).decode()
        else:
            form["client_id"] = self.client.client_id
        if self.client.auth_method == "client_secret_post":
            form["client_secret"] = self.client.client_secret
        return self.session.post(self.metadata[endpoint], data=form, headers=headers, timeout=30)

    def request_code(self, **extra: str) -> dict[str, Any]:
        """Device authorization request (RFC 8628 section 3.1)."""
        form = {"scope": OidcProvider.scope} | extra
        answer = self.post("device_authorization_endpoint", **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def poll(self, code: dict[str, Any]) -> dict[str, Any]:
        """One device access token request (RFC 8628 section 3.4), whatever its answer."""
        answer = self.post("token_endpoint", grant_type=DEVICE_CODE, device_code=code["device_code"])
        assert answer.status_code == (200 if "access_token" in answer.json() else 400)
        return dict(answer.json())

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """One refresh (RFC 6749 section 6), whatever its answer."""
        answer = self.post("token_endpoint", grant_type="refresh_token", refresh_token=refresh_token)
        return dict(answer.json())

    def active(self, token: str) -> bool:
        """Ask the introspection endpoint (RFC 7662)."""
        return bool(self.post("introspection_endpoint", token=token).json()["active"])


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[OidcProvider]:
    """A server over http with its own defaults."""
    with OidcProvider(tmp_path) as running:
        yield running


def approved(device: RawClient, **extra: str) -> dict[str, Any]:
    """Tokens after a person's approval."""
    code = device.request_code(**extra)
    verify = device.session.verify
    assert isinstance(verify, bool | str)
    text = walk(code["verification_uri_complete"], code["user_code"], verify=verify)
    assert "Sign-in Success" in text
    return device.poll(code)


def test_device_flow_over_https_with_rotation_and_revocation(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    with OidcProvider(tmp_path, tls=authority.issue().write(tmp_path)) as provider:
        assert provider.issuer.startswith("https://127.0.0.1:")
        device = RawClient(provider, provider.device, verify=ca_file)
        code = device.request_code()
        assert device.poll(code)["error"] == "authorization_pending"
        assert "Sign-in Success" in walk(code["verification_uri"], code["user_code"], verify=ca_file)
        first = device.poll(code)
        assert set(first["scope"].split()) == set(provider.scope.split())
        second = device.refresh(first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"] and device.active(second["access_token"])
        assert device.post("revocation_endpoint", token=second["refresh_token"]).status_code == 200
        assert device.refresh(second["refresh_token"])["error"] == "invalid_grant"
        assert not device.active(second["access_token"])


def test_a_rotated_refresh_token_used_again_ends_the_whole_grant(provider: OidcProvider) -> None:
    device = RawClient(provider, provider.device)
    first = approved(device)
    second = device.refresh(first["refresh_token"])
    assert device.refresh(first["refresh_token"])["error"] == "invalid_grant"
    assert device.refresh(second["refresh_token"])["error"] == "invalid_grant"


@pytest.mark.parametrize("name", ["basic", "post"])
def test_confidential_clients_are_really_authenticated(provider: OidcProvider, name: str) -> None:
    client: RegisteredClient = getattr(provider, name)
    device = RawClient(provider, client)
    tokens = approved(device)
    assert tokens["token_type"] == "Bearer" and tokens["refresh_token"]
    client.client_secret += "x"
    answer = device.post("token_endpoint", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_client_credentials(provider: OidcProvider) -> None:
    meter = RawClient(provider, provider.service)
    answer = meter.post("token_endpoint", grant_type="client_credentials", scope="telemetry").json()
    assert answer["expires_in"] > 0 and meter.active(answer["access_token"])


@pytest.mark.parametrize("decision", ["deny", "cancel_sign_in", "cancel_consent"])
def test_a_person_who_says_no(provider: OidcProvider, decision: str) -> None:
    device = RawClient(provider, provider.device)
    code = device.request_code()
    assert "interrupted" in walk(code["verification_uri_complete"], code["user_code"], decision)
    assert device.poll(code)["error"] == "access_denied"


def test_a_wrong_code_is_refused_and_pairs_nobody(provider: OidcProvider) -> None:
    device = RawClient(provider, provider.device)
    code = device.request_code()
    assert "incorrect" in walk(code["verification_uri"], "BBBB-BBBB")
    assert device.poll(code)["error"] == "authorization_pending"


def test_without_offline_access_there_is_no_refresh_token(provider: OidcProvider) -> None:
    tokens = approved(RawClient(provider, provider.device), scope="openid telemetry")
    assert "refresh_token" not in tokens and tokens["access_token"]


def test_settings_reach_the_wire(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"interval": 1, "device_code_ttl": 77, "access_token_ttl": 9, "rotate": False}
    with OidcProvider(tmp_path, resource=RESOURCE, resource_by_default=True, **settings) as provider:
        device = RawClient(provider, provider.device)
        code = device.request_code()
        assert (code["interval"], code["expires_in"]) == (1, 77)
        tokens = approved(device)
        assert tokens["expires_in"] == 9
        payload = tokens["access_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert claims["aud"] == RESOURCE and claims["exp"] - claims["iat"] == 9
        assert device.refresh(tokens["refresh_token"])["refresh_token"] == tokens["refresh_token"]


def test_an_expired_code_and_the_default_interval(tmp_path: Path) -> None:
    with OidcProvider(tmp_path, device_code_ttl=1) as provider:
        device = RawClient(provider, provider.device)
        code = device.request_code()
        assert "interval" not in code
        answers = {device.poll(code)["error"]}
        while "expired_token" not in answers:
            assert answers == {"authorization_pending"}
            answers.add(device.poll(code)["error"])


def test_what_it_reports_names_requests_and_no_secret(tmp_path: Path, provider: OidcProvider) -> None:
    device = RawClient(provider, provider.device)
    code = device.request_code()
    device.poll(code)
    report = provider.wait_for("grant.error")[0]
    assert report["error"] == "authorization_pending" and report["grant_type"] == DEVICE_CODE
    written = json.dumps(provider.events("grant.error") + provider.events("device_authorization.success"))
    written += (tmp_path / "oidc-provider.log").read_text()
    assert code["device_code"] not in written and provider.basic.client_secret not in written


def test_it_ends_when_the_test_ends_or_dies(tmp_path: Path) -> None:
    with OidcProvider(tmp_path) as provider:
        # What the kernel does to the pipe when the test process is killed.
        process = provider._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    with OidcProvider(tmp_path) as provider:
        pid = provider.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.pem")
    with pytest.raises(AssertionError, match=r"nothing\.pem"), OidcProvider(tmp_path, tls=(missing, missing)):
        pass
