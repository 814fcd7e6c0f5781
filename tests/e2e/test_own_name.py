"""Devices in their own name (client credentials) against three servers, two of which nobody here wrote."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.authserver import Client, Person
from support.agent_process import environment, run, started
from support.authserver_thread import RunningServer, authserver
from support.certificates import private_ca
from support.django_oauth_toolkit import DjangoOAuthToolkit
from support.oidc_provider import OidcProvider
from support.processes import all_command_lines, until

# Short enough to see several tokens in a test; another one is asked for at half of it.
LIFETIME_S = 4
GRANT = ["--set", "oauth.grant=client_credentials"]
RESOURCE = "https://api.example/"


class Device:
    """One state folder and the options that go with it; the secret comes from the environment."""

    def __init__(self, folder: Path, client_id: str, secret: str, *options: str):
        self._folder = folder / "state"
        self.secret = secret
        self.options = [*GRANT, *options, "--client-id", client_id, "--state-dir", str(self._folder)]
        self.options += ["--set", "oauth.client_secret_env=METER_SECRET"]

    @property
    def stored(self) -> dict[str, Any]:
        """What the agent keeps."""
        return dict(json.loads((self._folder / "token").read_bytes()))

    def run(self, *words: str) -> Any:
        """A command to its end."""
        return run(words[0], *self.options, *words[1:], METER_SECRET=self.secret)

    def token(self) -> str:
        """What `pairlet token` prints."""
        done = self.run("token")
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return str(done.stdout.strip())

    def has_ended(self) -> bool:
        """Whether the kept token is over, says `pairlet status`."""
        return bool(json.loads(self.run("status", "--json").stdout)["expires_in"] == 0)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OidcProvider, str]]:
    """oidc-provider over https, with a certificate of a private CA and a resource (RFC 8707)."""
    folder = tmp_path_factory.mktemp("oidc-provider")
    tls, ca_file = private_ca(folder)
    with OidcProvider(folder, tls=tls, access_token_ttl=LIFETIME_S, resource=RESOURCE) as running:
        yield running, ca_file


@pytest.fixture
def meter(provider: tuple[OidcProvider, str], tmp_path: Path) -> Device:
    """A device of oidc-provider's service client."""
    server, ca_file = provider
    options = ["--issuer", server.issuer, "--ca-file", ca_file, "--scope", "telemetry"]
    return Device(tmp_path, server.service.client_id, server.service.client_secret, *options)


@pytest.fixture
def ours() -> Iterator[RunningServer]:
    """Our authorization server with a confidential client."""
    clients = [Client("meter", secret="s3cret +/:%", device_id="meter-7"), Client("tv")]
    with authserver([Person("ada", "x")], clients, audience=RESOURCE) as server:
        yield server


def test_a_token_is_cached_and_asked_for_anew(meter: Device, provider: tuple[OidcProvider, str]) -> None:
    first = meter.token()
    assert meter.token() == first == meter.stored["access_token"]
    assert [event["grant_type"] for event in provider[0].events("grant.success")] == ["client_credentials"]
    until(meter.has_ended, "the access token to end")
    second = meter.token()
    assert second != first and meter.stored["access_token"] == second
    done = meter.run("unpair")
    assert done.returncode == 0 and "client secret is as good as before" in done.stdout
    assert "gets a token when it needs one" in meter.run("status").stdout


def test_run_asks_ahead_of_time(meter: Device) -> None:
    with started("run", *meter.options, METER_SECRET=meter.secret) as agent:
        assert agent.wait_for("paired")["has_refresh_token"] is False
        seen = {meter.stored["access_token"]}
        for _ in range(3):
            assert agent.wait_for("refreshed")["expires_in"] == LIFETIME_S
            seen.add(meter.stored["access_token"])
        assert len(seen) > 1
        # A command beside it takes what is there.
        assert meter.token()
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    assert not {"unpaired", "error", "code"} & {event["event"] for event in agent.events}


def test_pair_says_that_there_is_nobody_to_ask(meter: Device) -> None:
    done = meter.run("pair")
    assert done.returncode == 0 and "no person to ask" in done.stdout and "Paired" in done.stdout
    assert meter.secret not in done.stdout + done.stderr


