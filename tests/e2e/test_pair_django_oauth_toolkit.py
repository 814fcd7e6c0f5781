"""The agent against another authorization server that nobody here wrote: django-oauth-toolkit (PyPI)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.person import CodeRefused, Decision, Person, Walk
from support.agent_process import AgentProcess, run, started
from support.certificates import private_ca
from support.django_oauth_toolkit import DjangoOAuthToolkit
from support.processes import until

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# Short enough to end within a test; the agent starts to refresh at half of it.
LIFETIME_S = 4


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoOAuthToolkit]:
    """The server over https, with a certificate of a private CA."""
    folder = tmp_path_factory.mktemp("django-oauth-toolkit")
    tls, ca_file = private_ca(folder)
    settings = {"ACCESS_TOKEN_EXPIRE_SECONDS": LIFETIME_S, "DEVICE_FLOW_INTERVAL": 1}
    with DjangoOAuthToolkit(folder, tls, ca_file, **settings) as running:
        yield running


class Device:
    """One state folder and the options that go with it; all endpoints are given by their names."""

    def __init__(self, toolkit: DjangoOAuthToolkit, folder: Path):
        self.toolkit = toolkit
        self._folder = folder / "state"
        self._rest = ["--client-id", toolkit.client_id, "--scope", toolkit.scope]
        self._rest += ["--ca-file", toolkit.ca_file, "--state-dir", str(self._folder)]
        self.server = self.endpoints(
            device_authorization="device-authorization", token="token", revocation="revoke_token"
        )

    @property
    def options(self) -> list[str]:
        """For any command of the agent."""
        return [*self.server, *self._rest]

    def endpoints(self, **views: str) -> list[str]:
        """Options that name endpoints by hand; `views` as in the toolkit's addresses."""
        pairs = [(name, self.toolkit.endpoint(view)) for name, view in views.items()]
        return [word for name, url in pairs for word in ("--set", f"oauth.{name}_endpoint={url}")]

    def stored(self, name: str = "token") -> dict[str, Any]:
        """What the agent keeps under that name."""
        return dict(json.loads((self._folder / name).read_bytes()))

    def is_paired(self) -> bool:
        """Whether there is a token on the disk."""
        return (self._folder / "token").exists()

    def pair(self) -> dict[str, Any]:
        """`pairlet pair` and an approval; the last event it told."""
        with started("pair", *self.options) as agent:
            assert decide(self.toolkit, agent, "approve").text == "Device Authorized"
            assert agent.end() == 0, agent.errors
            return agent.events[-1]

    def has_ended(self) -> bool:
        """Whether the stored access token is over, says `pairlet status`."""
        done = run("status", *self.options, "--json")
        return bool(json.loads(done.stdout)["expires_in"] == 0)

    def refresh_with(self, refresh_token: str) -> dict[str, Any]:
        """One refresh with no code of Pairlet, whatever its answer."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return ask(self.toolkit, **form)


@pytest.fixture
def device(toolkit: DjangoOAuthToolkit, tmp_path: Path) -> Device:
    """A device that is not paired yet."""
    return Device(toolkit, tmp_path)


def ask(toolkit: DjangoOAuthToolkit, **form: str) -> dict[str, Any]:
    """A token request with no code of Pairlet; the answer's members and its `status`."""
    answer = toolkit.request("POST", toolkit.endpoint("token"), data={"client_id": toolkit.client_id, **form})
    return {"status": answer.status_code, **answer.json()}


def type_in(toolkit: DjangoOAuthToolkit, uri: str, user_code: str, decision: Decision = "approve") -> Walk:
    """A person's walk through the site's own pages: sign in, type the code, accept or deny."""
    with Person(toolkit.username, toolkit.password, toolkit.ca_file) as person:
        return person.walk(uri, user_code, decision)


def decide(toolkit: DjangoOAuthToolkit, agent: AgentProcess, decision: Decision) -> Walk:
    """The same for the code that the agent shows."""
    code = agent.wait_for("code")
    return type_in(toolkit, code["verification_uri"], code["user_code"], decision)


@pytest.mark.parametrize("configured", ["endpoints", "issuer_and_what_its_metadata_lacks"])
def test_pair_refresh_with_rotation_and_unpair(device: Device, configured: str) -> None:
    toolkit = device.toolkit
    if configured != "endpoints":
        device.server = ["--issuer", toolkit.issuer]
        device.server += device.endpoints(device_authorization="device-authorization")
    paired = device.pair()
    assert paired["event"] == "paired" and paired["has_refresh_token"] is True
    assert set(paired["scope"].split()) == set(toolkit.scope.split())
    first = device.stored()
    until(device.has_ended, "the access token to end")
    done = run("token", *device.options)
    assert done.returncode == 0 and done.stderr == ""
    second = device.stored()
    assert second["access_token"] == done.stdout.strip() != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert toolkit.accepts(second["access_token"]) and not toolkit.accepts(first["access_token"])

    assert "not paired any more" in run("unpair", *device.options).stdout
    assert not toolkit.accepts(second["access_token"])
    refused = device.refresh_with(second["refresh_token"])
    assert (refused["status"], refused["error"]) == (400, "invalid_grant")
    assert not device.is_paired()
    assert run("token", *device.options).returncode == 6


