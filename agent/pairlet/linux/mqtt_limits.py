"""What may be sent: by MQTT itself, and by what a broker said in its CONNACK (MQTT 5 section 3.2.2.3)."""

from paho.mqtt.properties import Properties

from ..core.errors import ConfigError
from ..core.mqtt import Message

# In flight at once. paho is fastest with 20 to 100 of them; more makes every acknowledgement dearer.
WINDOW = 20

_MOST_BYTES = 268_435_455  # the largest Remaining Length (section 2.1.4)

_PACKET_TOO_LARGE = 0x95
_RETAIN_NOT_SUPPORTED = 0x9A
_QOS_NOT_SUPPORTED = 0x9B


class Limits:
    """The broker's own limits; MQTT 3.1.1 knows none of them.

    A broker ends the connection over a PUBLISH beyond them, and would do so again each time the
    message is retried. So such a message is refused here, with the reason code of the broker's words.
    """

    def __init__(self, properties: Properties | None = None, max_packet: int = 0):
        """`max_packet`: what a broker is known to take that does not say it itself, 0: not known."""
        # Zero is forbidden (section 3.2.2.3.3) and would mean to wait for ever.
        self.window: int = max(1, min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)))
        self.keep_alive: int | None = getattr(properties, "ServerKeepAlive", None)
        self._most_bytes: int = getattr(properties, "MaximumPacketSize", max_packet or _MOST_BYTES)
        self._most_qos: int = getattr(properties, "MaximumQoS", 2)
        self._retains: bool = bool(getattr(properties, "RetainAvailable", 1))

    def refusal(self, message: Message) -> int:
        """The reason code for a message that the broker can't take, or 0."""
        # Fixed header, length of the topic name, packet_id and an empty property list: 10 at most.
        if len(message.topic_name.encode()) + len(message.payload) + 10 > self._most_bytes:
            return _PACKET_TOO_LARGE
        if message.qos > self._most_qos:
            return _QOS_NOT_SUPPORTED
        if message.retain and not self._retains:
            return _RETAIN_NOT_SUPPORTED
        return 0


def check_topic_name(topic_name: str) -> None:
    """ConfigError for what no PUBLISH and no will may carry (MQTT 5 section 3.3.2.1)."""
    try:
        length = len(topic_name.encode())
    except UnicodeEncodeError:
        length = 0
    if not 0 < length <= 65535 or any(character in topic_name for character in "+#\0"):
        raise ConfigError("mqtt.topic_prefix: " + ascii(topic_name[:80]) + " is no topic name to publish to.")
