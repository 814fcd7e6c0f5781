"""How clients prove who they are: secrets, assertions (RFC 7523), certificates (RFC 8705).

Beyond Authlib: Basic credentials are form-decoded (RFC 6749 section 2.3.1), a request uses one mechanism, and
a client no other than it is registered with.
"""

import base64
import binascii
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from cryptography import x509

from .assertions import TYPE, AssertionRefused, Assertions, claimed_client_id
from .settings import BASIC, CERTIFICATE_METHODS, NONE, POST, TLS, Client

if TYPE_CHECKING:
    from .oauth import FormRequest

# What a request shows: by which of the two methods it is meant, the client's registration says.
_ASSERTION = "client_assertion"


class ClientRefused(InvalidClientError):  # type: ignore[misc]
    """401 with the challenge of RFC 7617, which needs a realm."""

    def __init__(self, description: str):
        super().__init__(description=description, status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        """The JSON headers, and WWW-Authenticate."""
        headers = [pair for pair in OAuth2Error.get_headers(self) if pair[0] != "WWW-Authenticate"]
        return [*headers, ("WWW-Authenticate", 'Basic realm="pairlet-sim", charset="UTF-8"')]


class Presented(NamedTuple):
    """How a client identified itself: `method` as in RFC 7591 section 2, or "client_assertion"; `secret` is
    the secret or the assertion."""

    method: str
    client_id: str
    secret: str

    def __repr__(self) -> str:
        return f"<Presented {self.method}>"


def presented_credentials(request: "FormRequest") -> Presented:
    """What the request says about its client. Raises InvalidRequestError, ClientRefused."""
    client_id, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    header = request.headers.get("Authorization")
    if "client_assertion" in request.form or "client_assertion_type" in request.form:
        if secret or header is not None:
            raise InvalidRequestError("Use either a client assertion or a client secret, not both.")
        return _presented_assertion(request, client_id)
    if header is None:
        if not client_id:
            raise ClientRefused("client_id is missing.")
        return Presented(POST if secret else NONE, client_id, secret)
    if secret:
        raise InvalidRequestError("Use either the Authorization header or client_secret, not both.")
    basic = _decode_basic(header)
    if client_id and client_id != basic.client_id:
        raise InvalidRequestError("client_id in the body differs from the one in the Authorization header.")
    return basic


def _presented_assertion(request: "FormRequest", client_id: str) -> Presented:
    """RFC 7521 section 4.2: the assertion says who it is; client_id may say so too."""
    if request.form.get("client_assertion_type") != TYPE:
        raise InvalidRequestError(f"client_assertion_type must be {TYPE}.")
    assertion = request.form.get("client_assertion", "")
    try:
        claimed = claimed_client_id(assertion)
    except AssertionRefused as error:
        raise ClientRefused(str(error)) from None
    if client_id and client_id != claimed:
        raise InvalidRequestError("client_id in the body differs from the one in the client assertion.")
    return Presented(_ASSERTION, claimed, assertion)


def _decode_basic(header: str) -> Presented:
    """RFC 7617, with client_id and secret form-encoded inside, as RFC 6749 section 2.3.1 has it."""
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = pair.partition(":")
        if not colon:
            raise ValueError
        decoded = [unquote_plus(part, errors="strict") for part in (client_id, secret)]
    except (ValueError, binascii.Error):
        raise ClientRefused("The Authorization header holds no well-formed Basic credentials.") from None
    return Presented(BASIC, *decoded)


def judge(
    client: Client | None, presented: Presented, certificate: str | None, assertions: Assertions
) -> str:
    """The method by which `client` has proven to be the one. Raises ClientRefused.

    `certificate`: the one of the TLS handshake (PEM), whose chain the handshake has verified, or None.
    """
    if presented.method == _ASSERTION:
        return _judge_assertion(client, presented.secret, assertions)
    if presented.method != NONE:
        if client is None or not client.may_use(presented.method):
            right = False
        else:
            right = client.check_client_secret(presented.secret)
        if not right:
            # One sentence for all, so that nobody can sift client_ids out of it.
            raise ClientRefused("Unknown client_id or wrong client secret.")
        return presented.method
    if client is None:
        raise ClientRefused("No client with this client_id is registered here.")
    if client.token_endpoint_auth_method in CERTIFICATE_METHODS:
        _judge_certificate(client, certificate)
        return str(client.token_endpoint_auth_method)
    if not client.may_use(NONE):
        raise ClientRefused("This client has credentials and must authenticate with them.")
    return NONE


def _judge_assertion(client: Client | None, assertion: str, assertions: Assertions) -> str:
    if client is None or not client.signs_assertions:
        raise ClientRefused("No key that this client is registered with has signed the client assertion.")
    try:
        assertions.judge(client, assertion)
    except AssertionRefused as error:
        raise ClientRefused(str(error)) from None
    return str(client.token_endpoint_auth_method)


def _judge_certificate(client: Client, certificate: str | None) -> None:
    """RFC 8705 sections 2.1 and 2.2."""
    if certificate is None:
        raise ClientRefused("This client must show its certificate in the TLS handshake.")
    shown = x509.load_pem_x509_certificate(certificate.encode())
    if client.token_endpoint_auth_method == TLS:
        # One that vouches for itself may be trusted here for the sake of another client.
        right = shown.issuer != shown.subject and client.tls_client_auth_san_dns in _dns_names(shown)
    else:
        data = base64.b64encode(ssl.PEM_cert_to_DER_cert(certificate)).decode()
        right = any(key.get("x5c", [""])[0] == data for key in (client.jwks or {}).get("keys", []))
    if not right:
        raise ClientRefused("The certificate of the TLS handshake is not that of this client.")


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
