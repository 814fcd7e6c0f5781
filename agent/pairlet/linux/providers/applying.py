"""The settings that a provider's profile presets, beneath those that are given."""

from collections.abc import Container
from pathlib import Path

from ...core.errors import ConfigError
from .profile import Profile
from .reading import read

Tables = dict[str, dict[str, object]]

_AUTH = "client_auth"
# Tables to which one adds; what is given replaces any other setting as a whole.
_UNITED = ("extra", "token_extra")
_SECRETS = {"client_secret_file", "client_secret_credential", "client_secret_env"}


def presets(
    oauth: dict[str, object], beside: Path, where: str, known: Container[str] | None = None
) -> tuple[Tables, Profile | None]:
    """What the profile that `oauth` names presets, as tables of pairlet.toml; and the profile, None for none.

    `oauth`: the settings of that table as they are given. `beside`: where a profile's file is looked for.
    `where`: whose settings they are, for messages. `known`: all settings that there are, as "oauth.scope",
    for who knows them. Raises ConfigError for a profile that can't be used, and
    when something is missing that the provider needs.
    """
    named = oauth.get("provider")
    if not isinstance(named, str) or not named:
        return {}, None
    profile = read(named, beside)
    for key in profile.needs:
        if known is not None and key not in profile.values and f"oauth.{key}" not in known:
            raise ConfigError(
                f"{profile.path}: needs has '{key}' in it",
                "It takes settings of [oauth], and what is in [values].",
            )
    given = oauth.get("provider_values")
    values = profile.filled_values(given if isinstance(given, dict) else {}, where)
    found = profile.presets(values, where)
    if _AUTH in found["oauth"] and not _SECRETS & set(oauth):
        # How to send a secret says nothing to a client that has none.
        del found["oauth"][_AUTH]
    missing = profile.missing({key for key, value in (found["oauth"] | oauth).items() if value})
    if missing is not None:
        key, words = missing
        raise ConfigError(f"{where}: {profile.name} needs oauth.{key}", f"Set it: {words}.")
    return found, profile


def over(preset: dict[str, object], given: dict[str, object], table: str = "") -> dict[str, object]:
    """`given` over `preset`: settings, whose names begin with `table`. A table of further parameters has
    those of both."""
    merged = preset | given
    for key in _UNITED:
        below, above = preset.get(table + key), given.get(table + key)
        if isinstance(below, dict) and isinstance(above, dict):
            merged[table + key] = below | above
    return merged
