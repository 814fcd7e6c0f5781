"""Who the device is to the authorization server: the client, as configured."""

import os
from pathlib import Path

from ..config import Config
from ..core.client import METHODS as PLAIN
from ..core.client import Client
from ..core.errors import ConfigError
from ..core.secret import Secret
from .client_auth.certificate import METHODS as TLS
from .client_auth.certificate import Certificate, CertificateClient, thumbprint
from .client_auth.secret import Source, place, read_secret

# Not from its module, which would bring in what signing takes.
_ASSERTIONS = ("client_secret_jwt", "private_key_jwt")
CLIENT_AUTH = (*PLAIN, *_ASSERTIONS, *TLS)


def client_of(config: Config) -> Client:
    """The client. Raises ConfigError when what it proves itself with is missing or of no use."""
    client_id = config.text("oauth.client_id")
    if not client_id:
        raise ConfigError(
            "no client_id is configured", "Set oauth.client_id in pairlet.toml, or give --client-id."
        )
    client_auth = config.text("oauth.client_auth") or None
    if client_auth is not None and client_auth not in CLIENT_AUTH:
        raise ConfigError(
            f"oauth.client_auth is '{client_auth}'", "Use one of: " + ", ".join(CLIENT_AUTH) + "."
        )
    if client_auth in TLS:
        return CertificateClient(client_id, client_auth)
    if client_auth in _ASSERTIONS:
        return _assertion_client(config, client_id, client_auth)
    if _source(config, "client_key").setting() or config.text("oauth.client_certificate_file"):
        raise ConfigError(
            "a client key or certificate is configured, and oauth.client_auth makes no use of it",
            "Set oauth.client_auth as the client is registered: private_key_jwt, tls_client_auth or "
            "self_signed_tls_client_auth.",
        )
    return Client(client_id, secret_of(config), client_auth)


def secret_of(config: Config) -> Secret | None:
    """The client secret, from where it is configured to be, or None. Raises ConfigError."""
    return read_secret(_source(config, "client_secret"), os.environ)


def certificate_of(config: Config) -> Certificate | None:
    """What the device shows in TLS handshakes, or None where it shows nothing. Raises ConfigError."""
    client_auth = config.text("oauth.client_auth")
    if client_auth not in TLS:
        return None
    key, file = _source(config, "client_key"), config.text("oauth.client_certificate_file")
    if not file or not key.setting():
        raise ConfigError(
            f"oauth.client_auth is {client_auth}, but there is no client certificate with its key",
            "Name both with oauth.client_certificate_file and oauth.client_key_file.",
        )
    if key.variable:
        raise ConfigError(
            "the key of a client certificate can't be in an environment variable",
            "Name a PEM file with oauth.client_key_file, or a credential with oauth.client_key_credential.",
        )
    found = Certificate(Path(os.path.expanduser(file)), place(key, os.environ))
    found.check()
    return found


def _assertion_client(config: Config, client_id: str, client_auth: str) -> Client:
    from .client_auth.assertion import PRIVATE_KEY_JWT, AssertionClient
    from .client_auth.key import key_signer, require_extra, secret_signer

    require_extra(f"oauth.client_auth = {client_auth}")
    algorithm = config.text("oauth.token_endpoint_auth_signing_alg")
    kind = "client_key" if client_auth == PRIVATE_KEY_JWT else "client_secret"
    source = _source(config, kind)
    secret = read_secret(source, os.environ)
    if secret is None:
        raise ConfigError(
            f"oauth.client_auth is {client_auth}, but there is no {source.words}",
            f"Put it into a file and name that in oauth.{kind}_file.",
        )
    if client_auth == PRIVATE_KEY_JWT:
        signer = key_signer(secret, source.setting(), algorithm, _headers(config))
        secret = None
    else:
        signer = secret_signer(secret, algorithm)
    return AssertionClient(client_id, client_auth, signer, _audience(config), secret=secret)


def _headers(config: Config) -> dict[str, str]:
    """By what a server finds the public key (RFC 7515 section 4.1)."""
    headers = {}
    if config.text("oauth.client_key_id"):
        headers["kid"] = config.text("oauth.client_key_id")
    if config.text("oauth.client_certificate_file"):
        file = Path(os.path.expanduser(config.text("oauth.client_certificate_file")))
        headers["x5t#S256"] = thumbprint(file)
    return headers


def _audience(config: Config) -> str:
    """Whom assertions are for: the issuer, unless a server wants to be called otherwise."""
    for name in ("assertion_audience", "issuer", "token_endpoint"):
        if config.text("oauth." + name):
            return config.text("oauth." + name)
    return ""


def _source(config: Config, kind: str) -> Source:
    places = [config.text(f"oauth.{kind}_{way}") for way in ("file", "credential", "env")]
    return Source(kind, *places)
