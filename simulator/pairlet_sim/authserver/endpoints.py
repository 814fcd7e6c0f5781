"""The endpoints beside the token endpoint: device authorization, revocation, introspection."""

import re
import unicodedata
from typing import Any

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc7009 import RevocationEndpoint as AuthlibRevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint as AuthlibIntrospectionEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint as AuthlibDeviceAuthorizationEndpoint

from .grants import check_grant_type, check_resource, check_scope
from .oauth import FormRequest, OAuthServer, token_type
from .pairings import RefreshToken
from .settings import ALL_METHODS, CONFIDENTIAL_METHODS, DEVICE_CODE, Client

# It becomes a level of MQTT topic names, so none of / + # and no white space.
_DEVICE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_DEVICE_NAME_LENGTH = 64

Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class UnsupportedTokenTypeError(OAuth2Error):  # type: ignore[misc]
    """RFC 7009 section 2.2.1. Authlib's own answers 401, which the RFC keeps for client authentication."""

    error = "unsupported_token_type"


class DeviceAuthorizationEndpoint(AuthlibDeviceAuthorizationEndpoint):  # type: ignore[misc]
    """RFC 8628 sections 3.1 and 3.2.

    Two parameters beyond the RFC, both optional: `device_id` (1 to 64 of A-Z a-z 0-9 . _ : -) ends up in
    the tokens, `device_name` (up to 64 printable characters) on the page where a person decides.
    """

    CLIENT_AUTH_METHODS = list(ALL_METHODS)

    def create_endpoint_response(self, request: FormRequest) -> Answer:
        """Issue a pair of codes. Raises OAuth2Error."""
        server: OAuthServer = self.server
        client: Client = self.authenticate_client(request)
        check_grant_type(client, DEVICE_CODE)
        check_scope(client, request.payload.scope)
        check_resource(request, server.settings)
        device = read_device(request.form)
        device_code = self.generate_device_code()
        settings = server.settings
        user_code = server.codes.issue(
            device_code,
            client.client_id,
            client.get_allowed_scope(request.payload.scope),
            device,
            server.clock(),
            lifetime_s=settings.code_lifetime_s,
            interval_s=settings.interval_s,
        )
        verification_uri = settings.base + "/device"
        data = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": verification_uri,
            "verification_uri_complete": f"{verification_uri}?user_code={user_code}",
            "expires_in": settings.code_lifetime_s,
            "interval": settings.interval_s,
        }
        return 200, data, default_json_headers


def read_device(form: dict[str, str]) -> tuple[str, str]:
    """(device_id, device_name), each possibly empty. Raises InvalidRequestError."""
    device_id, device_name = form.get("device_id", ""), form.get("device_name", "").strip()
    if device_id and not _DEVICE_ID.fullmatch(device_id):
        raise InvalidRequestError(
            "device_id must be 1 to 64 letters, digits, dots, dashes, colons or underscores."
        )
    if len(device_name) > _DEVICE_NAME_LENGTH:
        raise InvalidRequestError(f"device_name must have at most {_DEVICE_NAME_LENGTH} characters.")
    # Categories C* are controls, bidi marks, surrogates and unassigned; Zl and Zp break lines.
    if any(
        unicodedata.category(each)[0] == "C" or unicodedata.category(each) in ("Zl", "Zp")
        for each in device_name
    ):
        raise InvalidRequestError("device_name has a character that can't be shown.")
    return device_id, device_name


class _FoundToken:
    """What revocation and introspection look up: a refresh token, or the claims of an access token."""

    def __init__(self, refresh_token: RefreshToken | None, claims: dict[str, Any] | None):
        self.refresh_token = refresh_token
        self.claims = claims or {}

    @property
    def client_id(self) -> str:
        """The client it was issued to."""
        if self.refresh_token is not None:
            return self.refresh_token.pairing.client_id
        return str(self.claims.get("client_id"))

    def check_client(self, client: Client) -> bool:
        """Authlib's question whether it is `client`'s own."""
        return self.client_id == client.client_id


class _TokenLookup:
    """The part that both endpoints have in common."""

    server: OAuthServer

    def check_params(self, request: FormRequest, client: Client) -> None:
        """`token` is REQUIRED; a hint we don't know is refused (RFC 7009 section 2.2.1)."""
        if not request.form.get("token"):
            raise InvalidRequestError("token is missing.")
        if request.form.get("token_type_hint", "access_token") not in ("access_token", "refresh_token"):
            raise UnsupportedTokenTypeError("token_type_hint must be access_token or refresh_token.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> _FoundToken | None:
        """The hint only saves time (RFC 7009 section 2.1), and both look-ups are quick: it is not used."""
        refresh_token = self.server.pairings.refresh_token(token_string)
        if refresh_token is not None:
            return _FoundToken(refresh_token, None)
        claims = self.server.key.read(token_string)
        return None if claims is None else _FoundToken(None, claims)


class RevocationEndpoint(_TokenLookup, AuthlibRevocationEndpoint):  # type: ignore[misc]
    """RFC 7009. A refresh token takes its whole pairing along, an access token only itself."""

    CLIENT_AUTH_METHODS = list(ALL_METHODS)

    def authenticate_token(self, request: FormRequest, client: Client) -> _FoundToken | None:
        """Section 2.1: a token of another client is refused, and the client is told."""
        self.check_params(request, client)
        token = self.query_token(request.form["token"], None)
        if token is not None and not token.check_client(client):
            raise InvalidGrantError("This token was issued to another client.")
        return token

    def revoke_token(self, token: _FoundToken, request: FormRequest) -> None:
        """Write the revocation down; harmless when done before."""
        now = self.server.clock()
        if token.refresh_token is not None:
            self.server.pairings.revoke(token.refresh_token.pairing.id, now)
        else:
            self.server.pairings.revoke_access_token(str(token.claims.get("jti")), now)


class IntrospectionEndpoint(_TokenLookup, AuthlibIntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662, for clients with a secret: about their own tokens, or all when they are resource servers."""

    CLIENT_AUTH_METHODS = list(CONFIDENTIAL_METHODS)

    def check_permission(self, token: _FoundToken, client: Client, request: FormRequest) -> bool:
        """What a client may not see is inactive to it (section 2.2)."""
        return client.introspects or token.client_id == client.client_id

    def create_introspection_payload(self, token: _FoundToken | None) -> dict[str, Any]:
        """Section 2.2: nothing but `active` about a token that is not."""
        if token is None:
            return {"active": False}
        if token.refresh_token is not None:
            return self._refresh_token_payload(token.refresh_token)
        claims = token.claims
        active = self.server.clock() < claims["exp"] and self.server.pairings.access_token_is_active(
            claims["jti"]
        )
        return {"active": True, "token_type": token_type(claims), **claims} if active else {"active": False}

    def _refresh_token_payload(self, token: RefreshToken) -> dict[str, Any]:
        pairing = token.pairing
        expired = token.expires_at is not None and self.server.clock() >= token.expires_at
        if pairing.revoked_at is not None or token.superseded_at is not None or expired:
            return {"active": False}
        payload: dict[str, Any] = {
            "active": True,
            "client_id": pairing.client_id,
            "sub": pairing.subject,
            "scope": pairing.scope,
            "iss": self.server.settings.issuer,
            "iat": int(token.issued_at),
        }
        if token.expires_at is not None:
            payload["exp"] = int(token.expires_at)
        if pairing.device_id:
            payload["device_id"] = pairing.device_id
        return payload
