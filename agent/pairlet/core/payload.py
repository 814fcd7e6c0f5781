"""Samples and events as they go over MQTT: JSON, encoded once."""

import json

_UNDATED = '{"t":null'
_HISTORICAL = b',"historical":true}'
# Names as JSON has them: a device has few, and they come again with each sample.
_names: "dict[str, str]" = {}
_MOST_NAMES = 64


def encode_sample(t: "int | None", seq: int, values: "dict[str, int | float]") -> bytes:
    """The payload of a telemetry message: {"t": ms, "seq": n, "v": {...}}.

    `t`: Unix time in ms, None while the clock is unset. Numbers that JSON has no word for (NaN,
    infinities) are left out.
    """
    members = []
    for name in values:
        value = values[name]
        if type(value) is int or type(value) is float:
            if value - value == 0:
                members.append(f"{_names.get(name) or _quoted(name)}:{value!r}")
        else:
            members.append(f"{_names.get(name) or _quoted(name)}:{json.dumps(value)}")
    return f'{{"t":{"null" if t is None else t},"seq":{seq},"v":{{{",".join(members)}}}}}'.encode()


def encode_event(t: "int | None", seq: int, name: str, fields: "dict[str, object]") -> bytes:
    """The payload of an event: {"t": ms, "seq": n, "event": name} and `fields`, which JSON must know."""
    text = f'{{"t":{"null" if t is None else t},"seq":{seq},"event":{json.dumps(name)}'
    for key in fields:
        text += f",{json.dumps(key)}:{json.dumps(fields[key])}"
    return (text + "}").encode()


def as_historical(payload: bytes) -> bytes:
    """The payload of a message that is sent later than it was meant to be, or again."""
    return payload if payload.endswith(_HISTORICAL) else payload[:-1] + _HISTORICAL


def is_undated(payload: bytes) -> bool:
    """Whether it says nothing of when it was."""
    return payload.startswith(_UNDATED.encode())


def dated(payload: bytes, t: int) -> bytes:
    """An undated payload with the time `t` (Unix, ms)."""
    return f'{{"t":{t}'.encode() + payload[len(_UNDATED) :]


def _quoted(name: str) -> str:
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    quoted = _names[name] = json.dumps(name)
    return quoted
