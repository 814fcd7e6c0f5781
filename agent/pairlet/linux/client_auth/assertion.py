"""Clients that sign what they are instead of showing a secret (RFC 7523 section 2.2)."""

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.client import NONE, Client
from ...core.http import Request
from ...core.secret import Secret

if TYPE_CHECKING:
    from ...core.form import Pairs
    from .key import Signer

SECRET_JWT = "client_secret_jwt"
PRIVATE_KEY_JWT = "private_key_jwt"

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# For one request, which leaves at once; the rest is for clocks that disagree.
_LIFETIME_S = 120


class AssertedRequest(Request):
    """A request with an assertion in it, which is good once."""

    def __init__(self, request: Request, again: Callable[[], Request]):
        super().__init__(request.method, request.url, request.headers, request.body)
        self.again = again


class AssertionClient(Client):
    """A client whose requests each carry an assertion of their own, good once and for two minutes.

    `client_auth`: "private_key_jwt" or "client_secret_jwt". `audience`: for whom the assertion is: the
    server's issuer, so that no other server can use it. `clock`: seconds since 1970. `secret`: what must not
    be shown when a server quotes it.
    """

    def __init__(
        self,
        client_id: str,
        client_auth: str,
        signer: "Signer",
        audience: str,
        *,
        secret: Secret | None = None,
        clock: Callable[[], float] = time.time,
    ):
        super().__init__(client_id, secret, NONE)
        self.client_auth = client_auth
        self._signer = signer
        self._audience = audience
        self._clock = clock

    def request(self, url: str, parameters: "Pairs") -> Request:
        """A POST of `parameters` to `url` with the assertion (RFC 7523 section 3 has its claims)."""
        now = int(self._clock())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self._audience,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + _LIFETIME_S,
        }
        proof = [("client_assertion_type", _TYPE), ("client_assertion", self._signer.sign(claims))]
        request = super().request(url, [*parameters, *proof])
        return AssertedRequest(request, lambda: self.request(url, parameters))
