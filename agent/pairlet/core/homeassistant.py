"""What Home Assistant is told about a device, in the device form of its MQTT discovery.

One retained message describes the device and its entities, with the abbreviated keys that Home Assistant
documents: a board sends it, too.
"""

import hashlib
import json

from .quantity import is_about_the_device, label, quantity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .telemetry import Topics

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
# Keeps our own entities apart from values that are called alike.
_OURS = "pairlet_"
# Commands that are of use as a button: they take no arguments, and may come twice.
_BUTTONS = (("ping", "Ping"), ("report-now", "Report now"))
# What is replayed after an interruption is no news, and what is missing in a sample leaves the state alone.
_OF_SAMPLE = "{{ value_json.v['%s'] | default('') if value_json.historical is not defined else '' }}"
_OF_TIME = "{{ value_json.%s | as_datetime if value_json.%s else None }}"


def object_id(device_id: str) -> str:
    """`device_id` as it stands in discovery topics, where only letters, digits, - and _ may be."""
    return "".join([character if character in _LETTERS else "__" for character in device_id])


def discovery_topic(prefix: str, device_id: str) -> str:
    """Where the description goes, retained; nothing there, or an empty payload, removes the device."""
    return f"{prefix}/device/{object_id(device_id)}/config"


def is_entity(name: str) -> bool:
    """Whether the value `name` can be an entity: a template quotes it, and a topic may hold it."""
    return 0 < len(name) <= 64 and all(character in _LETTERS for character in name)


def description(
    device: "tuple[str, str]",
    version: str,
    topics: "Topics",
    names: "list[str]",
    gone: "list[str]",
    allowed: "list[str]",
) -> bytes:
    """The payload for discovery_topic().

    device: (device_id, name). version: of Pairlet. names: of the values in its samples. gone: those that
    there were once, whose entities are to go. allowed: commands that it obeys.
    """
    device_id, device_name = device
    own = object_id(device_id)
    parts: dict[str, object] = {}
    for name in names:
        parts[name] = _sensor(own, name)
    for name in gone:
        parts[name] = {"p": "sensor"}
    for name, part in _diagnostics(own, topics.diagnostics):
        parts[name] = part
    for command, text in _BUTTONS:
        part = {"p": "button"}
        if command in allowed:
            part["name"], part["uniq_id"] = text, f"{own}_{_OURS}{command}"
            part["cmd_t"], part["pl_prs"], part["ent_cat"] = topics.commands + command, "{}", "diagnostic"
        parts[_OURS + command] = part
    return json.dumps(
        {
            "dev": {"ids": [own], "name": device_name, "mf": "Pairlet", "sw": version},
            "o": {"name": "Pairlet", "sw": version},
            "avty_t": topics.status,
            "stat_t": topics.telemetry,
            "qos": 1,
            "cmps": parts,
        }
    ).encode()


def _sensor(own: str, name: str) -> "dict[str, object]":
    quantity = quantity_of(name)
    part: dict[str, object] = {
        "p": "sensor",
        "name": label(name),
        "uniq_id": f"{own}_{name}",
        "val_tpl": _OF_SAMPLE % name,
        "stat_cla": quantity.state_class,
    }
    if quantity.unit is not None:
        part["unit_of_meas"] = quantity.unit
    if quantity.device_class is not None:
        part["dev_cla"] = quantity.device_class
    if is_about_the_device(name):
        part["ent_cat"] = "diagnostic"
    return part


def _diagnostics(own: str, topic_name: str) -> "list[tuple[str, dict[str, object]]]":
    """Entities for what diagnostics() says."""
    parts: list[tuple[str, dict[str, object]]] = []
    for name, text, facts in (
        ("token_expires_at", "Access token ends", {"dev_cla": "timestamp", "val_tpl": _OF_TIME}),
        ("backlog", "Samples waiting", {"stat_cla": "measurement"}),
        ("reconnects", "Reconnects", {"stat_cla": "total_increasing"}),
    ):
        part: dict[str, object] = {"p": "sensor", "name": text, "uniq_id": f"{own}_{_OURS}{name}"}
        part["stat_t"], part["ent_cat"] = topic_name, "diagnostic"
        part["val_tpl"] = "{{ value_json.%s }}" % name
        for key, value in facts.items():
            part[key] = value.replace("%s", name)
        parts.append((_OURS + name, part))
    return parts


def diagnostics(token_expires_at: "int | None", backlog: int, reconnects: int) -> bytes:
    """The payload of `P/diagnostics`: when the access token ends (Unix time in seconds; None: nobody knows),
    how much waits for the broker, and how often the connection was lost since the start."""
    return json.dumps(
        {"token_expires_at": token_expires_at, "backlog": backlog, "reconnects": reconnects}
    ).encode()


def mark(payload: bytes) -> bytes:
    """What `payload` is known by: it is long, and a board has better use for the room."""
    return bytes(hashlib.sha256(payload).digest())
