"""What an authorization server is told before it starts: issuer, people, clients, lifetimes."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from joserfc import jwk
from joserfc.errors import JoseError

from .passwords import hash_password

DEVICE_CODE = DEVICE_CODE_GRANT_TYPE
REFRESH_TOKEN = "refresh_token"
CLIENT_CREDENTIALS = "client_credentials"
AUTHORIZATION_CODE = "authorization_code"
GRANT_TYPES = (DEVICE_CODE, AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS)

NONE, BASIC, POST = "none", "client_secret_basic", "client_secret_post"
SECRET_JWT, KEY_JWT = "client_secret_jwt", "private_key_jwt"
TLS, SELF_SIGNED_TLS = "tls_client_auth", "self_signed_tls_client_auth"
ASSERTION_METHODS = (SECRET_JWT, KEY_JWT)
CERTIFICATE_METHODS = (TLS, SELF_SIGNED_TLS)
CONFIDENTIAL_METHODS = (BASIC, POST, *ASSERTION_METHODS, *CERTIFICATE_METHODS)
ALL_METHODS = (*CONFIDENTIAL_METHODS, NONE)

# Programs on the machine where the browser is: any port will do (RFC 8252 section 7.3).
LOOPBACK_REDIRECTS = ("http://127.0.0.1/callback", "http://[::1]/callback")

DEFAULT_SCOPES = ("telemetry:write", "commands:read", "profile", "offline_access")

SCOPE_DESCRIPTIONS = {
    "telemetry:write": "Send its measurements",
    "telemetry:read": "Read the measurements of all devices",
    "commands:read": "Receive commands you send to it",
    "profile": "See your name",
    "offline_access": "Stay signed in until you remove it",
}

# RFC 6749 appendix A.4: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# RFC 6749 appendix A.1: client_id is visible ASCII and space.
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,200}")
_ISSUER_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


class SettingsError(ValueError):
    """The server can't be started like this; the text is one sentence that names the setting."""


