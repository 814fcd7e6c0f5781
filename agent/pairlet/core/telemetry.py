"""Samples as they go over MQTT, and the topics they go to."""

import json
from collections import namedtuple

from .errors import ConfigError

# seq: number of the sample since the agent started. t: Unix time in ms, or None while the clock is
# unset. values: name to number. taken_at: ms of the machine clock.
Sample = namedtuple("Sample", ("seq", "t", "values", "taken_at"))

ONLINE = b"online"
OFFLINE = b"offline"


def encode(sample: Sample, historical: bool) -> bytes:
    """The payload of a telemetry message: {"t": ms, "seq": n, "v": {...}} and "historical" when replayed.

    Values that JSON has no word for (NaN, infinities) are left out.
    """
    values = {name: value for name, value in sample.values.items() if value - value == 0}
    record = {"t": sample.t, "seq": sample.seq, "v": values}
    if historical:
        record["historical"] = True
    return json.dumps(record, separators=(",", ":")).encode()


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
        self.status = base + "/status"
