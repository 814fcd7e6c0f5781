"""Authlib's authorization server, joined to our requests, clients, clock and database.

Authlib has no Starlette integration for servers; this is that adapter. It also replaces what Authlib leaves
open or does differently from the RFCs: client authentication (see client_auth), and a token dictionary that
can't be logged.
"""

from collections.abc import Callable
from typing import Any

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidRequestError,
    OAuth2Error,
    OAuth2Payload,
    OAuth2Request,
    UnsupportedGrantTypeError,
    UnsupportedResponseTypeError,
)
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from .assertions import Assertions
from .authorization_codes import AuthorizationCodes
from .client_auth import ClientRefused, judge, presented_credentials
from .database import Database
from .device_codes import DeviceCodes
from .form import Form
from .keys import SigningKey
from .pairings import Consent, Pairings
from .proofs import Bindings, Proofs
from .settings import NONE, Client, Settings


class FormPayload(OAuth2Payload):  # type: ignore[misc]
    """The parameters of a request as Authlib reads them."""

    def __init__(self, form: Form):
        self._form = form

    @property
    def data(self) -> dict[str, str]:
        """Each parameter once."""
        return self._form.values

    @property
    def datalist(self) -> dict[str, list[str]]:
        """Each parameter with all its values."""
        return self._form.lists


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """A request that is already read. Authlib takes it through create_oauth2_request()."""

    # Under which pairing tokens were issued, once they are.
    pairing_id: str | None = None
    # The key that has proven to have sent it (RFC 9449), None: none has.
    thumbprint: str | None = None

    def __init__(self, uri: str, headers: Headers, form: Form, certificate: str | None = None):
        super().__init__("POST", uri, headers=headers)
        # The client's, from the TLS handshake, in PEM.
        self.certificate = certificate
        self.payload = FormPayload(form)

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters."""
        data: dict[str, str] = self.payload.data
        return data

    @property
    def args(self) -> dict[str, str]:
        """Parameters of the URL: none are read, credentials MUST NOT be there (RFC 6749 section 2.3.1)."""
        return {}


class IssuedToken(dict[str, Any]):
    """A token response. Authlib logs it with `%r`, and this is what it logs."""

    def __init__(self, values: dict[str, Any], claims: dict[str, Any]):
        super().__init__(values)
        self.claims = claims

    def __repr__(self) -> str:
        return f"<IssuedToken {sorted(self)}>"

    __str__ = __repr__


class OAuthResponse(JSONResponse):
    """A JSON answer that remembers in one word what it says, for the events."""

    def __init__(self, body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None):
        super().__init__(body, status, headers)
        if "error" in body:
            self.outcome = str(body["error"])
        elif "active" in body:
            self.outcome = "active" if body["active"] else "inactive"
        else:
            self.outcome = "issued" if "access_token" in body or "device_code" in body else "done"


class GrantTypeRefused(UnsupportedGrantTypeError):  # type: ignore[misc]
    """RFC 6749 section 5.2, with a sentence that says what to use instead."""

    def __init__(self, grant_type: str):
        super().__init__(grant_type)
        self.description = (
            "The password grant is gone from OAuth (RFC 9700 section 2.4): use the device authorization"
            " grant (RFC 8628), or authorization_code with PKCE."
            if grant_type == "password"
            else "Use the device authorization grant, authorization_code, refresh_token or"
            " client_credentials."
        )


class ResponseTypeRefused(UnsupportedResponseTypeError):  # type: ignore[misc]
    """RFC 6749 section 4.1.2.1, with a sentence that says what to use instead."""

    def __init__(self, response_type: str, redirect_uri: str | None):
        super().__init__(None, response_type, redirect_uri=redirect_uri)
        implicit = "The implicit grant is gone from OAuth (RFC 9700 section 2.1.2): use"
        asks_for_token = {"token", "id_token"} & set(response_type.split())
        self.description = f"{implicit if asks_for_token else 'Use'} response_type=code with PKCE."


def token_type(claims: dict[str, Any]) -> str:
    """Of an access token, by its claims."""
    return "DPoP" if "jkt" in claims.get("cnf", {}) else "Bearer"


class OAuthServer(AuthorizationServer):  # type: ignore[misc]
    """The grants' view of the server: who a client is, what a token is made of, where it is kept."""

    def __init__(self, settings: Settings, clock: Callable[[], float], database: Database):
        super().__init__()
        self.settings = settings
        self.clock = clock
        self.database = database
        self.key = SigningKey(database)
        self.codes = DeviceCodes(database)
        self.pairings = Pairings(database)
        self.authorization_codes = AuthorizationCodes(database)
        self.assertions = Assertions(settings, clock, database)
        self.proofs = Proofs(clock, database, needs_nonce=settings.dpop_nonce)
        self.bindings = Bindings(database)
        self._thumbprint: str | None = None
        self.clients = {client.client_id: client for client in settings.clients}
        self.people = {person.sub: person for person in settings.people}
        self.register_token_generator("default", self._make_token)

    def query_client(self, client_id: str) -> Client | None:
        """The registered client, or None."""
        return self.clients.get(client_id)

    def authenticate_client(
        self, request: FormRequest, methods: list[str], endpoint: str = "token"
    ) -> Client:
        """RFC 6749 sections 2.3 and 3.2.1. Raises ClientRefused, InvalidRequestError."""
        presented = presented_credentials(request)
        client = self.query_client(presented.client_id)
        method = judge(client, presented, request.certificate, self.assertions)
        assert client is not None
        if method not in methods:
            raise ClientRefused(f"The {endpoint} endpoint is only for clients that have credentials.")
        request.auth_method = method
        return client

    def validate_requested_scope(self, scope: str | None) -> None:
        """Scopes belong to clients here; the grants ask the client."""

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Ours is one already."""
        return request

    def create_token_response(self, request: FormRequest) -> OAuthResponse:
        """Authlib's, once it is known by which key the request was sent (RFC 9449 section 5)."""
        settings = self.settings
        addresses = [base.rstrip("/") + "/token" for base in (settings.issuer, settings.mutual_tls) if base]
        proofs = request.headers.getlist("dpop") if settings.dpop else []
        response: OAuthResponse
        try:
            # Before anything else is looked at: who is told to come again with a nonce has not polled yet.
            self._thumbprint = request.thumbprint = self.proofs.judge(proofs, "POST", addresses)
            response = super().create_token_response(request)
        except OAuth2Error as error:
            response = self.handle_error_response(request, error)
        if proofs and settings.dpop_nonce:
            response.headers["DPoP-Nonce"] = self.proofs.nonce()
        return response

    def get_token_grant(self, request: FormRequest) -> Any:
        """The grant for `request`. Raises GrantTypeRefused."""
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as error:
            raise GrantTypeRefused(error.grant_type) from None

    def get_authorization_grant(self, request: FormRequest) -> Any:
        """The grant for `request`. Raises ResponseTypeRefused, InvalidRequestError."""
        try:
            return super().get_authorization_grant(request)
        except UnsupportedResponseTypeError as error:
            response_type = request.payload.response_type
            if not response_type:
                raise InvalidRequestError(
                    "response_type is missing.", redirect_uri=error.redirect_uri
                ) from None
            raise ResponseTypeRefused(response_type, error.redirect_uri) from None

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> OAuthResponse:
        """Make the HTTP response."""
        return OAuthResponse(body, status, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: what happened is in the events."""

    def _make_token(
        self, grant_type: str, client: Client, user: Consent | None = None, scope: str | None = None,
        expires_in: int | None = None, include_refresh_token: bool = True,
    ) -> IssuedToken:  # fmt: skip
        now = int(self.clock())
        lifetime_s = expires_in or self.settings.access_token_lifetime_s
        device_id = user.device_id if user else client.device_id
        granted = self.settings.scope_of(client.get_allowed_scope(scope), device_id)
        claims: dict[str, Any] = {
            "iss": self.settings.issuer,
            # Without a person the client speaks for itself (RFC 9068 section 2.2).
            "sub": user.subject if user else client.client_id,
            "aud": self.settings.audience,
            "client_id": client.client_id,
            "scope": granted,
            "iat": now,
            "exp": now + lifetime_s,
            "jti": generate_token(22),
        }
        if device_id:
            claims["device_id"] = device_id
        if self._thumbprint:
            claims["cnf"] = {"jkt": self._thumbprint}  # RFC 9449 section 6.1
        token = {
            "access_token": self.key.sign(claims),
            "token_type": token_type(claims),
            "expires_in": lifetime_s,
            "scope": granted,
        }
        if include_refresh_token:
            token["refresh_token"] = generate_token(48)
        return IssuedToken(token, claims)

    def save_token(self, token: IssuedToken, request: FormRequest) -> None:
        """Write down what was issued, before the answer leaves: under its pairing, a new or an old one."""
        now = self.clock()
        parent = request.refresh_token
        pairing = parent.pairing if parent is not None else None
        if pairing is None and request.user is not None:
            pairing = self.pairings.create(request.client.client_id, request.user, token["scope"], now)
        request.pairing_id = pairing_id = pairing.id if pairing else None
        if pairing_id and request.thumbprint and request.auth_method == NONE:
            # Nothing else would keep a refresh token from a thief (RFC 9449 section 5).
            self.bindings.bind("pairing " + pairing_id, request.thumbprint)
        self.pairings.add_access_token(token.claims["jti"], pairing_id, token.claims["exp"], now)
        if "refresh_token" in token and pairing_id is not None:
            self.pairings.add_refresh_token(
                token["refresh_token"], pairing_id, parent.token_hash if parent else None,
                now, self.settings.refresh_token_lifetime_s,
            )  # fmt: skip
