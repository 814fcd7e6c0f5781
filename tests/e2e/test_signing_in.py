"""Signing in with a browser on the device, against three servers, two of which nobody here wrote."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pairlet_sim.authserver import Client, Person
from pairlet_sim.person import walk
from support.agent_process import AgentProcess, run, started
from support.authserver_thread import RunningServer, authserver
from support.certificates import private_ca
from support.chromium import chromium, open_page
from support.django_oauth_toolkit import DjangoOAuthToolkit
from support.oidc_provider import OidcProvider, RegisteredClient
from support.oidc_provider import walk as walk_provider
from support.person_in_browser import approve_in_browser
from support.processes import all_command_lines, until

USERNAME, PASSWORD = "ada", "correct horse"
SCOPE = "telemetry:write offline_access"
LIFETIME_S = 4
GRANT = ["--set", "oauth.grant=authorization_code"]


class Device:
    """One state folder and the options that go with it."""

    def __init__(self, folder: Path, issuer: str, client_id: str, *options: str, browser: str = "none"):
        self._folder = folder / "state"
        self.options = [
            *GRANT,
            "--issuer",
            issuer,
            "--client-id",
            client_id,
            "--state-dir",
            str(self._folder),
        ]
        self.options += ["--set", f"oauth.browser={browser}", *options]

    @property
    def stored(self) -> dict[str, Any]:
        """What the agent keeps."""
        return dict(json.loads((self._folder / "token").read_bytes()))

    def is_paired(self) -> bool:
        """Whether there is a token on the disk."""
        return (self._folder / "token").exists()

    def has_ended(self) -> bool:
        """Whether the stored access token is over, says `pairlet status`."""
        return bool(json.loads(run("status", *self.options, "--json").stdout)["expires_in"] == 0)

    def token(self) -> str:
        """What `pairlet token` prints."""
        done = run("token", *self.options)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.strip()


def port_of(agent: AgentProcess) -> int:
    """The port that the agent listens at, once it does."""
    port = urlsplit(agent.wait_for("authorize")["redirect_uri"]).port
    assert port
    return port


def started_with(*words: str) -> list[str]:
    """The command lines on this machine that hold all `words`."""
    return [line for line in all_command_lines().splitlines() if all(word in line for word in words)]


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def ours() -> Iterator[RunningServer]:
    """Our authorization server, over http."""
    with authserver([Person(USERNAME, PASSWORD, "Ada")], [Client("kiosk", name="Hall kiosk")]) as server:
        yield server


@pytest.fixture
def device(ours: RunningServer, tmp_path: Path) -> Device:
    """A device of our server that is not paired yet."""
    return Device(tmp_path, ours.issuer, "kiosk", "--insecure-http", "--scope", SCOPE)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OidcProvider, str, str]]:
    """oidc-provider over https with a certificate of a private CA: (server, CA file, certificate file)."""
    folder = tmp_path_factory.mktemp("oidc-provider")
    tls, ca_file = private_ca(folder)
    with OidcProvider(folder, tls=tls, access_token_ttl=LIFETIME_S) as running:
        yield running, ca_file, tls[0]


def device_of(provider: tuple[OidcProvider, str, str], client: RegisteredClient, folder: Path) -> Device:
    """A device of oidc-provider, which gives a refresh token only when it may ask the person again."""
    options = ["--ca-file", provider[1], "--scope", "openid offline_access telemetry"]
    if client.client_secret:
        (folder / "secret").write_text(client.client_secret)
        options += ["--client-secret-file", str(folder / "secret")]
    config = folder / "pairlet.toml"
    config.write_text('[oauth]\nextra = { prompt = "consent" }\n')
    return Device(folder, provider[0].issuer, client.client_id, "--config", str(config), *options)


# ---- in a real browser ----


@pytest.mark.item(46)
@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no_javascript"])
def test_our_server_over_tls_in_chromium(tmp_path: Path, javascript: bool) -> None:
    tls, ca_file = private_ca(tmp_path)
    clients = [Client("kiosk", name="Hall kiosk", scopes=("telemetry:write", "offline_access"))]
    with (
        authserver([Person(USERNAME, PASSWORD)], clients, tls=tls) as ours,
        chromium(trusted=tls[0]) as browser,
    ):
        device = Device(tmp_path, ours.issuer, "kiosk", "--ca-file", ca_file, "--scope", SCOPE)
        with started("pair", *device.options) as agent, open_page(browser, javascript=javascript) as page:
            uri = agent.wait_for("authorize")["authorization_uri"]
            seen = approve_in_browser(page, uri, USERNAME, PASSWORD)
            assert "This device is paired with your account" in seen[-1] and "close this window" in seen[-1]
            assert agent.wait_for("paired")["has_refresh_token"] is True
            assert agent.end() == 0
        assert run("unpair", *device.options).returncode == 0 and not device.is_paired()
        assert [event.endpoint for event in ours.server.events][-1] == "revocation"


def test_decline_in_chromium(ours: RunningServer, device: Device) -> None:
    with chromium() as browser, started("pair", *device.options) as agent, open_page(browser) as page:
        uri = agent.wait_for("authorize")["authorization_uri"]
        assert "Declined" in approve_in_browser(page, uri, USERNAME, PASSWORD, "deny")[-1]
        agent.wait_for("denied")
        assert agent.end() == 3 and not device.is_paired()


@pytest.mark.item(45, 56)
def test_oidc_provider_in_chromium(provider: tuple[OidcProvider, str, str], tmp_path: Path) -> None:
    device = device_of(provider, provider[0].app, tmp_path)
    with (
        chromium(trusted=provider[2]) as browser,
        started("pair", *device.options) as agent,
        open_page(browser) as page,
    ):
        uri = agent.wait_for("authorize")["authorization_uri"]
        seen = approve_in_browser(page, uri, USERNAME, "any will do")
        assert "This device is paired" in seen[-1]
        assert agent.wait_for("paired")["has_refresh_token"] is True
        # Its ID token holds the nonce of this sign-in, or nobody would be named.
        assert agent.wait_for("signed_in")["name"] == USERNAME and agent.end() == 0
    until(device.has_ended, "the access token to end")
    first = device.stored["refresh_token"]
    assert device.token() and device.stored["refresh_token"] != first


# ---- servers that nobody here wrote ----


@pytest.mark.item(45, 48)
@pytest.mark.parametrize("name", ["app", "secret_app"])
def test_oidc_provider_pair_run_refresh_and_unpair(
    provider: tuple[OidcProvider, str, str], name: str, tmp_path: Path
) -> None:
    server, ca_file, _ = provider
    device = device_of(provider, getattr(server, name), tmp_path)
    with started("run", *device.options) as agent:
        uri = agent.wait_for("authorize")["authorization_uri"]
        asked = parse_qs(urlsplit(uri).query)
        assert asked["code_challenge_method"] == ["S256"] and "client_secret" not in asked
        assert "This device is paired" in walk_provider(uri, "", verify=ca_file)
        assert agent.wait_for("paired")["has_refresh_token"] is True
        for _ in range(2):
            assert agent.wait_for("refreshed")["rotated"] is True
        agent.process.terminate()
        assert agent.end() == 0
    assert device.token()
    assert "not paired any more" in run("unpair", *device.options).stdout and not device.is_paired()


def test_oidc_provider_declined(provider: tuple[OidcProvider, str, str], tmp_path: Path) -> None:
    device = device_of(provider, provider[0].app, tmp_path)
    with started("pair", *device.options) as agent:
        uri = agent.wait_for("authorize")["authorization_uri"]
        assert "Declined" in walk_provider(uri, "", "cancel_sign_in", verify=provider[1])
        agent.wait_for("denied")
        assert agent.end() == 3 and not device.is_paired()


def test_django_oauth_toolkit(tmp_path: Path) -> None:
    tls, ca_file = private_ca(tmp_path)
    with DjangoOAuthToolkit(tmp_path, tls, ca_file, ACCESS_TOKEN_EXPIRE_SECONDS=LIFETIME_S) as toolkit:
        options = ["--ca-file", ca_file, "--scope", toolkit.scope]
        device = Device(tmp_path, toolkit.issuer, toolkit.app_id, *options)
        with started("pair", *device.options) as agent:
            uri = agent.wait_for("authorize")["authorization_uri"]
            walked = walk(uri, "", toolkit.username, toolkit.password, ca_file=ca_file)
            assert "This device is paired" in walked.text
            assert set(agent.wait_for("paired")["scope"].split()) == set(toolkit.scope.split())
            assert agent.end() == 0
        assert toolkit.accepts(device.stored["access_token"])
        until(device.has_ended, "the access token to end")
        assert toolkit.accepts(device.token())


# ---- a kiosk's own browser ----


@pytest.mark.item(46)
def test_a_kiosk_s_browser_is_opened_and_no_secret_is_in_its_command(
    ours: RunningServer, tmp_path: Path
) -> None:
    browser = tmp_path / "browser.py"
    go = tmp_path / "go"
    browser.write_text(
        "import pathlib, sys, time\n"
        "from pairlet_sim.person import walk\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n"
        "    time.sleep(0.01)\n"
        f"walk(sys.argv[1], '', {USERNAME!r}, {PASSWORD!r})\n"
        "time.sleep(600)\n"
    )
    device = Device(
        tmp_path,
        ours.issuer,
        "kiosk",
        "--insecure-http",
        "--scope",
        SCOPE,
        browser=f"{sys.executable},{browser}",
    )
    with started("pair", *device.options) as agent:
        told = agent.wait_for("authorize")
        start = told["redirect_uri"].removesuffix("callback")
        until(lambda: started_with(str(browser), start), "the browser to start")
        state = parse_qs(urlsplit(told["authorization_uri"]).query)["state"][0]
        assert state not in all_command_lines()
        go.touch()
        agent.wait_for("paired")
        assert agent.end() == 0
    until(lambda: not started_with(str(browser), start), "the browser to end")


# ---- what goes wrong ----


@pytest.mark.item(47, 49)
def test_foreign_requests_change_nothing(ours: RunningServer, device: Device) -> None:
    with started("pair", *device.options) as agent, requests.Session() as other:
        other.trust_env = False
        told = agent.wait_for("authorize")
        callback = told["redirect_uri"]
        state = parse_qs(urlsplit(told["authorization_uri"]).query)["state"][0]
        for query in (
            "",
            "?code=x",
            "?code=x&state=guessed",
            "?error=access_denied",
            f"?state={state}&state={state}",
        ):
            answer = other.get(callback + query, timeout=30)
            assert answer.status_code == 200 and "not the answer" in answer.text
        assert other.get(callback.removesuffix("callback") + "favicon.ico", timeout=30).status_code == 404
        assert other.get(callback, headers={"Host": "evil.example"}, timeout=30).status_code == 421
        assert other.post(callback, {"code": "x", "state": state}, timeout=30).status_code == 405
        assert "This device is paired" in walk(told["authorization_uri"], "", USERNAME, PASSWORD).text
        agent.wait_for("paired")
        assert agent.end() == 0
    assert not is_open(urlsplit(callback).port or 0)


@pytest.mark.item(50)
def test_an_answer_from_another_server_is_refused(ours: RunningServer, device: Device) -> None:
    with started("pair", *device.options) as agent:
        told = agent.wait_for("authorize")
        state = parse_qs(urlsplit(told["authorization_uri"]).query)["state"][0]
        query = {"code": "stolen", "state": state, "iss": "https://evil.example"}
        page = requests.get(told["redirect_uri"], query, timeout=30)
        assert "another server" in page.text
        assert agent.end() == 7 and agent.events[-1]["error"] == "issuer_error"
    assert not device.is_paired() and ours.server.events == []


def test_nobody_comes_in_time(device: Device) -> None:
    with started("pair", *device.options, "--set", "pairing.timeout=10s") as agent:
        port = port_of(agent)
        agent.wait_for("expired")
        assert agent.end() == 4 and "not finished in time" in "".join(agent.errors)
    assert not is_open(port)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_signal_leaves_nothing_behind(device: Device, number: int, exit_code: int) -> None:
    with started("pair", *device.options) as agent:
        port = port_of(agent)
        assert is_open(port)
        agent.process.send_signal(number)
        assert agent.end() == exit_code and "Traceback" not in "".join(agent.errors)
    assert not is_open(port) and not device.is_paired()


def test_a_code_that_is_not_taken_any_more(ours: RunningServer, device: Device) -> None:
    with started("pair", *device.options) as agent:
        told = agent.wait_for("authorize")
        state = parse_qs(urlsplit(told["authorization_uri"]).query)["state"][0]
        query = {"code": "made-up-hidden", "state": state, "iss": ours.issuer}
        page = requests.get(told["redirect_uri"], query, timeout=30)
        assert "invalid_grant" in page.text
        assert agent.end() == 6 and "made-up-hidden" not in "".join(agent.errors) + page.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["oauth.redirect_uri=http://localhost/callback"], ("redirect_uri", "127.0.0.1")),
        (["oauth.redirect_uri=https://app.example/cb"], ("redirect_uri", "http://127.0.0.1/callback")),
        (["oauth.grant=implicit"], ("RFC 9700 section 2.1.2", "authorization_code")),
        (["oauth.grant=password"], ("RFC 9700 section 2.4", "device_code")),
        (["oauth.grant=magic"], ("device_code, authorization_code, client_credentials",)),
        (["pairing.timeout=1s"], ("pairing.timeout", "at least 10 s")),
        (["oauth.browser="], ("oauth.browser",)),
    ],
)
def test_misuse_is_named(device: Device, settings: list[str], words: tuple[str, ...]) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    done = run("pair", *device.options, *options)
    assert done.returncode == 2 and all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_people_read_where_to_go(ours: RunningServer, device: Device) -> None:
    command = [sys.executable, "-m", "pairlet.linux", "pair", *device.options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        line = next(line for line in lines if "authorize?" in line)
        assert line.startswith("Open this address in a browser on this device: ")
        walk(line.split()[-1], "", USERNAME, PASSWORD)
        assert "Paired" in next(lines)
        assert process.wait(30) == 0


def test_no_log_tells_a_secret(ours: RunningServer, device: Device) -> None:
    log = ["--log-level", "debug", "--display", "none"]
    with started("pair", *device.options, *log) as agent:
        told = agent.wait_for("authorize")
        state = parse_qs(urlsplit(told["authorization_uri"]).query)["state"][0]
        walk(told["authorization_uri"], "", USERNAME, PASSWORD)
        agent.wait_for("paired")
        assert agent.end() == 0
    written = "".join(agent.errors)
    assert "a browser is to bring the answer to http://127.0.0.1:" in written
    assert state not in written and "code=" not in written and "authorize?" not in written
    for name in ("access_token", "refresh_token"):
        assert device.stored[name] not in written
