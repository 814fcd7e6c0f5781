"""The agent against another authorization server that nobody here wrote: django-allauth (PyPI)."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_process import run, started
from support.certificates import private_ca
from support.django_allauth import DjangoAllauth
from support.processes import until

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# Short enough to end within a test.
LIFETIME_S = 3


@pytest.fixture(scope="module")
def allauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoAllauth]:
    """The server over https, with a certificate of a private CA."""
    folder = tmp_path_factory.mktemp("django-allauth")
    tls, ca_file = private_ca(folder)
    settings = {"ACCESS_TOKEN_EXPIRES_IN": LIFETIME_S, "DEVICE_CODE_INTERVAL": 1}
    with DjangoAllauth(folder, tls, ca_file, **settings) as running:
        yield running


class Device:
    """One state folder and the options that go with it: the issuer is all that it knows of the server."""

    def __init__(self, allauth: DjangoAllauth, folder: Path):
        self.allauth = allauth
        self._folder = folder / "state"
        self.options = ["--issuer", allauth.base, "--client-id", allauth.client_id, "--scope", allauth.scope]
        self.options += ["--ca-file", allauth.ca_file, "--state-dir", str(self._folder)]

    def stored(self, name: str = "token") -> dict[str, Any]:
        """What the agent keeps under that name."""
        return dict(json.loads((self._folder / name).read_bytes()))

    def is_paired(self) -> bool:
        """Whether there is a token on the disk."""
        return (self._folder / "token").exists()

    def is_over(self) -> bool:
        """Whether the stored access token has lived its life."""
        return time.time() > (self._folder / "token").stat().st_mtime + LIFETIME_S

    def ask(self, **form: str) -> dict[str, Any]:
        """A token request with no code of Pairlet; the answer's members and its `status`."""
        form["client_id"] = self.allauth.client_id
        answer = self.allauth.request("POST", self.allauth.endpoint("token"), data=form)
        return {"status": answer.status_code, **answer.json()}


@pytest.fixture
def device(allauth: DjangoAllauth, tmp_path: Path) -> Device:
    """A device that is not paired yet."""
    return Device(allauth, tmp_path)


@pytest.mark.item(51)
def test_pair_refresh_with_rotation_doctor_and_unpair(device: Device) -> None:
    allauth = device.allauth
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        page = allauth.walk(code["verification_uri_complete"], code["user_code"])
        assert "Device Authorized" in page
        assert agent.end() == 0, agent.errors
        paired = agent.events[-1]
    assert paired["event"] == "paired" and paired["has_refresh_token"] is True
    assert set(paired["scope"].split()) == set(allauth.scope.split())
    first = device.stored()
    assert allauth.accepts(first["access_token"])
    until(device.is_over, "the access token to end")
    assert not allauth.accepts(first["access_token"])
    done = run("token", *device.options)
    assert done.returncode == 0 and done.stderr == ""
    second = device.stored()
    assert second["access_token"] == done.stdout.strip() != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"] and allauth.accepts(second["access_token"])
    assert device.ask(grant_type="refresh_token", refresh_token=first["refresh_token"])["status"] == 400

    lines = run("doctor", *device.options).stdout
    assert "\nok       client" in lines and "FAIL " not in lines, lines

    assert "not paired any more" in run("unpair", *device.options).stdout
    refused = device.ask(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert (refused["status"], refused["error"]) == (400, "invalid_grant")
    assert not device.is_paired()


def test_a_mistyped_code_pairs_nobody_and_what_the_screen_shows_does(device: Device) -> None:
    """This server wants the dash of a code as well: what a person copies must be what the server gave."""
    with started("pair", *device.options, "--display", "plain") as agent:
        code = agent.wait_for("code")
        line = until(lambda: next((said for said in agent.errors if "enter" in said), ""), "the screen")
        shown = re.search(r"code (\S+?)\.? ", line)
        assert shown, line
        uri = code["verification_uri"]
        assert "Incorrect code" in device.allauth.walk(uri, "WWWW-WWWW")
        assert "Device Authorized" in device.allauth.walk(uri, shown[1].lower())
        assert agent.end() == 0
    assert device.is_paired()


def test_a_person_who_denies_is_exit_code_3(device: Device) -> None:
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        page = device.allauth.walk(code["verification_uri_complete"], code["user_code"], "deny")
        assert "Device Denied" in page
        agent.wait_for("denied")
        assert agent.end() == 3
    assert not device.is_paired()


def test_a_code_that_the_server_forgets_early_has_run_out(device: Device) -> None:
    brief = f"oauth.device_authorization_endpoint={device.allauth.base}/brief/device/code"
    with started("pair", *device.options, "--set", brief) as agent:
        agent.wait_for("code")
        device_code = device.stored("pairing")["device_code"]
        agent.wait_for("expired")
        assert agent.end() == 4, agent.errors
    late = device.ask(grant_type=DEVICE_CODE, device_code=device_code)
    assert (late["status"], late["error"]) == (400, "invalid_grant")


def test_in_the_devices_own_name(allauth: DjangoAllauth, tmp_path: Path) -> None:
    """This server does not decode what a client has to encode for HTTP Basic (RFC 6749 section 2.3.1)."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(allauth.service_secret)
    options = ["--issuer", allauth.base, "--client-id", allauth.service_id, "--scope", "telemetry"]
    options += ["--client-secret-file", str(secret), "--ca-file", allauth.ca_file]
    options += ["--set", "oauth.grant=client_credentials", "--state-dir", str(tmp_path / "state")]
    done = run("doctor", *options)
    assert done.returncode == 6 and "\nFAIL     client" in done.stdout, done.stdout
    assert 'oauth.client_auth = "client_secret_post"' in done.stdout
    assert allauth.service_secret not in done.stdout
    done = run("token", *options, "--set", "oauth.client_auth=client_secret_post")
    assert done.returncode == 0 and done.stderr == "", done.stderr
