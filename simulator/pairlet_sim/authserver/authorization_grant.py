"""The authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636): Authlib's class, our tables."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant as AuthlibAuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from .authorization_codes import AuthorizationCode
from .database import fingerprint
from .endpoints import read_device
from .grants import check_grant_type, check_resource, check_scope
from .oauth import FormRequest
from .pairings import Consent
from .settings import ALL_METHODS, Client


class S256(CodeChallenge):  # type: ignore[misc]
    """PKCE for every client, and only with the method that hides the verifier (RFC 9700 section 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Authlib's checks, after ours: without a method, `plain` would be meant."""
        form = grant.request.form
        if not form.get("code_challenge") or form.get("code_challenge_method") != "S256":
            raise InvalidRequestError(
                "Send a code_challenge and code_challenge_method=S256 (PKCE, RFC 7636)."
            )
        super().validate_code_challenge(grant, redirect_uri)


class AuthorizationCodeGrant(AuthlibAuthorizationCodeGrant):  # type: ignore[misc]
    """From the person's browser with a code, and from the program with that code to tokens."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(ALL_METHODS)

    def validate_requested_scope(self) -> None:
        """What Authlib asks of the request once client and redirect_uri are known, and then some."""
        check_grant_type(self.request.client, self.GRANT_TYPE)
        check_scope(self.request.client, self.request.payload.scope)
        check_resource(self.request, self.server.settings)
        read_device(self.request.form)

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        """Write it down before it leaves."""
        self.server.authorization_codes.add(
            code, request.client.client_id, request.payload.redirect_uri, request.scope, request.user,
            request.form["code_challenge"], self.server.clock(),
        )  # fmt: skip
        if request.form.get("dpop_jkt"):
            self.server.bindings.bind("code " + fingerprint(code), request.form["dpop_jkt"])

    def validate_token_request(self) -> Any:
        """Authlib's checks, after ours of the resource."""
        check_resource(self.request, self.server.settings)
        found = super().validate_token_request()
        name = "code " + self.request.authorization_code.code_hash
        if not self.server.bindings.permits(name, self.request.thumbprint):
            raise InvalidGrantError("This code is bound to a key, which the request does not prove.")
        return found

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """A code that is still good for `client`. One that was used already ends what was issued for it
        (RFC 6749 section 4.1.2)."""
        found: AuthorizationCode | None = self.server.authorization_codes.find(code)
        if found is None or found.client_id != client.client_id:
            return None
        if found.redeemed_at is not None:
            if found.pairing_id is not None:
                self.server.pairings.revoke(found.pairing_id, self.server.clock())
            raise InvalidGrantError("This code was used before: what was issued for it is revoked.")
        if self.server.clock() >= found.expires_at:
            raise InvalidGrantError("This code has expired.")
        return found

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Consent | None:
        """Whoever approved, unless they are gone."""
        return authorization_code.consent if authorization_code.subject in self.server.people else None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """It is spent; but not forgotten, or a second use could not be told."""
        self.server.authorization_codes.redeem(
            authorization_code, self.request.pairing_id, self.server.clock()
        )
