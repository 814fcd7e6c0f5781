"""What makes a Glewlwyd from nothing: its configuration file, and what its administrator sets over HTTP."""

import json
from pathlib import Path
from typing import Any

import requests
from joserfc import jwk
from support.broker_process import HOST, TIMEOUT

# Debian's package brings it.
SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_MODULES = Path("/usr/lib/glewlwyd")
# Whom the schema comes with.
_FIRST = {"username": "admin", "password": "password"}


def configuration(base: str, port: int, tls: tuple[str, str], database: Path) -> str:
    """The file that it is started with, for the URL `base`; `tls` is (certificate file, key file)."""
    texts = {
        "bind_address": HOST,
        "external_url": base,
        "login_url": "login.html",
        "api_prefix": "api",
        "log_mode": "console",
        "log_level": "DEBUG",
        "session_key": "GLEWLWYD2_SESSION_ID",
        "admin_scope": "g_admin",
        "profile_scope": "g_profile",
        "user_module_path": str(_MODULES / "user"),
        "client_module_path": str(_MODULES / "client"),
        "user_auth_scheme_module_path": str(_MODULES / "scheme"),
        "plugin_module_path": str(_MODULES / "plugin"),
        "static_files_path": "/usr/share/glewlwyd/webapp",
        "secure_connection_pem_file": tls[0],
        "secure_connection_key_file": tls[1],
        "hash_algorithm": "SHA512",
    }
    lines = [f"port={port}", "use_secure_connection=true", "cookie_secure=1"]
    lines += [f"{name}={json.dumps(text)}" for name, text in texts.items()]
    lines.append(f'database = {{ type="sqlite3", path={json.dumps(str(database))} }};')
    return "\n".join(lines) + "\n"


def plugin(issuer: str, scope: str) -> dict[str, Any]:
    """Parameters of its plugin for OAuth 2 and OpenID Connect: all grants of today, rotation, ES256."""
    key = jwk.ECKey.generate_key("P-256", {"kid": "first", "alg": "ES256", "use": "sig"})
    return {
        "iss": issuer,
        "jwks-private": json.dumps({"keys": [key.as_dict(private=True)]}),
        "jwks-show": True,
        "allowed-scope": scope.split(),
        "subject-type": "public",
        "access-token-duration": 3600,
        "refresh-token-duration": 1209600,
        "refresh-token-rolling": True,
        "refresh-token-one-use": "always",
        "code-duration": 600,
        "allow-non-oidc": True,
        "auth-type-code-enabled": True,
        "auth-type-token-enabled": False,
        "auth-type-id-token-enabled": True,
        "auth-type-none-enabled": False,
        "auth-type-password-enabled": False,
        "auth-type-client-enabled": True,
        "auth-type-device-enabled": True,
        "auth-type-refresh-enabled": True,
        "oauth-as-iss-id": True,
        "pkce-allowed": True,
        "pkce-required": True,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
    }


class Administrator:
    """Signs in at the server with the URL `base`, and adds things to it. Raises requests.HTTPError."""

    def __init__(self, session: requests.Session, base: str):
        self._session = session
        self._base = base
        self._post("auth", _FIRST)

    def add(self, kind: str, **members: Any) -> None:
        """A scope, user, client or mod/plugin, by the members that the server's API has for it."""
        self._post(kind, members | {"enabled": True})

    def add_plugin(self, name: str, parameters: dict[str, Any]) -> None:
        """An authorization server of its own, at /api/NAME."""
        self.add("mod/plugin", module="oidc", name=name, display_name=name, parameters=parameters)

    def add_client(
        self,
        client_id: str,
        *grants: str,
        secret: str = "",
        method: str = "client_secret_basic",
        **members: Any,
    ) -> None:
        """A client for `grants`, as the server calls them; a public one without `secret`."""
        if secret:
            members |= {"client_secret": secret, "confidential": True}
        self.add(
            "client",
            client_id=client_id,
            name=client_id,
            authorization_type=list(grants),
            token_endpoint_auth_method=[method if secret else "none"],
            **members,
        )

    def _post(self, kind: str, members: dict[str, Any]) -> None:
        answer = self._session.post(f"{self._base}/api/{kind}/", json=members, timeout=TIMEOUT)
        answer.raise_for_status()
