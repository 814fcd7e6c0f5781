"""What a sensor gave, as named numbers: checked, since people write sensors."""

import math
import re
from typing import NamedTuple

from ...core.errors import PairletError

# A name is part of a JSON member, a topic's payload and a metric; all of them take this.
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST_VALUES = 64
# Receivers read numbers as 64 bits; what is larger would be another number there.
_LARGEST = 2**63


class SensorError(PairletError):
    """A sensor has no value to give, and why."""

    def _usual_advice(self) -> str:
        return "Look after that sensor; everything else is measured and published all the same."


class Reading(NamedTuple):
    """`values` by name; `left_out`: what was wrong with the rest, "" if nothing was."""

    values: dict[str, int | float]
    left_out: str = ""


def reading_of(given: object, name: str, prefix: str = "") -> Reading:
    """What a sensor `given` means: a number is the value `name`, an object is values by name.

    `prefix` comes before the names of an object, with an underscore. None and numbers that are not
    finite say that there is nothing to tell now. Raises SensorError for anything but these.
    """
    if given is None:
        return Reading({})
    if not isinstance(given, dict):
        value = number(given)
        return Reading({} if value is None else {name: value})
    values: dict[str, int | float] = {}
    left_out = ""
    for key, each in given.items():
        full = f"{prefix}_{key}" if prefix else key
        try:
            if not isinstance(full, str) or not NAME.fullmatch(full):
                raise SensorError(f"{ascii(full)[:80]} can't be a name: it takes a-z, 0-9 and _")
            if len(values) >= _MOST_VALUES:
                raise SensorError(f"it gives more than {_MOST_VALUES} values")
            value = None if each is None else number(each, full)
        except SensorError as error:
            left_out = left_out or str(error)
        else:
            if value is not None:
                values[full] = value
    return Reading(values, left_out)


def number(given: object, name: str = "") -> int | float | None:
    """A number fit for JSON, None for one that is not finite. Raises SensorError for what is none.

    What counts and calculates like a number is one, whatever its type (NumPy's, Decimal).
    """
    what = f"{name}: " if name else ""
    kind = type(given)
    if kind is bool or not (hasattr(kind, "__index__") or hasattr(kind, "__float__")):
        raise SensorError(f"{what}it gives {_kind(given)} in place of a number")
    try:
        value: int | float = int(given) if hasattr(kind, "__index__") else float(given)  # type: ignore[call-overload, arg-type]
    except Exception:
        raise SensorError(f"{what}it gives {_kind(given)} that makes no number") from None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if abs(value) >= _LARGEST:
        raise SensorError(f"{what}it gives a number of more than 64 bits")
    return value


def _kind(given: object) -> str:
    words = {bool: "true or false", str: "text", list: "a list", dict: "an object", bytes: "bytes"}
    return words.get(type(given), f"a value of type {type(given).__name__}")
