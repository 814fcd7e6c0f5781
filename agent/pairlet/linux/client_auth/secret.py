"""Where the client's secret and key come from: files, systemd credentials, the environment; never argv."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...core.errors import ConfigError
from ...core.secret import Secret


class Source(NamedTuple):
    """Where one secret is said to be; each text is "" if it is not there.

    kind: "client_secret" or "client_key". file: a path. credential: the name of a systemd credential.
    variable: the name of an environment variable.
    """

    kind: str
    file: str = ""
    credential: str = ""
    variable: str = ""

    @property
    def words(self) -> str:
        """What it is, in a sentence."""
        return self.kind.replace("_", " ")

    def setting(self) -> str:
        """The setting that names it, "" if none does. Raises ConfigError when several do."""
        ways = (("file", self.file), ("credential", self.credential), ("env", self.variable))
        named = [f"oauth.{self.kind}_{way}" for way, value in ways if value]
        if len(named) > 1:
            raise ConfigError(
                f"the {self.words} comes from two places: {named[0]} and {named[1]}",
                "Keep the one that is right.",
            )
        return named[0] if named else ""


def read_secret(source: Source, environ: Mapping[str, str]) -> Secret | None:
    """The secret, or None if the source names no place. White space around it is not part of it.

    Raises ConfigError when the source names several places, or one where nothing is.
    """
    setting = source.setting()
    if not setting:
        return None
    if source.variable:
        return _from_variable(source, environ)
    path = place(source, environ)
    try:
        # Some editors begin a file with a byte order mark, which nobody sees and no secret has.
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"the {source.words} in {path} can't be read: {reason}",
            f"Check {setting} and who may read it.",
        ) from None
    if not text:
        raise ConfigError(f"{path} is empty", f"Put the {source.words} into it, and nothing else.")
    return Secret(text)


def place(source: Source, environ: Mapping[str, str]) -> Path:
    """The file that a source with `file` or `credential` means. Raises ConfigError.

    Credentials are in the folder that systemd names in CREDENTIALS_DIRECTORY (LoadCredential=,
    systemd.exec(5)). Where the service's unit hands a file over as a credential of the name `kind`, it is
    read from there, as the service may not look elsewhere.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not source.credential:
        given = Path(folder) / source.kind if folder else None
        return given if given is not None and given.exists() else Path(os.path.expanduser(source.file))
    if "/" in source.credential or source.credential in (".", ".."):
        raise ConfigError(
            f"oauth.{source.kind}_credential is not a name",
            "Write the name that LoadCredential= in the service's unit gives it; a path goes to "
            f"oauth.{source.kind}_file.",
        )
    if not folder:
        raise ConfigError(
            f"there is no systemd credential {source.credential}: CREDENTIALS_DIRECTORY is not set",
            f"Add LoadCredential={source.credential}:/path/to/the/{source.kind} to the service's unit, or "
            f"use oauth.{source.kind}_file.",
        )
    return Path(folder) / source.credential


def _from_variable(source: Source, environ: Mapping[str, str]) -> Secret:
    text = environ.get(source.variable, "").strip()
    if not text:
        raise ConfigError(
            f"the environment variable {source.variable} holds no {source.words}",
            f"Set it for this program, or correct oauth.{source.kind}_env: its name, not the "
            f"{source.words.partition(' ')[2]}.",
        )
    return Secret(text)
