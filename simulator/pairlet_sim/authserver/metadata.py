"""Authorization server metadata (RFC 8414) and where it is found."""

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from .endpoints import ALL_AUTH_METHODS, SECRET_AUTH_METHODS
from .settings import GRANT_TYPES, Settings


def metadata(settings: Settings) -> dict[str, Any]:
    """The document, checked by Authlib's reading of RFC 8414 section 2."""
    base = settings.base
    document = {
        "issuer": settings.issuer,
        "authorization_endpoint": base + "/authorize",
        "token_endpoint": base + "/token",
        "device_authorization_endpoint": base + "/device_authorization",
        "revocation_endpoint": base + "/revoke",
        "introspection_endpoint": base + "/introspect",
        "jwks_uri": base + "/jwks",
        "scopes_supported": sorted({scope for client in settings.clients for scope in client.scopes}),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": ALL_AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": ALL_AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": SECRET_AUTH_METHODS,
        "ui_locales_supported": ["en"],
    }
    if not document["scopes_supported"]:
        del document["scopes_supported"]
    AuthorizationServerMetadata(document).validate()
    return document


def well_known_paths(settings: Settings) -> tuple[str, str]:
    """Both places, as paths on the host.

    RFC 8414 section 3.1 puts the well-known part between host and the issuer's path, without its final
    slash; OpenID Connect Discovery section 4 appends it.
    """
    return (
        "/.well-known/oauth-authorization-server" + settings.path,
        settings.path + "/.well-known/openid-configuration",
    )