class Person:
    """Someone who can sign in: `username`, `password` (kept only as a scrypt hash), `name` for pages.

    `sub` is the subject in tokens (RFC 9068 section 2.2); by default the username.
    """

    def __init__(self, username: str, password: str, name: str | None = None, sub: str | None = None):
        if not username.strip() or not password:
            raise SettingsError("A person needs a username and a password.")
        self.username = username.strip().casefold()
        self.name = name or username
        self.sub = sub or self.username
        self.password_hash = hash_password(password)

    def __repr__(self) -> str:
        return f"Person({self.username!r})"


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """A registered client (RFC 6749 section 2). With a `secret` it is confidential, without one public.

    `token_endpoint_auth_method` (RFC 7591) allows one way to authenticate alone; without it a secret may come
    in the header or in the body. `jwks` are the public keys for private_key_jwt, and the certificates (as
    x5c) for self_signed_tls_client_auth; `tls_client_auth_san_dns` its name for tls_client_auth.
    `name` is what people read on the consent page. `scopes` is the most it may ask for, and what it gets
    when it asks for nothing. `introspects` lets a confidential client look at tokens of other clients, as a
    resource server does. `device_id` goes into tokens of the client credentials grant. `redirect_uris` are
    compared character by character, but for the port of a loopback address (RFC 8252 section 7.3).
    """

    client_id: str
    _: KW_ONLY
    secret: str | None = field(default=None, repr=False)
    name: str | None = None
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    grant_types: tuple[str, ...] | None = None
    introspects: bool = False
    device_id: str | None = None
    redirect_uris: tuple[str, ...] = LOOPBACK_REDIRECTS
    token_endpoint_auth_method: str | None = None
    jwks: dict[str, Any] | None = None
    tls_client_auth_san_dns: str | None = None

    def __post_init__(self) -> None:
        if not _CLIENT_ID.fullmatch(self.client_id):
            raise SettingsError("client_id must be 1 to 200 printable ASCII characters.")
        if self.secret is not None and not self.secret:
            raise SettingsError(
                f"Client {self.client_id} has an empty secret; leave it out for a public one."
            )
        object.__setattr__(self, "scopes", tuple(self.scopes))
        for scope in self.scopes:
            if not _SCOPE_TOKEN.fullmatch(scope):
                raise SettingsError(
                    f"Client {self.client_id} has a scope with a character no scope may have."
                )
        object.__setattr__(self, "redirect_uris", tuple(self.redirect_uris))
        for redirect_uri in self.redirect_uris:
            if not _may_be_redirected_to(redirect_uri):
                raise SettingsError(
                    f"Client {self.client_id} has a redirect URI that is neither https nor http on"
                    " 127.0.0.1 or [::1]."
                )
        for grant_type in self.grant_types or ():
            if grant_type not in GRANT_TYPES:
                raise SettingsError(f"Client {self.client_id} has an unknown grant type {grant_type!r}.")
        _check_credentials(self)
        if self.may_use(NONE) and CLIENT_CREDENTIALS in (self.grant_types or ()):
            raise SettingsError(f"Client {self.client_id} needs a secret for the client credentials grant.")

    @property
    def display_name(self) -> str:
        """The name on pages."""
        return self.name or self.client_id

    def get_client_id(self) -> str:
        """Authlib's question for the client_id."""
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        """What `scope` (or nothing) is granted as: the client's own scopes when it asked for none."""
        return scope or " ".join(self.scopes)

    def may_ask_for(self, scope: str | None) -> bool:
        """Whether every scope-token is well formed and registered for this client (RFC 6749 section 3.3)."""
        return set((scope or "").split(" ")) - {""} <= set(self.scopes)

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare in constant time, also when the lengths differ."""
        expected = hashlib.sha256((self.secret or "").encode()).digest()
        given = hashlib.sha256(client_secret.encode()).digest()
        return self.secret is not None and hmac.compare_digest(expected, given)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Authlib's question whether this client may use `method`, which is the same at all endpoints."""
        return self.may_use(method)

    def may_use(self, method: str) -> bool:
        """Confidential clients prove who they are everywhere, public ones have nothing to prove."""
        if self.token_endpoint_auth_method is not None:
            return method == self.token_endpoint_auth_method
        return method in (BASIC, POST) if self.secret else method == NONE

    @property
    def signs_assertions(self) -> bool:
        """Whether it is registered for one of the two methods of RFC 7523."""
        return self.token_endpoint_auth_method in ASSERTION_METHODS

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether a browser may be sent there."""
        return any(_without_port(redirect_uri) == _without_port(known) for known in self.redirect_uris)

    def get_default_redirect_uri(self) -> None:
        """There is none: a request has to say where the answer goes."""

    def check_response_type(self, response_type: str) -> bool:
        """The grants judge it by grant type; a response type that is not "code" has no grant here."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether this client is registered for `grant_type`."""
        if self.grant_types is not None:
            return grant_type in self.grant_types
        return grant_type != CLIENT_CREDENTIALS or not self.may_use(NONE)


