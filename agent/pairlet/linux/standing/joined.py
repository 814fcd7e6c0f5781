"""An agent's ports with somebody looking on."""

from collections.abc import Callable
from typing import Any

from .standing import Standing


def with_standing(
    ports: Any, listener: Callable[..., None], interval_ms: Callable[[], int]
) -> tuple[Any, Standing]:
    """The `ports` of an agent (a namedtuple) as seen by a Standing, which is its new listener.

    `interval_ms()`: how often the agent measures at present.
    """
    standing = Standing(listener, ports.clock, broker=ports.mqtt is not None, interval_ms=interval_ms)
    sensors = standing.sensors(ports.sensors) if ports.sensors is not None else None
    return ports._replace(display=standing.display(ports.display), sensors=sensors), standing