@pytest.mark.item(44, 54)
def test_a_resource_makes_it_a_token_for_that_resource(meter: Device) -> None:
    opaque = meter.token()
    assert opaque.count(".") != 2
    meter.options += ["--set", f"oauth.resource={RESOURCE}"]
    # Asked for otherwise, so the one that is kept does not count.
    assert meter.token().count(".") == 2, "a JWT (RFC 9068), which this server gives for a resource only"
    meter.options += ["--set", "oauth.resource=https://elsewhere.example/"]
    done = meter.run("token")
    assert done.returncode == 6 and "invalid_target" in done.stderr


def test_a_wrong_secret_is_named_and_not_shown(meter: Device) -> None:
    meter.secret = "wrong-hidden"
    for command in ("token", "pair"):
        done = meter.run(command)
        assert done.returncode == 6 and "invalid_client" in done.stderr and "client secret" in done.stderr
        assert "wrong-hidden" not in done.stdout + done.stderr
    assert meter.run("token").returncode == 6


def test_a_server_that_gives_no_reason_is_looked_into(ours: RunningServer, tmp_path: Path) -> None:
    device = Device(tmp_path, "meter", "s3cret +/:%", "--issuer", ours.issuer, "--insecure-http")
    ours.answers.go_away("/token")
    done = device.run("token")
    assert done.returncode == 6 and "HTTP 503" in done.stderr
    assert "pairlet doctor; if it finds nothing" in done.stderr and "client secret" in done.stderr


def test_exec_gets_the_token_and_not_the_secret(ours: RunningServer, tmp_path: Path) -> None:
    device = Device(tmp_path, "meter", "s3cret +/:%", "--issuer", ours.issuer, "--insecure-http")
    script = "import os; print(os.environ['PAIRLET_ACCESS_TOKEN'], 'METER_SECRET' in os.environ)"
    done = device.run("exec", "--", sys.executable, "-c", script)
    assert done.stdout.split() == [device.stored["access_token"], "False"], done.stderr
    assert device.secret not in all_command_lines()


@pytest.mark.item(44)
def test_our_server_and_a_secret_from_a_credential(ours: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "meter").write_text("s3cret +/:%\n")
    device = Device(tmp_path, "meter", "", "--issuer", ours.issuer, "--insecure-http")
    options = [*device.options[:-2], "--set", "oauth.client_secret_credential=meter"]
    options += ["--set", f"oauth.resource={RESOURCE}"]
    done = run("token", *options, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [event.outcome for event in ours.server.events] == ["issued"]
    # Without the credential the token that is kept would do, but the configuration is wrong all the same.
    done = run("token", *options)
    assert done.returncode == 2 and "LoadCredential=meter" in done.stderr


def test_a_public_client_is_told_what_it_lacks(ours: RunningServer, tmp_path: Path) -> None:
    options = [*GRANT, "--issuer", ours.issuer, "--client-id", "tv", "--insecure-http"]
    done = run("token", *options, "--state-dir", str(tmp_path))
    assert done.returncode == 2 and "prove who it is" in done.stderr and "device_code" in done.stderr


def test_django_oauth_toolkit(tmp_path: Path) -> None:
    tls, ca_file = private_ca(tmp_path)
    with DjangoOAuthToolkit(tmp_path, tls, ca_file) as toolkit:
        options = ["--issuer", toolkit.issuer, "--ca-file", ca_file, "--scope", "telemetry"]
        device = Device(tmp_path, toolkit.service_id, toolkit.service_secret, *options)
        token = device.token()
        assert device.token() == token and device.stored["scope"] == "telemetry"
        assert "client secret is as good" in device.run("unpair").stdout


def test_five_processes_ask_once(ours: RunningServer, tmp_path: Path) -> None:
    import subprocess

    device = Device(tmp_path, "meter", "s3cret +/:%", "--issuer", ours.issuer, "--insecure-http")
    command = [sys.executable, "-m", "pairlet.linux", "token", *device.options]
    variables = environment(METER_SECRET=device.secret)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) for _ in range(5)]
    printed = {process.communicate(timeout=60)[0] for process in running}
    assert len(printed) == 1 and [event.outcome for event in ours.server.events] == ["issued"]
    assert os.stat(tmp_path / "state" / "token").st_mode & 0o777 == 0o600
