"""Each way to prove who the client is, against a server that nobody here wrote: oidc-provider (npm)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk
from support.agent_process import run, started
from support.certificates import CertificateAuthority, Issued, self_signed
from support.oidc_provider import DEVICE_CODE, OidcProvider, RegisteredClient, walk
from support.processes import until

# Short enough to see a refresh in a test.
LIFETIME_S = 4
GRANTS = (DEVICE_CODE, "refresh_token", "client_credentials")
NAME = "meter-7.example"


class Site:
    """The server, its clients by their way to authenticate, and what the device of each is told."""

    def __init__(self, folder: Path):
        self.folder = folder
        authority, self.clients_ca = CertificateAuthority(), CertificateAuthority("Device CA")
        self.ca_file = authority.write(folder / "ca.pem")
        self.key = jwk.ECKey.generate_key("P-256", parameters={"kid": "k1"})
        self.own = self_signed()
        registered: dict[str, dict[str, Any]] = {
            "client_secret_basic": {},
            "client_secret_post": {},
            "client_secret_jwt": {},
            "private_key_jwt": {"jwks": {"keys": [self.key.as_dict(private=False)]}},
            "tls_client_auth": {"tls_client_auth_san_dns": NAME},
            "self_signed_tls_client_auth": {"jwks": {"keys": [with_certificate(self.own)]}},
        }
        self.clients = {
            method: RegisteredClient(f"meter {method}", method, *GRANTS, **metadata)
            for method, metadata in registered.items()
        }
        self.provider = OidcProvider(
            folder, tls=authority.issue().write(folder), more=self.clients.values(), interval=1,
            access_token_ttl=LIFETIME_S, client_ca_file=self.clients_ca.write(folder / "clients.pem"),
        )  # fmt: skip

    def device(self, method: str, folder: Path) -> list[str]:
        """The options of a device whose client is registered with `method`."""
        client = self.clients[method]
        options = [
            "--issuer",
            self.provider.issuer,
            "--ca-file",
            self.ca_file,
            "--client-id",
            client.client_id,
        ]
        options += ["--state-dir", str(folder / "state"), *setting("client_auth", method)]
        if client.client_secret:
            (folder / "secret").write_text(client.client_secret + "\n")
            options += ["--client-secret-file", str(folder / "secret")]
        if method == "private_key_jwt":
            (folder / "key.json").write_text(json.dumps(self.key.as_dict(private=True)))
            options += setting("client_key_file", folder / "key.json")
        if method == "tls_client_auth":
            options += shown(self.clients_ca.issue_client(NAME), folder)
        if method == "self_signed_tls_client_auth":
            options += shown(self.own, folder)
        return options


METHODS = (
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth",
)  # fmt: skip
OWN_NAME = ["--set", "oauth.grant=client_credentials", "--scope", "telemetry"]


def setting(name: str, value: object) -> list[str]:
    """An option for one setting."""
    return ["--set", f"oauth.{name}={value}"]


def shown(issued: Issued, folder: Path) -> list[str]:
    """The options for a client certificate."""
    certificate, key = issued.write(folder, "client")
    return setting("client_certificate_file", certificate) + setting("client_key_file", key)


def with_certificate(issued: Issued) -> dict[str, Any]:
    """A JWK with its certificate: how one that is self-signed is registered (RFC 8705 section 2.2.2)."""
    lines = issued.cert_pem.decode().strip().splitlines()[1:-1]
    key = jwk.ECKey.import_key(issued.key_pem).as_dict(private=False)
    return {**key, "x5c": ["".join(lines)]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server over TLS."""
    found = Site(tmp_path_factory.mktemp("oidc-provider"))
    with found.provider:
        yield found


def errors(site: Site) -> list[str]:
    """What the server refused so far."""
    return [str(event["error"]) for event in site.provider.events("grant.error")]