def test_run_keeps_the_token_fresh(device: Device) -> None:
    with started("run", *device.options) as agent:
        decide(device.toolkit, agent, "approve")
        agent.wait_for("paired")
        for _ in range(3):
            event = agent.wait_for("refreshed")
            assert event["rotated"] is True and event["expires_in"] == LIFETIME_S
            assert device.toolkit.accepts(device.stored()["access_token"])
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    assert "unpaired" not in [event["event"] for event in agent.events]


def test_metadata_without_the_device_endpoint_says_what_to_set(device: Device) -> None:
    device.server = ["--issuer", device.toolkit.issuer]
    done = run("pair", *device.options)
    assert done.returncode == 2 and "set oauth.device_authorization_endpoint" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_person_who_denies_is_exit_code_3(device: Device) -> None:
    with started("pair", *device.options) as agent:
        assert decide(device.toolkit, agent, "deny").text == "Device Denied"
        agent.wait_for("denied")
        assert agent.end() == 3
    assert not device.is_paired()


def test_the_code_as_the_screen_shows_it_is_taken(device: Device) -> None:
    """This server takes a code to the letter: what a person copies must be what the server gave."""
    with started("pair", *device.options, "--display", "plain") as agent:
        code = agent.wait_for("code")
        line = until(lambda: next((said for said in agent.errors if "enter" in said), ""), "the screen")
        shown = re.search(r"code (\S+?)\.? ", line)
        assert shown, line
        type_in(device.toolkit, code["verification_uri"], shown[1])
        assert agent.end() == 0


def test_a_mistyped_code_pairs_nobody_and_the_right_one_does(device: Device) -> None:
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        with pytest.raises(CodeRefused):
            type_in(device.toolkit, code["verification_uri"], "WWWWWWWW")
        type_in(device.toolkit, code["verification_uri"], code["user_code"])
        assert agent.end() == 0


def test_a_code_that_ran_out_ends_though_the_server_goes_on_saying_pending(device: Device) -> None:
    toolkit = device.toolkit
    brief = f"oauth.device_authorization_endpoint={toolkit.base}/brief/device-authorization/"
    with started("pair", *device.options, "--set", brief) as agent:
        agent.wait_for("code")
        device_code = device.stored("pairing")["device_code"]
        agent.wait_for("expired")
        assert agent.end() == 4
    late = ask(toolkit, grant_type=DEVICE_CODE, device_code=device_code)
    assert (late["status"], late["error"]) == (400, "authorization_pending")
    assert not device.is_paired()


def test_a_code_that_the_server_calls_expired_ends_before_its_time(device: Device) -> None:
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        aged = "UPDATE oauth2_provider_devicegrant SET expires = '2020-01-01 00:00:00' WHERE user_code = ?"
        assert device.toolkit.change(aged, code["user_code"]) == 1
        # Only now, with somebody who types it, does the server look at the time.
        with pytest.raises(CodeRefused):
            type_in(device.toolkit, code["verification_uri"], code["user_code"])
        agent.wait_for("expired")
        assert agent.end() == 4


def test_a_code_that_the_server_has_lost_is_said_and_the_next_try_gets_another(device: Device) -> None:
    with started("pair", *device.options) as agent:
        user_code = agent.wait_for("code")["user_code"]
        lost = "DELETE FROM oauth2_provider_devicegrant WHERE user_code = ?"
        assert device.toolkit.change(lost, user_code) == 1
        # HTTP 404, where RFC 6749 section 5.2 has 400 and `invalid_grant`.
        assert agent.wait_for("error")["error"] == "device_not_found"
        assert agent.end() == 6 and "Traceback" not in "".join(agent.errors)
    assert device.pair()["event"] == "paired"
    assert user_code not in (device.stored().values())


def test_a_stolen_refresh_token_ends_the_pairing_for_the_thief_too(device: Device) -> None:
    device.pair()
    stolen = device.stored()["refresh_token"]
    thief = device.refresh_with(stolen)
    assert thief["status"] == 200
    until(device.has_ended, "the access token to end")
    done = run("token", *device.options)
    assert done.returncode == 6 and "ended the pairing" in done.stderr and "pairlet pair" in done.stderr
    assert stolen not in done.stderr and not device.is_paired()
    assert device.refresh_with(thief["refresh_token"])["error"] == "invalid_grant"
    assert not device.toolkit.accepts(thief["access_token"])
