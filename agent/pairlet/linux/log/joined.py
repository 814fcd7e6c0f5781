"""Everything of a log around an agent: its ports, its listener, its status line."""

from collections.abc import Callable
from typing import Any

from .events import LoggedEvents
from .ports import LoggedHttp, LoggedMqtt, LoggedStore
from .status import StatusLine


def with_log(ports: Any, listener: Callable[..., None]) -> tuple[Any, StatusLine]:
    """The `ports` of an agent (a namedtuple) with the log in between, and its new listener."""
    http = LoggedHttp(ports.http)
    mqtt = LoggedMqtt(ports.mqtt) if ports.mqtt else None
    logged = ports._replace(http=http, mqtt=mqtt, store=LoggedStore(ports.store))
    return logged, StatusLine(LoggedEvents(listener), http, ports.clock)
