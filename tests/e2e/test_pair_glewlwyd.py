"""The agent against another authorization server that nobody here wrote: Glewlwyd (C, Debian)."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwk
from pairlet import BearerAuth
from pairlet import Device as LibraryDevice
from support.agent_process import run, started
from support.certificates import private_ca
from support.glewlwyd import Glewlwyd
from support.ports import free_port
from support.processes import until

# Short enough to end within a test; the agent starts to refresh at half of it.
LIFETIME_S = 4


@pytest.fixture(scope="module")
def glewlwyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    """The server over https, with a certificate of a private CA."""
    folder = tmp_path_factory.mktemp("glewlwyd")
    tls, ca_file = private_ca(folder)
    settings = {"access-token-duration": LIFETIME_S, "device-authorization-interval": 1}
    with Glewlwyd(folder, tls, ca_file, **settings) as running:
        yield running


class Device:
    """One state folder and the options that go with it."""

    def __init__(
        self, glewlwyd: Glewlwyd, folder: Path, client_id: str = Glewlwyd.client_id, secret: str = ""
    ):
        self.glewlwyd = glewlwyd
        self.client_id = client_id
        self.secret = secret
        self._folder = folder / "state"
        self.options = ["--issuer", glewlwyd.issuer, "--client-id", client_id, "--scope", glewlwyd.scope]
        self.options += ["--ca-file", glewlwyd.ca_file, "--state-dir", str(self._folder)]
        if secret:
            (folder / "secret").touch(mode=0o600)
            (folder / "secret").write_text(secret)
            self.options += ["--client-secret-file", str(folder / "secret")]

    def stored(self, name: str = "token") -> dict[str, Any]:
        """What the agent keeps under that name."""
        return dict(json.loads((self._folder / name).read_bytes()))

    def is_paired(self) -> bool:
        """Whether there is a token on the disk."""
        return (self._folder / "token").exists()

    def pair(self, granted: str = Glewlwyd.scope) -> dict[str, Any]:
        """`pairlet pair` and an approval; how it was told."""
        with started("pair", *self.options) as agent:
            code = agent.wait_for("code")
            walk = self.glewlwyd.walk(code["verification_uri"], code["user_code"], granted)
            assert walk == "deviceComplete"
            paired = agent.wait_for("paired")
            assert agent.wait_for("signed_in")["sub"], "an ID token that the server's key has signed"
            assert agent.end() == 0, agent.errors
            return paired

    def has_ended(self) -> bool:
        """Whether the stored access token is over, by the clock and then for the server."""
        token = self.stored()
        return bool(time.time() >= token["ends"]) and not self.glewlwyd.accepts(token["access_token"])

    def refresh_with(self, refresh_token: str) -> requests.Response:
        """One refresh with no code of Pairlet."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id}
        auth = (self.client_id, self.secret) if self.secret else None
        return self.glewlwyd.request("POST", self.glewlwyd.issuer + "/token", data=form, auth=auth)


@pytest.fixture
def device(glewlwyd: Glewlwyd, tmp_path: Path) -> Device:
    """A device of the public client that is not paired yet."""
    return Device(glewlwyd, tmp_path)


@pytest.fixture
def kitchen(glewlwyd: Glewlwyd, tmp_path: Path) -> Device:
    """One of the client with a secret, which may revoke and introspect."""
    return Device(glewlwyd, tmp_path, glewlwyd.set_id, glewlwyd.set_secret)


@pytest.mark.item(51)
def test_pair_refresh_with_rotation_and_unpair(kitchen: Device) -> None:
    glewlwyd = kitchen.glewlwyd
    paired = kitchen.pair()
    assert paired["has_refresh_token"] is True and set(paired["scope"].split()) == set(glewlwyd.scope.split())
    first = kitchen.stored()
    lines = run("doctor", *kitchen.options).stdout
    assert "\nok       introspection" in lines and "FAIL " not in lines, lines
    until(kitchen.has_ended, "the access token to end")
    done = run("token", *kitchen.options)
    assert done.returncode == 0 and done.stderr == ""
    second = kitchen.stored()
    assert second["access_token"] == done.stdout.strip() != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert glewlwyd.accepts(second["access_token"])

    assert "not paired any more" in run("unpair", *kitchen.options).stdout
    refused = kitchen.refresh_with(second["refresh_token"])
    assert (refused.status_code, refused.content) == (400, b"")
    assert not kitchen.is_paired()
    assert run("token", *kitchen.options).returncode == 6


def test_run_keeps_the_token_fresh_and_a_public_client_may_not_revoke(device: Device) -> None:
    with started("run", *device.options) as agent:
        code = agent.wait_for("code")
        # A mistyped code pairs nobody, and the right one does.
        assert device.glewlwyd.walk(code["verification_uri"], "WWWW-WWWW") == "deviceCodeError"
        assert device.glewlwyd.walk(code["verification_uri"], code["user_code"]) == "deviceComplete"
        agent.wait_for("paired")
        for _ in range(2):
            event = agent.wait_for("refreshed")
            assert event["rotated"] is True and event["expires_in"] == LIFETIME_S
            assert device.glewlwyd.accepts(device.stored()["access_token"])
        agent.process.terminate()
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
    assert not {"unpaired", "error"} & {event["event"] for event in agent.events}
    done = run("unpair", *device.options)
    assert done.returncode == 0 and "HTTP 401" in done.stderr and "server's own page" in done.stderr
    assert not device.is_paired()