@pytest.mark.item(3, 16, 29, 33, 38, 51)
@pytest.mark.parametrize("method", METHODS)
def test_pair_refresh_and_unpair(site: Site, method: str, tmp_path: Path) -> None:
    options = [*site.device(method, tmp_path), "--scope", OidcProvider.scope]
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        assert "Sign-in Success" in walk(
            code["verification_uri_complete"], code["user_code"], verify=site.ca_file
        )
        agent.wait_for("paired")
        assert agent.end() == 0
    stored = tmp_path / "state" / "token"
    first = json.loads(stored.read_bytes())
    assert "id_token" not in first  # it came, as the scope is openid, and is not used

    def has_ended() -> bool:
        return bool(json.loads(run("status", *options, "--json").stdout)["expires_in"] == 0)

    until(has_ended, "the access token to end")
    done = run("token", *options)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    second = json.loads(stored.read_bytes())
    assert second["refresh_token"] != first["refresh_token"] and done.stdout.strip() == second["access_token"]
    revoked = len(site.provider.events("grant.revoked"))
    done = run("unpair", *options)
    assert done.returncode == 0, done.stderr
    site.provider.wait_for("grant.revoked", revoked + 1)


@pytest.mark.item(29, 54)
@pytest.mark.parametrize("method", METHODS)
def test_a_token_in_the_device_s_own_name(site: Site, method: str, tmp_path: Path) -> None:
    options = [*site.device(method, tmp_path), *OWN_NAME]
    for _ in range(2):  # a second request needs a proof of its own
        done = run("token", *options)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert run("unpair", *options).returncode == 0


def test_an_assertion_for_another_server_is_not_taken(site: Site, tmp_path: Path) -> None:
    options = [*site.device("private_key_jwt", tmp_path), *OWN_NAME]
    done = run("token", *options, *setting("assertion_audience", "https://elsewhere.example"))
    assert done.returncode == 6 and "invalid_client" in done.stderr
    assert errors(site)[-1] == "invalid_client"
    assert (
        run("token", *options, *setting("assertion_audience", site.provider.issuer + "/token")).returncode
        == 0
    )


def test_another_key_is_not_taken(site: Site, tmp_path: Path) -> None:
    options = [*site.device("private_key_jwt", tmp_path), *OWN_NAME]
    other = jwk.ECKey.generate_key("P-256", parameters={"kid": "k1"})
    (tmp_path / "key.json").write_text(json.dumps(other.as_dict(private=True)))
    done = run("token", *options)
    assert done.returncode == 6 and "invalid_client" in done.stderr
    assert other.as_dict(private=True)["d"] not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["another.example", None], ids=["another name", "another CA"])
def test_another_certificate_is_not_taken(site: Site, name: str | None, tmp_path: Path) -> None:
    options = [*site.device("tls_client_auth", tmp_path), *OWN_NAME]
    issued = site.clients_ca.issue_client(name) if name else CertificateAuthority().issue_client(NAME)
    issued.write(tmp_path, "client")
    done = run("token", *options)
    assert done.returncode == 6 and "invalid_client" in done.stderr, done.stderr


def test_a_renewed_certificate_counts_without_a_restart(site: Site, tmp_path: Path) -> None:
    options = [*site.device("tls_client_auth", tmp_path), *OWN_NAME]
    with started("run", *options) as agent:
        agent.wait_for("paired")
        CertificateAuthority().issue_client(NAME).write(tmp_path, "client")
        agent.wait_for("error", check=lambda event: event["error"] == "invalid_client")
        site.clients_ca.issue_client(NAME).write(tmp_path, "client")
        agent.wait_for("refreshed")
        agent.process.terminate()
        assert agent.end() == 0


def test_nothing_of_the_key_is_in_the_log(site: Site, tmp_path: Path) -> None:
    options = [*site.device("private_key_jwt", tmp_path), *OWN_NAME, "--log-level", "debug"]
    done = run("token", *options)
    assert done.returncode == 0
    said = done.stderr
    assert site.key.as_dict(private=True)["d"] not in said and "eyJ" not in said
