"""Who the device is to the authorization server, and the one way it speaks to its endpoints."""

from binascii import b2a_base64

from . import form
from .errors import ConfigError
from .http import FORM, JSON, Request
from .secret import Secret
from .token import BEARER, DPOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .form import Pairs

    class Key(Protocol):
        """A key pair that tokens are bound to."""

        def thumbprint(self) -> str:
            """By what it is known (RFC 7638): what authorization requests say as dpop_jkt."""


NONE = "none"
BASIC = "client_secret_basic"
POST = "client_secret_post"
METHODS = (NONE, BASIC, POST)


class Client:
    """An OAuth client: `client_id`, perhaps a `client_secret`, and how it authenticates.

    `client_auth` is one of RFC 7591's names: "none" (a public client, what RFC 8628 section 5.6
    expects of a device), "client_secret_basic" (the default with a secret) or "client_secret_post".
    Raises ConfigError when they don't fit together.
    """

    # What its tokens are bound to (RFC 9449); None: they are Bearer tokens.
    key: "Key | None" = None

    def __init__(
        self, client_id: str, client_secret: "Secret | None" = None, client_auth: "str | None" = None
    ):
        if client_auth is None:
            client_auth = BASIC if client_secret else NONE
        if client_auth not in METHODS:
            raise ConfigError(
                f"oauth.client_auth is '{client_auth}'", "Use one of: " + ", ".join(METHODS) + "."
            )
        if client_auth != NONE and not client_secret:
            raise ConfigError(
                f"oauth.client_auth is {client_auth}, but there is no client secret",
                "Put the secret into a file and name it in oauth.client_secret_file.",
            )
        self.client_id = client_id
        self.client_auth = client_auth
        self._client_secret = client_secret

    @property
    def token_type(self) -> str:
        """The type of tokens that it asks for."""
        return BEARER if self.key is None else DPOP

    @property
    def secrets(self) -> "list[Secret]":
        """What must not be shown when a server quotes it."""
        return [self._client_secret] if self._client_secret else []

    def request(self, url: str, parameters: "Pairs") -> Request:
        """A POST of `parameters` to `url` that identifies or authenticates this client.

        RFC 6749 section 2.3.1: Basic takes id and secret form-encoded first; a secret never goes
        into the address. A query that the endpoint has of its own stays (section 3.2).
        """
        headers = [("Content-Type", FORM), ("Accept", JSON)]
        pairs = list(parameters)
        secret = self._client_secret
        if self.client_auth == BASIC and secret:
            credentials = form.quote(self.client_id) + ":" + form.quote(secret.reveal())
            encoded = b2a_base64(credentials.encode()).decode().strip()
            headers.append(("Authorization", "Basic " + encoded))
        else:
            pairs.append(("client_id", self.client_id))
            if self.client_auth == POST and secret:
                pairs.append(("client_secret", secret.reveal()))
        return Request("POST", url, headers, form.encode(pairs))

    def __repr__(self) -> str:
        return f"<Client {self.client_id} {self.client_auth}>"
