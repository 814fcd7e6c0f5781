"""Where a provider's profile and the rest of the configuration are joined."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..config import SETTINGS, Config
from ..registering import RegisteringHttp
from ..translating import TranslatedHttp
from .commands import PATHS, expanded
from .providers.applying import over, presets

if TYPE_CHECKING:
    from ..ports import Clock, Http, Store


def with_provider(config: Config) -> Config:
    """`config` over what the profile presets that it names. Raises ConfigError."""
    given = config.given
    oauth = {name.partition(".")[2]: value for name, value in given.items() if name.startswith("oauth.")}
    tables, profile = presets(oauth, Path(), "the configuration", SETTINGS)
    if profile is None:
        return config
    preset = dict(Config.from_tables(dict(tables), str(profile.path)).given)
    for name in PATHS:
        if preset.get(name):
            preset[name] = str(profile.path.parent / expanded(str(preset[name])))
    return Config(over(preset, given, "oauth."))


def found_beside(value: str, folder: Path) -> str:
    """oauth.provider as a file in `folder` has it: a name stays, a path starts from there."""
    is_path = value.endswith(".toml") or "/" in value
    return str(folder / expanded(value)) if is_path else value


def translated(http: "Http", config: Config, store: "Store", clock: "Clock") -> "Http":
    """`http` as it speaks the dialect that is configured. Raises ConfigError."""
    table, scope = config.get("oauth.dialect"), config.text("oauth.scope")
    assert isinstance(table, dict)
    speaking = TranslatedHttp(http, config)
    registration = table.get("registration")
    if registration is None:
        return speaking
    return RegisteringHttp(http, speaking, registration, scope, store, clock)
