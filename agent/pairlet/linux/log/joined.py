"""Everything of a log around an agent: its ports, its listener, its status line."""

from collections.abc import Callable
from typing import Any

from .events import LoggedEvents
from .ports import LoggedHttp, LoggedMqtt, LoggedStore


def with_log(ports: Any, listener: Callable[..., None]) -> tuple[Any, LoggedHttp, LoggedEvents]:
    """The `ports` of an agent (a namedtuple) with the log in between, its Http, and its new listener."""
    http = LoggedHttp(ports.http)
    mqtt = LoggedMqtt(ports.mqtt) if ports.mqtt else None
    logged = ports._replace(http=http, mqtt=mqtt, store=LoggedStore(ports.store))
    return logged, http, LoggedEvents(listener)
