"""Settings of broker, sensors and commands, looked at as a whole before anybody pairs for them."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from .handlers import FunctionHandlers
    from .sensors.choice import Choice

# As long as the ids that are made up.
_ANY_DEVICE = "pairlet-00000000"


def check_telemetry(config: Settings, file: Path | None) -> "Choice":
    """The sensors, once the settings of sensors, broker and commands are fit for use. Raises ConfigError.

    `file`: pairlet.toml, None if there is none.
    """
    from .sensors.choice import Choice

    check_broker(config)
    return Choice(config.texts("telemetry.sensors"), file)


def check_broker(config: Settings) -> None:
    """ConfigError unless the settings of broker and commands are fit for use, on a board as well."""
    from ..core.handlers import handlers_of
    from ..login import make_login
    from .mqtt_address import parse_address

    parse_address(config.text("mqtt.url"), insecure=config.flag("oauth.insecure_http"))
    make_login(config, config.text("pairing.device_id") or _ANY_DEVICE)
    handlers_of(config.texts("commands.handlers") or [])


def handlers_for(config: Settings, file: Path | None) -> "FunctionHandlers | None":
    """What commands of the owner's own do. This imports their modules. Raises ConfigError."""
    words = config.texts("commands.handlers")
    if not words:
        return None
    from .handlers import FunctionHandlers

    return FunctionHandlers(words, config.integer("commands.timeout") / 1000, file)
