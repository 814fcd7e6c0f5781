"""Each way to prove who the client is, against our own server, which checks each and remembers assertions."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwk
from pairlet_sim.authserver import Client, Person
from pairlet_sim.person import walk
from support.agent_process import run, started
from support.authserver_thread import RunningServer, authserver
from support.certificates import CertificateAuthority, Issued, self_signed_client

NAME = "meter-7.example"
SECRET = "s3cret +/:% and long enough to sign with it"


class Site:
    """The server's two ports over TLS, and what its clients have."""

    def __init__(self, folder: Path):
        authority, self.clients_ca = CertificateAuthority(), CertificateAuthority("Device CA")
        self.key, self.own = jwk.ECKey.generate_key("P-256"), self_signed_client(NAME)
        self.tls, self.ca_file = authority.issue().write(folder), authority.write(folder / "ca.pem")
        # One that vouches for itself is trusted by the handshake only when it is known there.
        self.clients_ca_file = str(folder / "clients.pem")
        Path(self.clients_ca_file).write_bytes(self.clients_ca.pem + self.own.cert_pem)
        x5c = "".join(self.own.cert_pem.decode().strip().splitlines()[1:-1])
        own_key = jwk.ECKey.import_key(self.own.key_pem).as_dict(private=False)
        self.clients = [
            Client("client_secret_basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic"),
            Client("client_secret_post", secret=SECRET, token_endpoint_auth_method="client_secret_post"),
            Client("client_secret_jwt", secret=SECRET, token_endpoint_auth_method="client_secret_jwt"),
            Client("private_key_jwt", token_endpoint_auth_method="private_key_jwt",
                   jwks={"keys": [self.key.as_dict(private=False)]}),
            Client("tls_client_auth", token_endpoint_auth_method="tls_client_auth",
                   tls_client_auth_san_dns=NAME),
            Client("self_signed_tls_client_auth", token_endpoint_auth_method="self_signed_tls_client_auth",
                   jwks={"keys": [{**own_key, "x5c": [x5c]}]}),
        ]  # fmt: skip

    def device(self, server: RunningServer, method: str, folder: Path) -> list[str]:
        """The options of the device of that client."""
        options = ["--issuer", server.issuer, "--ca-file", self.ca_file, "--client-id", method]
        options += ["--state-dir", str(folder / "state"), "--set", f"oauth.client_auth={method}"]
        if method.startswith("client_secret"):
            (folder / "secret").write_text(SECRET)
            options += ["--client-secret-file", str(folder / "secret")]
        if method == "private_key_jwt":
            (folder / "key.json").write_text(json.dumps(self.key.as_dict(private=True)))
            options += ["--set", f"oauth.client_key_file={folder / 'key.json'}"]
        if "tls" in method:
            options += shown(self.clients_ca.issue_client(NAME) if method[0] == "t" else self.own, folder)
        return options


METHODS = (
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth",
)  # fmt: skip
OWN_NAME = ["--set", "oauth.grant=client_credentials"]


def shown(issued: Issued, folder: Path) -> list[str]:
    """The options for a client certificate."""
    certificate, key = issued.write(folder, "client")
    words = (f"oauth.client_certificate_file={certificate}", f"oauth.client_key_file={key}")
    return ["--set", words[0], "--set", words[1]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Keys and certificates."""
    return Site(tmp_path_factory.mktemp("authserver"))


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[RunningServer]:
    """The server with these clients; certificates are shown at a second port."""
    people = [Person("ada", "correct horse")]
    with authserver(
        people, site.clients, site.tls, site.clients_ca_file, interval_s=1, access_token_lifetime_s=8
    ) as running:
        yield running


@pytest.mark.item(3, 16, 29)
@pytest.mark.parametrize("method", METHODS)
def test_pair_and_unpair(site: Site, server: RunningServer, method: str, tmp_path: Path) -> None:
    options = site.device(server, method, tmp_path)
    with started("pair", *options) as agent:
        code = agent.wait_for("code")
        walk(code["verification_uri"], code["user_code"], "ada", "correct horse", ca_file=site.ca_file)
        agent.wait_for("paired")
        assert agent.end() == 0
    if method == "tls_client_auth":
        # It shows its certificate as well, and sees that the endpoints for that are at another port.
        examined = run("doctor", *options).stdout
        assert examined.count("\nok       tls") == 2 and "\nok       client" in examined, examined
        assert "\nok       introspection" in examined, examined
    assert run("unpair", *options).returncode == 0
    told = [event for event in server.server.events if event.client_id == method]
    assert [told[0].endpoint, told[-1].endpoint] == ["device_authorization", "revocation"]
    assert "invalid_client" not in {event.outcome for event in told}


@pytest.mark.item(29, 54)
@pytest.mark.parametrize("method", METHODS)
def test_every_request_has_a_proof_of_its_own(
    site: Site, server: RunningServer, method: str, tmp_path: Path
) -> None:
    options = [*site.device(server, method, tmp_path), *OWN_NAME]
    for _ in range(2):
        done = run("token", *options)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert run("unpair", *options).returncode == 0


def test_a_clock_that_is_wrong_is_refused(server: RunningServer, site: Site, tmp_path: Path) -> None:
    options = [*site.device(server, "private_key_jwt", tmp_path), *OWN_NAME]
    server.clock.advance(3600)
    done = run("token", *options)
    server.clock.advance(-3600)
    assert done.returncode == 6 and "has expired" in done.stderr


def test_a_certificate_of_another_ca_is_refused_in_the_handshake(
    site: Site, server: RunningServer, tmp_path: Path
) -> None:
    options = [*site.device(server, "tls_client_auth", tmp_path), *OWN_NAME]
    CertificateAuthority().issue_client(NAME).write(tmp_path, "client")
    done = run("token", *options)
    # The server ends the connection, and what it says last may get lost with it.
    assert done.returncode in (5, 7) and "Traceback" not in done.stderr
    assert "knows who issued" in done.stderr


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_the_certificate_of_another_client_is_refused(
    site: Site, server: RunningServer, method: str, tmp_path: Path
) -> None:
    """Each is trusted here, and has the right name in it."""
    options = [*site.device(server, method, tmp_path), *OWN_NAME]
    (site.own if method == "tls_client_auth" else site.clients_ca.issue_client(NAME)).write(
        tmp_path, "client"
    )
    done = run("token", *options)
    assert done.returncode == 6 and "not that of this client" in done.stderr, done.stderr


def test_a_client_that_shows_nothing_is_refused(site: Site, server: RunningServer, tmp_path: Path) -> None:
    options = [*site.device(server, "tls_client_auth", tmp_path), *OWN_NAME]
    # The port of everybody, not the one of the metadata.
    done = run("token", *options, "--set", f"oauth.token_endpoint={server.issuer}/token")
    assert done.returncode == 6 and "must show its certificate" in done.stderr, done.stderr
