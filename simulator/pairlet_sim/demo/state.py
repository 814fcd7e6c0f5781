"""What has happened in a demo so far: everything that a view shows."""

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Device:
    """One device of the demo. Its own events fill it, and what arrives from it at the broker.

    `name`: as in the middle of a sentence, "the board". `about`: what kind of device it is, or "".
    `prefix`: what its lines in the log begin with. `display`: asks for the pixels on its display. Times are
    seconds of `time.monotonic`.
    """

    device_id: str
    name: str
    log: deque[str] = field(repr=False)
    prefix: str = ""
    about: str = ""
    phase: str = "starting"
    user_code: str = ""
    verification_uri: str = ""
    verification_uri_complete: str = ""
    code_ends: float = 0
    scope: str = ""
    token_issued: float = 0
    token_ends: float = 0
    refreshed: int = 0
    connections: int = 0
    arrived: int = 0
    status: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    display: Callable[[], list[bytes]] | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the main job was done: paired, and telemetry arrived."""
        return self.token_issued > 0 and self.arrived > 0

    @property
    def pixels(self) -> list[bytes]:
        """What is on its display, a bytes object a line, 1 for a pixel that is lit; empty without one."""
        return self.display() if self.display is not None else []

    def tell(self, line: str) -> None:
        """Add a line about this device to the log."""
        self._log(self.prefix + line)

    def _log(self, line: str) -> None:
        self.log.append(time.strftime("%H:%M:%S ") + line)

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the device, with the fields of `pairlet run --json`."""
        handler = getattr(self, "_hear_" + str(event.get("event")), None)
        if handler is not None:
            handler(event)

    def _hear_code(self, event: dict[str, Any]) -> None:
        self.phase = "waiting"
        self.user_code = event["user_code"]
        self.verification_uri = event["verification_uri"]
        self.verification_uri_complete = event["verification_uri_complete"] or self.verification_uri
        self.code_ends = time.monotonic() + event["expires_in"]
        self._log(f"{self.name} shows the code {self.user_code}")

    def _hear_paired(self, event: dict[str, Any]) -> None:
        self.phase = "paired"
        self.scope = event["scope"]
        self._new_token(event)
        self.tell(f"paired; granted: {self.scope}")

    def _hear_refreshed(self, event: dict[str, Any]) -> None:
        self.refreshed += 1
        self._new_token(event)
        self.tell("the token was refreshed" + (" and rotated" if event["rotated"] else ""))

    def _new_token(self, event: dict[str, Any]) -> None:
        self.token_issued = time.monotonic()
        self.token_ends = self.token_issued + (event["expires_in"] or 0)

    def _hear_denied(self, event: dict[str, Any]) -> None:
        self.phase = "denied"
        self.tell("denied: the person said no")

    def _hear_expired(self, event: dict[str, Any]) -> None:
        self.phase = "expired"
        self.tell("the code expired")

    def _hear_unpaired(self, event: dict[str, Any]) -> None:
        self.phase = "starting"
        self.tell(f"un-paired: {event['reason']}")

    def _hear_mqtt_connected(self, event: dict[str, Any]) -> None:
        self.connections += 1
        self.tell("connected to the broker with the access token")

    def _hear_mqtt_disconnected(self, event: dict[str, Any]) -> None:
        self.tell(f"left the broker: {event['reason']}")

    def _hear_error(self, event: dict[str, Any]) -> None:
        self.tell(f"trouble: {event['error_description'] or event['error']}")

    def see(self, subtopic: str, payload: bytes) -> None:
        """Take a message that arrived at the broker below this device's topic."""
        if subtopic == "status":
            status = payload.decode("utf-8", "replace")
            if status != self.status:
                self.tell(f"the broker's retained status: {status}")
            self.status = status
        elif subtopic == "telemetry":
            self.arrived += 1
            self.values = json.loads(payload)["v"]


@dataclass
class State:
    """The demo: the account a person signs in with, the addresses, the devices, and a log of it all."""

    username: str = ""
    password: str = field(default="", repr=False)
    server: str = ""
    broker: str = ""
    devices: list[Device] = field(default_factory=list)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def complete(self) -> bool:
        """Whether every device did its main job."""
        return bool(self.devices) and all(device.complete for device in self.devices)

    @property
    def waiting(self) -> list[Device]:
        """The devices that wait for a person."""
        return [device for device in self.devices if device.phase == "waiting"]

    def tell(self, line: str) -> None:
        """Add a line to the log."""
        self.log.append(time.strftime("%H:%M:%S ") + line)

    def see(self, topic_name: str, payload: bytes) -> None:
        """Take a message that arrived at the broker; what belongs to no device is not looked at."""
        _, _, rest = topic_name.partition("/")
        device_id, _, subtopic = rest.partition("/")
        for device in self.devices:
            if device.device_id == device_id:
                device.see(subtopic, payload)