@pytest.mark.item(18)
def test_slow_down_is_heeded(device: Device) -> None:
    """Somebody else polls with the same code, so that the device's own poll comes too soon."""
    glewlwyd = device.glewlwyd
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        assert code["interval"] == 1
        poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": device.client_id}
        poll["device_code"] = device.stored("pairing")["device_code"]

        def was_slowed_down() -> bool:
            answer = glewlwyd.request("POST", glewlwyd.issuer + "/token", data=poll)
            assert answer.json()["error"] in ("authorization_pending", "slow_down")
            return bool(device.stored("pairing")["interval"] > 1)

        until(was_slowed_down, "the device to be slowed down")
        assert device.stored("pairing")["interval"] == 6
        assert glewlwyd.walk(code["verification_uri_complete"]) == "deviceComplete"
        agent.wait_for("paired")
        assert agent.end() == 0


def test_a_stolen_refresh_token_ends_the_line_without_a_word(device: Device) -> None:
    """A bare HTTP 400 may come from a proxy as well: the pairing is kept, and a person is told what to do."""
    paired = device.pair(granted="openid")
    assert (paired["scope"], paired["not_granted"]) == ("openid", "telemetry")
    stolen = device.stored()["refresh_token"]
    assert device.refresh_with(stolen).status_code == 200
    until(device.has_ended, "the access token to end")
    done = run("token", *device.options)
    assert (
        done.returncode == 6
        and "HTTP 400" in done.stderr
        and "pairlet unpair, then pairlet pair" in done.stderr
    )
    assert stolen not in done.stderr and device.is_paired()
    lines = run("doctor", *device.options).stdout
    assert "FAIL " not in lines and "\nskipped  client         to a code that nobody issued" in lines, lines
    # With the server's profile the device knows what that means.
    done = run("token", *device.options, "--set", "oauth.provider=glewlwyd")
    assert done.returncode == 6 and "pairing has ended" in done.stderr and "Pair the device" in done.stderr
    assert not device.is_paired()


def test_a_person_who_grants_nothing_leaves_a_code_that_runs_out(device: Device) -> None:
    """This server has no other way to say no."""
    device.options += ["--scope", "telemetry"]
    with started("pair", *device.options) as agent:
        code = agent.wait_for("code")
        assert device.glewlwyd.walk(code["verification_uri"], code["user_code"], granted="") == ""
        aged = "UPDATE gpo_device_authorization SET gpoda_expires_at = 1 WHERE gpoda_id = "
        assert device.glewlwyd.change(aged + "(SELECT max(gpoda_id) FROM gpo_device_authorization)") == 1
        agent.wait_for("expired")
        assert agent.end() == 4
    assert not device.is_paired()


def test_in_the_device_s_own_name(glewlwyd: Glewlwyd, tmp_path: Path) -> None:
    meter = Device(glewlwyd, tmp_path, glewlwyd.service_id, glewlwyd.service_secret)
    meter.options += ["--scope", "telemetry", "--set", "oauth.grant=client_credentials"]
    meter.options += ["--set", "oauth.client_auth=client_secret_post"]
    done = run("token", *meter.options)
    assert done.returncode == 0 and done.stdout.strip() == meter.stored()["access_token"], done.stderr
    assert meter.stored()["scope"] == "telemetry"
    assert "client secret is as good as before" in run("unpair", *meter.options).stdout


def test_with_a_browser_and_a_fixed_port(glewlwyd: Glewlwyd, tmp_path: Path) -> None:
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    glewlwyd.register("hall-kiosk", "code", "refresh_token", redirect_uri=[redirect_uri])
    kiosk = Device(glewlwyd, tmp_path, "hall-kiosk")
    kiosk.options += ["--set", "oauth.grant=authorization_code", "--set", "oauth.browser=none"]
    kiosk.options += ["--set", f"oauth.redirect_uri={redirect_uri}"]
    with started("pair", *kiosk.options) as agent:
        answer = glewlwyd.walk(agent.wait_for("authorize")["authorization_uri"])
        assert answer.startswith(redirect_uri) and "iss=" in answer
        assert "This device is paired" in requests.get(answer, timeout=30).text
        assert agent.wait_for("paired")["has_refresh_token"] is True
        assert agent.end() == 0
    assert glewlwyd.accepts(kiosk.stored()["access_token"])


@pytest.mark.item(57)
def test_tokens_that_are_bound_to_a_key(device: Device, tmp_path: Path) -> None:
    glewlwyd = device.glewlwyd
    device.options += ["--issuer", glewlwyd.bound_issuer, "--set", "oauth.dpop=true"]
    device.pair()
    first = device.stored()
    thumbprint = jwk.import_key((tmp_path / "state" / "dpop-key").read_bytes(), "EC").thumbprint()
    claims = first["access_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["cnf"] == {"jkt": thumbprint}

    oauth = {"issuer": glewlwyd.bound_issuer, "client_id": device.client_id, "ca_file": glewlwyd.ca_file}
    library = LibraryDevice({"oauth": oauth | {"dpop": True}, "store": {"dir": str(tmp_path / "state")}})
    place = glewlwyd.bound_issuer + "/userinfo"
    with requests.Session() as session:
        session.trust_env, session.verify, session.auth = False, glewlwyd.ca_file, BearerAuth(library)

        assert session.get(place, timeout=30).status_code == 200
        until(lambda: time.time() > first["ends"] + 1, "the access token to end")
        assert session.get(place, timeout=30).status_code == 200
        assert device.stored()["refresh_token"] != first["refresh_token"]
        sent = session.get(place, timeout=30).request.headers
        session.auth = None
        bearer = {"Authorization": "Bearer " + str(sent["Authorization"]).partition(" ")[2]}
        replayed = {name: str(sent[name]) for name in ("Authorization", "DPoP")}
        for headers in (bearer, replayed):
            assert session.get(place, headers=headers, timeout=30).status_code == 401
