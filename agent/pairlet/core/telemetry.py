"""The topics of a device, and what goes to them."""

from .errors import ConfigError

ONLINE = b"online"
OFFLINE = b"offline"


def finite(values: "dict[str, int | float]") -> "dict[str, int | float]":
    """`values` without those that JSON has no word for (NaN, infinities)."""
    return {name: value for name, value in values.items() if value - value == 0}


class Topics:
    """The topic names of one device below `prefix` (`{device_id}` in it stands for the device's).

    Raises ConfigError for a prefix that is no topic name (MQTT 5 section 4.7).
    """

    def __init__(self, prefix: str, device_id: str):
        base = prefix.replace("{device_id}", device_id)
        while base.endswith("/"):
            base = base[:-1]
        if not base or "+" in base or "#" in base or "\0" in base or base.startswith("$"):
            raise ConfigError(
                "mqtt.topic_prefix can't be a topic name: '%s'" % prefix,
                "Use something like devices/{device_id}, without + and #.",
            )
        self.telemetry = base + "/telemetry"
        self.event = base + "/event"
        self.status = base + "/status"
        self.diagnostics = base + "/diagnostics"
        # What comes before the name of a command.
        self.commands = base + "/cmd/"
        self.replies = base + "/reply/"
