"""Authorization server metadata (RFC 8414) and where it is found."""

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from .assertions import ALGORITHMS
from .proofs import ALGORITHMS as PROOF_ALGORITHMS
from .settings import ALL_METHODS, CERTIFICATE_METHODS, CONFIDENTIAL_METHODS, GRANT_TYPES, Settings


def metadata(settings: Settings) -> dict[str, Any]:
    """The document, checked by Authlib's reading of RFC 8414 section 2."""
    base = settings.base
    document = {
        "issuer": settings.issuer,
        "authorization_endpoint": base + "/authorize",
        **_form_endpoints(base),
        "jwks_uri": base + "/jwks",
        "scopes_supported": sorted({scope for client in settings.clients for scope in client.scopes}),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        **_authentication(settings),
        "ui_locales_supported": ["en"],
    }
    if not document["scopes_supported"]:
        del document["scopes_supported"]
    if settings.dpop:
        document["dpop_signing_alg_values_supported"] = list(PROOF_ALGORITHMS)
    if settings.mutual_tls is not None:
        document["mtls_endpoint_aliases"] = _form_endpoints(settings.mutual_tls.rstrip("/"))
    AuthorizationServerMetadata(document).validate()
    return document


def _form_endpoints(base: str) -> dict[str, str]:
    """Where clients authenticate."""
    return {
        "token_endpoint": base + "/token",
        "device_authorization_endpoint": base + "/device_authorization",
        "revocation_endpoint": base + "/revoke",
        "introspection_endpoint": base + "/introspect",
    }


def _authentication(settings: Settings) -> dict[str, list[str]]:
    """How they do: with a certificate only where they can show one."""
    missing = () if settings.mutual_tls is not None else CERTIFICATE_METHODS
    found = {}
    for endpoint in ("token", "revocation", "introspection"):
        methods = CONFIDENTIAL_METHODS if endpoint == "introspection" else ALL_METHODS
        found[f"{endpoint}_endpoint_auth_methods_supported"] = [
            method for method in methods if method not in missing
        ]
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
    return found


def well_known_paths(settings: Settings) -> tuple[str, str]:
    """Both places, as paths on the host.

    RFC 8414 section 3.1 puts the well-known part between host and the issuer's path, without its final
    slash; OpenID Connect Discovery section 4 appends it.
    """
    return (
        "/.well-known/oauth-authorization-server" + settings.path,
        settings.path + "/.well-known/openid-configuration",
    )
