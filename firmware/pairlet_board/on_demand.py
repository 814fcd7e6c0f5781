"""Ports of a board whose code is in memory only while it is needed: exchanges, measuring, MQTT.

`config` is a pairlet.settings.Settings here, asked by its methods.
"""

import asyncio
import gc

from pairlet.core.errors import ConfigError

from . import tls
from .memory import unload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from typing import Any

    from pairlet.core.http import Request, Response
    from pairlet.core.mqtt import Credentials, Message
    from pairlet.ports import Clock, Log

# What only one exchange takes, and what is taken until the device is paired.
_FOR_AN_EXCHANGE = ["pairlet_board.http", "pairlet_board.http_parser", "pairlet.core.dialect"]
TO_FIND = ["pairlet.discovery", "pairlet.core.discovery"]
TO_PAIR = TO_FIND + [
    "pairlet.prompting", "pairlet.pairing", "pairlet.parameters", "pairlet.pending", "pairlet.core.stamp",
    "pairlet.unpairing", "pairlet.refreshing", "pairlet.core.device_grant", "pairlet.core.refresh_grant",
    "pairlet.core.revocation", "pairlet.core.token_record", "pairlet.core.answer",
    "pairlet.core.json_object", "pairlet.core.finding", "pairlet.core.thinning", "pairlet.remote_settings",
    "pairlet.login", "pairlet.broker_profiles",
]  # fmt: skip
TO_PUBLISH = [
    "pairlet.link", "pairlet.greeting", "pairlet.delivery", "pairlet.echo_check",
    "pairlet.refusals", "pairlet.core.suspects", "pairlet.core.step", "pairlet.core.mqtt", "pairlet.downlink",
    "pairlet.announcing",
    "pairlet_board.mqtt", "pairlet_board.mqtt_session", "pairlet_board.mqtt_packets",
    "pairlet.storing", "pairlet.core.outbox", "pairlet.core.stream", "pairlet.core.backlog",
    "pairlet.core.segments", "pairlet.core.frames", "pairlet.core.payload", "pairlet_board.log",
]  # fmt: skip


class Http:
    """The port Http: the code and the certificates of an exchange are in memory only while there is one."""

    needs_room = True  # as BoardHttp, which is not there yet

    def __init__(self, clock: "Clock", config: "Any"):
        self._clock = clock
        self._config = config

    async def exchange(self, request: "Request") -> "Response":
        """See pairlet.ports.Http."""
        from pairlet_board.http import BoardHttp

        gc.collect()
        try:
            plain = self._config.flag("oauth.insecure_http")
            http = BoardHttp(self._clock, make_context(self._config, "oauth"), insecure_http=plain)
            # A TLS handshake needs much of a Pico W's stack, and a task begins at the bottom of it.
            response: Response = await asyncio.create_task(http.exchange(request))
            return response
        finally:
            del BoardHttp
            unload(_FOR_AN_EXCHANGE)


class Sensors:
    """The port Sensors: read in at the first sample."""

    def __init__(
        self,
        machine: "Any",
        clock: "Clock",
        names: "list[str] | None",
        rssi: "Callable[[], int | None]",
        inputs: "dict[str, int] | None",
    ):
        self._what = (machine, clock, names, rssi, inputs)
        self._sensors: Any = None

    async def read(self) -> "dict[str, int | float]":
        """See pairlet.ports.Sensors. Raises ConfigError for a name that this board has not."""
        if self._sensors is None:
            from pairlet_board.sensors import BoardSensors

            self._sensors = BoardSensors(*self._what, module("esp32"))
        sample: dict[str, int | float] = await self._sensors.read()
        return sample


class Mqtt:
    """The port Mqtt: read in at the first connect, so that pairing has the room."""

    def __init__(self, clock: "Clock", config: "Any", device_id: str):
        self._clock = clock
        self._config = config
        self._device_id = device_id
        self._client: Any = None
        self.was_unpaired = False  # then the next disconnect makes room for pairing anew

    async def connect(self, credentials: "Credentials", will: "Message | None") -> bool:
        """See pairlet.ports.Mqtt."""
        if self._client is None:
            unload(TO_PAIR)
            config = self._config
            # Certificates are read in one piece: before what is read in below has cut up the heap.
            context = make_context(config, "mqtt")
            from pairlet_board.mqtt import BoardMqtt
            from pairlet_board.mqtt_session import Session

            client_id = config.text("mqtt.client_id") or self._device_id
            session = Session(client_id, config.integer("mqtt.keep_alive") // 1000, window=4, most=1024)
            self._client = BoardMqtt(
                session,
                config.text("mqtt.url"),
                self._clock,
                context=context,
                insecure=config.flag("oauth.insecure_http"),
            )
            self.publish = self._client.publish
            self.room, self.send = self._client.room, self._client.send
            self.subscribe = self._client.subscribe
            self.next_event = self._client.next_event
        session_present: bool = await self._client.connect(credentials, will)
        return session_present

    async def disconnect(self) -> None:
        """See pairlet.ports.Mqtt."""
        if self._client is not None:
            await self._client.disconnect()
        if self.was_unpaired:
            self.let_go()

    def let_go(self) -> None:
        """Forget what publishing takes; the next connect() reads it in again."""
        self.was_unpaired = False
        self._client = self.publish = self.subscribe = self.next_event = self.room = self.send = None
        unload(TO_PUBLISH)


class Logs:
    """The port Logs: in `folder`, read in with what fills it."""

    # Beside a TLS session there is no room for more.
    memory_bytes = 4096

    def __init__(self, folder: str):
        self._folder = folder

    def __call__(self, name: str) -> "Log":
        """See pairlet.ports.Logs."""
        from pairlet_board.log import SegmentFiles

        return SegmentFiles(self._folder, name)


def make_context(config: "Any", table: str) -> "SSLContext | None":
    """The TLS context for `table`'s peer: from its ca_file, or oauth's. None without one."""
    path = config.text(table + ".ca_file") or config.text("oauth.ca_file")
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return tls.context(file.read())
    except OSError:
        raise ConfigError("the CA file %s can't be read" % path, "Copy it to the board.") from None


def module(name: str) -> "Any":
    """The module of that name, None if this board has none."""
    try:
        return __import__(name)
    except ImportError:
        return None
