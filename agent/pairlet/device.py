"""Who this device is: an id made up once and kept, and a name for people."""

import json
from collections import namedtuple

from .core.errors import ConfigError, ProtocolError, StoreError
from .core.json_object import parse, text_member
from .core.text import clean
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Emit
    from .ports import Entropy, Store
    from .settings import Settings

# device_id: fit for a topic name. name: what a person sees.
Device = namedtuple("Device", ("device_id", "name"))

# The value in the store. Where other processes use it too, whoever identifies is alone with it.
DEVICE = "device"
_ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


def identify(
    config: "Settings", store: "Store", entropy: "Entropy", host_name: str, emit: "Emit"
) -> Device:
    """This device: as configured, else as made up on its first start. Raises ConfigError and StoreError.

    `emit` hears an "error" when what was kept can't be read: the device has another id from then on.
    """
    device_id = config.text("pairing.device_id")
    if device_id:
        if len(device_id) > 64 or not all(character in _ALLOWED for character in device_id):
            raise ConfigError(
                "pairing.device_id can't be part of a topic name",
                "Use up to 64 letters, digits, dots, dashes and underscores.",
            )
    else:
        device_id = _kept(store, emit) or _made_up(store, entropy)
    name = config.text("pairing.device_name") or host_name or device_id
    return Device(device_id, clean(name, 64))


def _kept(store: "Store", emit: "Emit") -> "str | None":
    data = store.load(DEVICE)
    if data is None:
        return None
    try:
        device_id = text_member(parse(data), "device_id", 64)
    except ProtocolError:
        device_id = None
    if device_id is None or not all(character in _ALLOWED for character in device_id):
        place = store.set_aside(DEVICE)
        tell_error(
            emit,
            StoreError(
                f"the stored device_id can't be read; it is kept as {place}",
                "The device has a new one: set pairing.device_id to the old one if others know it by that.",
            ),
        )
        return None
    return device_id


def _made_up(store: "Store", entropy: "Entropy") -> str:
    device_id = "pairlet-" + "".join(["%02x" % byte for byte in entropy.random_bytes(4)])
    store.save(DEVICE, json.dumps({"device_id": device_id}).encode())
    return device_id
