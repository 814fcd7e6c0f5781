"""The three grants of the token endpoint, each Authlib's class with our tables and sentences."""

from typing import Any

from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant as AuthlibClientCredentialsGrant
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant as AuthlibRefreshTokenGrant
from authlib.oauth2.rfc8628 import AuthorizationPendingError, ExpiredTokenError, SlowDownError
from authlib.oauth2.rfc8628 import DeviceCodeGrant as AuthlibDeviceCodeGrant

from .device_codes import APPROVED, DENIED, DeviceCode
from .oauth import FormRequest
from .pairings import Consent, RefreshToken
from .settings import ALL_METHODS, Client, Settings


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]
    """RFC 8707 section 2: the resource is not one we issue tokens for."""

    error = "invalid_target"


def check_grant_type(client: Client, grant_type: str) -> None:
    """Raise UnauthorizedClientError unless `client` is registered for `grant_type`."""
    if not client.check_grant_type(grant_type):
        raise UnauthorizedClientError(f"This client may not use the grant type {grant_type}.")


def check_scope(client: Client, scope: str | None) -> None:
    """Raise InvalidScopeError unless `client` may ask for every part of `scope`."""
    if not client.may_ask_for(scope):
        raise InvalidScopeError("This client may ask for: " + " ".join(client.scopes))


def check_resource(request: FormRequest, settings: Settings) -> None:
    """RFC 8707: this server has one audience, so a `resource` can only be that one."""
    for resource in request.payload.datalist.get("resource", []):
        if resource != settings.audience:
            raise InvalidTargetError("This server issues no tokens for that resource.")


class DeviceCodeGrant(AuthlibDeviceCodeGrant):  # type: ignore[misc]
    """RFC 8628 sections 3.4 and 3.5."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(ALL_METHODS)

    def validate_token_request(self) -> None:
        """Check client, code and decision. Every OAuth error of the polling loop comes from here."""
        device_code = self.request.form.get("device_code")
        if not device_code:
            raise InvalidRequestError("device_code is missing.")
        self.request.client = client = self.authenticate_token_endpoint_client()
        check_grant_type(client, self.GRANT_TYPE)
        check_resource(self.request, self.server.settings)
        credential = self.query_device_credential(device_code)
        # Authlib answers invalid_request and unauthorized_client; RFC 6749 section 5.2 gives invalid_grant
        # to a grant that is invalid or was issued to another client.
        if credential is None or credential.client_id != client.client_id:
            raise InvalidGrantError("This device_code was never issued to this client, or long ago.")
        if credential.redeemed_at is not None:
            raise InvalidGrantError("This device_code has already been exchanged for tokens.")
        self.request.credential = credential
        self.request.user = self.validate_device_credential(credential)

    def validate_device_credential(self, credential: DeviceCode) -> Consent:
        """The person's decision, by our clock. slow_down only while pending, as section 3.5 defines it."""
        now = self.server.clock()
        if now >= credential.expires_at:
            raise ExpiredTokenError("The code has run out. Ask for a new one when somebody wants to pair.")
        if credential.decision == DENIED:
            raise AccessDeniedError("The person said no.")
        if credential.decision == APPROVED:
            return Consent(credential.subject or "", credential.device_id, credential.device_name)
        if self.server.codes.poll(credential, now):
            raise SlowDownError("Polled too early: wait 5 seconds longer from now on.")
        raise AuthorizationPendingError("Nobody has decided yet.")

    def query_device_credential(self, device_code: str) -> DeviceCode | None:
        """Look the code up."""
        found: DeviceCode | None = self.server.codes.by_device_code(device_code)
        return found

    def save_token(self, token: Any) -> None:
        """Issue once: the code is spent with the first answer."""
        super().save_token(token)
        self.server.codes.redeem(self.request.credential, self.server.clock())


class RefreshTokenGrant(AuthlibRefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 section 6, with rotation and reuse detection (RFC 9700 section 4.14.2)."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(ALL_METHODS)

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 - the name is Authlib's
        """Rotation is a setting."""
        rotate: bool = self.server.settings.rotate
        return rotate

    def validate_token_request(self) -> None:
        """Authlib's checks, after ours of the parameters."""
        if not self.request.form.get("refresh_token"):
            raise InvalidRequestError("refresh_token is missing.")
        check_resource(self.request, self.server.settings)
        super().validate_token_request()

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken:
        """Find the token and judge it. A superseded one ends its family. Raises InvalidGrantError."""
        now, settings = self.server.clock(), self.server.settings
        found: RefreshToken | None = self.server.pairings.refresh_token(refresh_token)
        # Another client's token is as good as unknown, and no reason to end that client's pairing.
        if found is None or not found.check_client(self.request.client):
            raise InvalidGrantError("This refresh_token was never issued to this client.")
        if found.pairing.revoked_at is not None:
            raise InvalidGrantError("The pairing of this refresh_token has been revoked.")
        if not self.server.bindings.permits("pairing " + found.pairing.id, self.request.thumbprint):
            raise InvalidGrantError("This refresh_token is bound to a key, which the request does not prove.")
        if found.pairing.subject not in self.server.people:
            raise InvalidGrantError("The person who approved this device is gone.")
        if found.superseded_at is not None and not self.server.pairings.may_repeat(
            found, settings.refresh_grace_s, now
        ):
            self.server.pairings.revoke(found.pairing.id, now)
            raise InvalidGrantError("This refresh_token was used before: its whole family is revoked.")
        if found.expires_at is not None and now >= found.expires_at:
            raise InvalidGrantError("This refresh_token has expired.")
        return found

    def authenticate_user(self, refresh_token: RefreshToken) -> Consent:
        """Whoever approved, with the device."""
        pairing = refresh_token.pairing
        return Consent(pairing.subject, pairing.device_id, pairing.device_name)

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Supersede the token that was used, if there is a new one."""
        if self.server.settings.rotate:
            self.server.pairings.supersede(refresh_token, self.server.clock())


class ClientCredentialsGrant(AuthlibClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 section 4.4: a client in its own name."""

    # "none" is listed so that a public client hears unauthorized_client, which says what is wrong.
    TOKEN_ENDPOINT_AUTH_METHODS = list(ALL_METHODS)

    def validate_token_request(self) -> None:
        """Check client, scope and resource."""
        client = self.authenticate_token_endpoint_client()
        check_grant_type(client, self.GRANT_TYPE)
        check_scope(client, self.request.payload.scope)
        check_resource(self.request, self.server.settings)
        self.request.client = client
