"""Which MQTT version to speak with a broker that does not say beforehand what it knows."""

from ..core.errors import ConfigError

MQTT_3_1_1 = 4  # the protocol level of a CONNECT (MQTT 3.1.1 section 3.1.2.2, MQTT 5 section 3.1.2.2)
MQTT_5 = 5

_CONFIGURED = {"auto": None, "5": MQTT_5, "3.1.1": MQTT_3_1_1}

# A broker that says no is believed at once. One that says nothing may only be down or starting, so
# that silence counts as knowledge when it was seen in this many connects in a row.
_ENOUGH_SILENCES = 2


class VersionChoice:
    """Decides, connect by connect: MQTT 5 first, MQTT 3.1.1 for brokers that do not know it.

    For each connect: `first()`, then one of `answered`, `refused` and `silent` for each attempt; the
    latter two return the version to try next, or None when there is no other to try. What was
    learnt stays, until the broker says or shows that it has changed.
    """

    def __init__(self, configured: str):
        """`configured`: "auto", "5" or "3.1.1", else ConfigError."""
        if configured not in _CONFIGURED:
            raise ConfigError('mqtt.version must be "auto", "5" or "3.1.1".')
        self._fixed = _CONFIGURED[configured]
        self._known: int | None = None
        self._silences = 0
        self._tried: dict[int, str] = {}

    def first(self) -> int:
        """The version to begin a connect with."""
        self._tried = {}
        return self._fixed or self._known or MQTT_5

    def has_other(self, version: int) -> bool:
        """Whether a broker that leaves `version` without an answer is asked again with another one."""
        return self._fixed is None and self._known is None and version == MQTT_5

    def answered(self, version: int) -> None:
        """The broker speaks `version`: it sent a CONNACK that accepts it or refuses for another reason."""
        before = self._tried.get(MQTT_5)
        if version == self._known or version == MQTT_5 or before == "refused":
            self._known = version
            self._silences = 0
        elif before == "silent":
            self._silences += 1
            if self._silences >= _ENOUGH_SILENCES:
                self._known = version

    def refused(self, version: int) -> int | None:
        """The broker says that it does not speak `version` (CONNACK 0x01 or 0x84)."""
        self._tried[version] = "refused"
        if self._known == version:
            self._known = None
        other = MQTT_3_1_1 if version == MQTT_5 else MQTT_5
        return other if self._fixed is None and other not in self._tried else None

    def silent(self, version: int) -> int | None:
        """The broker took the CONNECT and closed, sent something else, or never answered."""
        probing = self.has_other(version)
        self._tried[version] = "silent"
        if probing:
            return MQTT_3_1_1
        if self._known == MQTT_3_1_1:
            # Perhaps another broker now: the next connect begins with MQTT 5 again.
            self._known, self._silences = None, 0
        elif self._known == MQTT_5:
            self._silences += 1
            if self._silences >= _ENOUGH_SILENCES:
                self._known, self._silences = None, 0
        return None
