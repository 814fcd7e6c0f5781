"""Settings that came from afar: kept over a restart, and as long as the owner leaves the setting alone."""

import json

from .core.errors import ProtocolError, StoreError
from .core.json_object import parse
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Emit
    from .ports import Store

# The store's name for them.
_STORED = "settings"


def interval_ms(store: "Store", configured_ms: int, emit: "Emit") -> int:
    """How often to measure: as set from afar, else as configured, in ms. `emit` hears of a store that fails.

    What was set from afar is over when the owner configures something else than it was to replace.
    """
    try:
        data = store.load(_STORED)
    except StoreError as error:
        tell_error(emit, error)
        return configured_ms
    if data is None:
        return configured_ms
    try:
        record = parse(data)
    except ProtocolError:
        store.set_aside(_STORED)
        return configured_ms
    value = record.get("interval_ms")
    if record.get("instead_of_ms") != configured_ms or isinstance(value, bool):
        return configured_ms
    return value if isinstance(value, int) and value > 0 else configured_ms


def set_interval(store: "Store", milliseconds: "int | None", configured_ms: int) -> int:
    """Keep `milliseconds` as how often to measure; None: as configured. Returns what counts now.

    Raises StoreError; nothing has changed then.
    """
    if milliseconds is None:
        store.delete(_STORED)
        return configured_ms
    record = {"interval_ms": milliseconds, "instead_of_ms": configured_ms}
    store.save(_STORED, json.dumps(record).encode())
    return milliseconds
