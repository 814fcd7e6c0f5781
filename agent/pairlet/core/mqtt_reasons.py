"""What the reason codes of MQTT mean, in a person's words."""

_REASONS = {
    1: "the broker does not speak this protocol version",
    2: "the broker does not accept this client_id",
    3: "the broker is not available",
    4: "the broker does not accept this user name or token",
    5: "the broker does not authorize this client",
    0x80: "unspecified error",
    0x84: "the broker does not speak this protocol version",
    0x85: "the broker does not accept this client_id",
    0x86: "the broker does not accept this user name or token",
    0x87: "not authorized",
    0x88: "the broker is not available",
    0x89: "the broker is busy",
    0x8B: "the broker is shutting down",
    0x8C: "the broker does not know this authentication method",
    0x8D: "keep alive time-out",
    0x8E: "another client took over this client_id",
    0x90: "the broker does not accept this topic name",
    0x95: "the packet is too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9C: "use another server",
    0x9D: "the server moved",
    0xA0: "maximum connect time: the token has ended",
}


def reason_text(reason_code: int) -> str:
    """A person's words for a CONNACK return code (1 to 5) or an MQTT 5 reason code."""
    return _REASONS.get(reason_code, f"reason code 0x{reason_code:02X}")
