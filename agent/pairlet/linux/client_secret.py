"""Where the client secret comes from: a file, a systemd credential or an environment variable; never argv."""

import os
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import ConfigError
from ..core.secret import Secret
from .service.unit import CREDENTIAL

_SETTINGS = ("client_secret_file", "client_secret_credential", "client_secret_env")


def client_secret(file: str, credential: str, variable: str, environ: Mapping[str, str]) -> Secret | None:
    """The secret, or None if none of the three is named.

    `file`: a path; where the service's unit hands that file over as a credential, it is read from there, as
    the service may not look elsewhere. `credential`: a name in the folder that systemd names in
    CREDENTIALS_DIRECTORY (LoadCredential=, systemd.exec(5)). `variable`: a name in `environ`. White space
    around the secret is not part of it. Raises ConfigError when more than one is named, or what is named is
    not there.
    """
    named = [name for name, value in zip(_SETTINGS, (file, credential, variable), strict=True) if value]
    if len(named) > 1:
        raise ConfigError(
            f"the client secret comes from two places: oauth.{named[0]} and oauth.{named[1]}",
            "Keep the one that is right.",
        )
    if variable:
        return _from_variable(variable, environ)
    if credential:
        return _from_credential(credential, environ)
    if not file:
        return None
    folder = environ.get("CREDENTIALS_DIRECTORY")
    given = Path(folder) / CREDENTIAL if folder else None
    path = given if given is not None and given.exists() else Path(os.path.expanduser(file))
    return _from_file(path, named[0])


def _from_variable(variable: str, environ: Mapping[str, str]) -> Secret:
    text = environ.get(variable, "").strip()
    if not text:
        raise ConfigError(
            f"the environment variable {variable} holds no client secret",
            "Set it for this program, or correct oauth.client_secret_env: its name, not the secret.",
        )
    return Secret(text)


def _from_credential(credential: str, environ: Mapping[str, str]) -> Secret:
    if "/" in credential or credential in (".", ".."):
        raise ConfigError(
            "oauth.client_secret_credential is not a name",
            "Write the name that LoadCredential= in the service's unit gives it; a path goes to "
            "oauth.client_secret_file.",
        )
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"there is no systemd credential {credential}: CREDENTIALS_DIRECTORY is not set",
            f"Add LoadCredential={credential}:/path/to/the/secret to the service's unit, or use "
            "oauth.client_secret_file.",
        )
    return _from_file(Path(folder) / credential, "client_secret_credential")


def _from_file(path: Path, setting: str) -> Secret:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"the client secret in {path} can't be read: {reason}",
            f"Check oauth.{setting} and who may read it.",
        ) from None
    if not text:
        raise ConfigError(f"{path} is empty", "Put the client secret into it, and nothing else.")
    return Secret(text)