@dataclass(frozen=True)
class Settings:
    """All knobs of a server. Durations end in `_s` and are seconds; see the README for the story.

    `issuer` is compared by clients byte for byte (RFC 8414 section 3.3) and decides every address in the
    metadata: https, or http on a loopback address. `audience` becomes `aud` of access tokens.
    `device_scopes` are what the token of a device with a device_id gets on top of what it asked for, with
    `{device_id}` filled in: for resource servers that read in the scope what a device may touch.
    `mutual_tls`, like the issuer, is where the same server takes clients' certificates (RFC 8705 section 5).
    `dpop`: whether tokens are bound to the key of whoever sends a proof (RFC 9449), `dpop_nonce`: whether a
    proof has to hold a nonce of this server.
    `attempts_allowed` wrong codes or passwords per account and per address within `attempts_window_s`.
    Raises SettingsError.
    """

    issuer: str
    people: Iterable[Person] = ()
    clients: Iterable[Client] = ()
    _: KW_ONLY
    audience: str = "pairlet"
    code_lifetime_s: int = 600
    interval_s: int = 5
    access_token_lifetime_s: int = 3600
    refresh_token_lifetime_s: int | None = None
    rotate: bool = True
    refresh_grace_s: float = 0
    session_lifetime_s: int = 3600
    attempts_allowed: int = 10
    attempts_window_s: int = 600
    database: str = ":memory:"
    device_scopes: tuple[str, ...] = ()
    mutual_tls: str | None = None
    dpop: bool = True
    dpop_nonce: bool = False
    scope_descriptions: dict[str, str] = field(default_factory=lambda: dict(SCOPE_DESCRIPTIONS))

    def __post_init__(self) -> None:
        _check_issuer(self.issuer)
        if self.mutual_tls is not None:
            _check_issuer(self.mutual_tls)
        object.__setattr__(self, "people", tuple(self.people))
        object.__setattr__(self, "clients", tuple(self.clients))
        _check_unique("username", [person.username for person in self.people])
        _check_unique("subject", [person.sub for person in self.people])
        _check_unique("client_id", [client.client_id for client in self.clients])
        for name in ("code_lifetime_s", "interval_s", "access_token_lifetime_s", "session_lifetime_s",
                     "attempts_allowed", "attempts_window_s"):  # fmt: skip
            _check_whole(name, getattr(self, name))
        if self.refresh_token_lifetime_s is not None:
            _check_whole("refresh_token_lifetime_s", self.refresh_token_lifetime_s)
        if self.refresh_grace_s < 0:
            raise SettingsError("refresh_grace_s must not be negative.")
        if not self.audience:
            raise SettingsError("audience must not be empty.")
        object.__setattr__(self, "device_scopes", tuple(self.device_scopes))
        for scope in self.device_scopes:
            _check_device_scope(scope)

    def scope_of(self, granted: str, device_id: str | None) -> str:
        """`granted` and, for a device with a name, the device scopes that are not in it yet."""
        scopes = granted.split()
        if device_id:
            filled = [scope.replace("{device_id}", device_id) for scope in self.device_scopes]
            scopes += [scope for scope in filled if scope not in scopes]
        return " ".join(scopes)

    @property
    def base(self) -> str:
        """The issuer without a final slash: what the path of every endpoint is appended to."""
        return self.issuer.rstrip("/")

    @property
    def path(self) -> str:
        """The issuer's path without a final slash; empty for most."""
        return urlsplit(self.base).path

    @property
    def https(self) -> bool:
        """Whether browsers reach this server over TLS, which makes the session cookie Secure."""
        return self.issuer.startswith("https:")


def _check_credentials(client: Client) -> None:
    """Each method takes something that the client must be registered with."""
    method = client.token_endpoint_auth_method
    if method not in (None, *ALL_METHODS):
        raise SettingsError(f"Client {client.client_id} has an unknown way to authenticate, {method!r}.")
    for needing, name in (
        ((BASIC, POST, SECRET_JWT), "secret"),
        ((KEY_JWT, SELF_SIGNED_TLS), "jwks"),
        ((TLS,), "tls_client_auth_san_dns"),
    ):
        if method in needing and not getattr(client, name):
            raise SettingsError(f"Client {client.client_id} needs {name} for {method}.")
    try:
        for key in (client.jwks or {}).get("keys", []):
            jwk.import_key(dict(key))  # a text would be taken for a secret
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise SettingsError(f"Client {client.client_id} has jwks with a key that can't be read.") from None


def _without_port(uri: str) -> str:
    """`uri`; if it is http on a loopback IP literal, without its port."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return uri
    if parts.scheme != "http" or host not in ("127.0.0.1", "::1") or parts.username is not None:
        return uri
    return urlunsplit(parts._replace(netloc=f"[{host}]" if ":" in host else host))


def _may_be_redirected_to(uri: str) -> bool:
    """https, or http on a loopback IP literal (RFC 8252 section 7.3), without a fragment."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = parts.scheme == "http" and host in ("127.0.0.1", "::1")
    return bool(host) and "#" not in uri and parts.username is None and (plain or parts.scheme == "https")


def _check_issuer(issuer: str) -> None:
    """RFC 8414 section 2: https, no query, no fragment. Plain http only on loopback (RFC 8252 8.3)."""
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingsError("issuer is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        # Not shown, because it may hold a password: https://user:password@host.
        raise SettingsError("issuer must look like https://host[:port][/path].")
    if "?" in issuer or "#" in issuer or not _ISSUER_PATH.fullmatch(parts.path):
        raise SettingsError("issuer must have no query, no fragment and a plain path.")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(f"issuer {issuer} must be https, because {host} is not a loopback address.")


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_device_scope(scope: str) -> None:
    plain = scope.replace("{device_id}", "")
    if not _SCOPE_TOKEN.fullmatch(scope) or "{" in plain or "}" in plain:
        raise SettingsError(
            "A device scope is one scope without spaces, with {device_id} where that belongs."
        )


def _check_unique(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise SettingsError(f"The {what} {value!r} is given twice.")


def _check_whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(f"{name} must be a whole number from 1 upwards, not {value!r}.")
