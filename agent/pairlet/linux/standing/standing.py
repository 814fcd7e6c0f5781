"""Hears what an agent tells, sees what it shows, and so knows how it stands."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...core.outbox import EVENT
from ...core.screen import CODE as CODE_SCREEN
from ...core.screen import DENIED, EXPIRED, SIGN_IN, STARTING, TROUBLE, UNPAIRED, Screen
from . import facts
from .facts import Facts

if TYPE_CHECKING:
    from ...core.outbox import Outbox
    from ...core.token import Token
    from ...ports import Clock, Display, Sensors

# A screen that says nothing of the token: which phase it means.
_PHASES = {
    STARTING: facts.ASKING,
    CODE_SCREEN: facts.CODE,
    SIGN_IN: facts.PERSON,
    UNPAIRED: facts.PERSON,
    DENIED: facts.PERSON,
    EXPIRED: facts.PERSON,
    TROUBLE: facts.PERSON,
}
# Waits that are told of, and are the broker's; the others are the token's.
_BROKERS = ("broker", "delivery")
_COUNTS = (
    *("published", "dropped", "samples", "refreshes", "connections", "errors"),
    *("token_steps", "broker_steps"),
)
# What ends the trouble that was told before.
_GOOD = ("paired", "refreshed", "mqtt_connected")


class Keeper(Protocol):
    """What is asked of the agent's keeper of the token."""

    is_saved: bool

    @property
    def token(self) -> "Token | None": ...

    def refresh_at(self) -> int | None: ...


class Storing(Protocol):
    """What is asked of what keeps the samples that wait."""

    @property
    def outbox(self) -> "Outbox": ...

    @property
    def flushes(self) -> int: ...

    @property
    def fails(self) -> bool: ...


class Watched(Protocol):
    """What is asked of an agent."""

    @property
    def keeper(self) -> Keeper: ...

    @property
    def storing(self) -> Storing | None: ...


class Standing:
    """A listener between an agent and `listener`, to whom it passes everything on.

    `clock`: the agent's. `broker`: whether there is one to publish to. `interval_ms()`: how often it
    measures at present. Whoever is in `followers` is called after each event, with its name.
    """

    def __init__(
        self,
        listener: Callable[..., None],
        clock: "Clock",
        *,
        broker: bool = False,
        interval_ms: Callable[[], int] = int,
    ):
        self.followers: list[Callable[[str], None]] = []
        self._listener = listener
        self._clock = clock
        self._began_at = clock.now()
        self._broker = broker
        self._interval_ms = interval_ms
        self._agent: Watched | None = None
        self._screen = Screen(STARTING)
        self._code_ends_at: int | None = None
        # When the connection began or ended, which of the two, and why it ended.
        self._link_changed_at: int | None = None
        self._is_connected = False
        self._broker_reason = ""
        self._acknowledged_at: int | None = None
        self._sampled_at: int | None = None
        # Until when the agent has said it would wait with the token, and with the broker.
        self._token_waits_until = self._broker_waits_until = 0
        self._trouble = ""
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._sensors_in_trouble: dict[str, None] = {}

    def watch(self, agent: Watched) -> None:
        """Look at `agent` from now on; it is made after its listener."""
        self._agent = agent

    def __call__(self, event: str, **fields: Any) -> None:
        """Hear an event of the agent."""
        hear = _HEARD.get(event)
        if hear is not None:
            hear(self, fields)
        if event in _GOOD:
            self._trouble = ""
        self._listener(event, **fields)
        for follower in self.followers:
            follower(event)

    def sensor_changed(self, title: str, is_well: bool) -> None:
        """One of the sensors has failed or recovered."""
        if is_well:
            self._sensors_in_trouble.pop(title, None)
        else:
            self._sensors_in_trouble[title] = None

    def facts(self) -> Facts:
        """How the agent stands now."""
        now = self._clock.now()
        keeper = self._agent.keeper if self._agent is not None else None
        storing = self._agent.storing if self._agent is not None else None
        token = keeper.token if keeper is not None else None
        refresh_at = keeper.refresh_at() if keeper is not None else None
        return Facts(
            phase=facts.WORKING if token is not None else _PHASES.get(self._screen.kind, facts.STARTING),
            doing=self._screen.message if token is None else "",
            paired=token is not None,
            token_left_ms=token.remaining_ms(now) if token else None,
            token_has_end=token is not None and token.expires_in is not None,
            refresh_in_ms=_until(refresh_at, now),
            # A token in the device's own name has a time for that, and no refresh token.
            can_refresh=token is not None and (token.refresh_token is not None or refresh_at is not None),
            is_saved=keeper is None or keeper.is_saved,
            code_left_ms=_until(self._code_ends_at, now),
            broker=self._broker,
            connected_ms=_since(self._link_changed_at if self._is_connected else None, now),
            disconnected_ms=_since(None if self._is_connected else self._link_changed_at, now),
            broker_reason=self._broker_reason,
            backlog=len(storing.outbox) if storing is not None else 0,
            disk_due_ms=_until(storing.outbox.flush_due(now) if storing is not None else None, now),
            disk_steps=storing.flushes if storing is not None else 0,
            samples_saved=storing is None or not storing.fails,
            acknowledged_ms=_since(self._acknowledged_at, now),
            sampled_ms=_since(self._sampled_at, now),
            interval_ms=self._interval_ms(),
            token_wait_ms=max(0, self._token_waits_until - now),
            broker_wait_ms=max(0, self._broker_waits_until - now),
            trouble=self._trouble,
            uptime_ms=now - self._began_at,
            sensors_in_trouble=tuple(self._sensors_in_trouble),
            **self._counts,
        )

    def display(self, display: "Display") -> "Display":
        """`display` with this looking on."""
        return _SeenDisplay(display, self)

    def sensors(self, sensors: "Sensors") -> "Sensors":
        """`sensors` with this counting the samples."""
        return _CountedSensors(sensors, self)

    def _saw(self, screen: Screen) -> None:
        self._screen = screen
        self._counts["token_steps"] += 1
        if screen.kind != CODE_SCREEN:
            self._code_ends_at = None

    def _took_sample(self) -> None:
        self._counts["samples"] += 1
        self._sampled_at = self._clock.now()

    def _hear_code(self, fields: dict[str, Any]) -> None:
        self._code_ends_at = self._clock.now() + 1000 * int(fields["expires_in"])

    def _hear_refreshed(self, fields: dict[str, Any]) -> None:
        self._counts["refreshes"] += 1
        self._counts["token_steps"] += 1

    def _hear_connected(self, fields: dict[str, Any]) -> None:
        self._counts["connections"] += 1
        self._counts["broker_steps"] += 1
        self._link_changed(True, "")

    def _hear_disconnected(self, fields: dict[str, Any]) -> None:
        self._link_changed(False, str(fields.get("reason", "")))

    def _link_changed(self, is_connected: bool, reason: str) -> None:
        self._is_connected, self._broker_reason = is_connected, reason
        self._link_changed_at = self._broker_waits_until = self._clock.now()

    def _hear_published(self, fields: dict[str, Any]) -> None:
        self._counts["published"] += fields["count"]
        self._acknowledged_at = self._clock.now()

    def _hear_dropped(self, fields: dict[str, Any]) -> None:
        if fields.get("stream") != EVENT:
            self._counts["dropped"] += fields["count"]

    def _hear_waiting(self, fields: dict[str, Any]) -> None:
        until = self._clock.now() + fields["ms"]
        if fields["what"] in _BROKERS:
            self._broker_waits_until = until
            self._counts["broker_steps"] += 1
        else:
            self._token_waits_until = until
            self._counts["token_steps"] += 1

    def _hear_error(self, fields: dict[str, Any]) -> None:
        self._counts["errors"] += 1
        if fields.get("error") != "sensor_error":
            self._trouble = str(fields.get("error_description") or fields.get("error"))


_HEARD: dict[str, Callable[[Standing, dict[str, Any]], None]] = {
    "code": Standing._hear_code,
    "refreshed": Standing._hear_refreshed,
    "mqtt_connected": Standing._hear_connected,
    "mqtt_disconnected": Standing._hear_disconnected,
    "published": Standing._hear_published,
    "dropped": Standing._hear_dropped,
    "waiting": Standing._hear_waiting,
    "error": Standing._hear_error,
}


class _SeenDisplay:
    """The port Display over `display`."""

    def __init__(self, display: "Display", standing: Standing):
        self._display = display
        self._standing = standing

    def show(self, screen: Screen) -> None:
        self._standing._saw(screen)
        self._display.show(screen)

    def close(self) -> None:
        self._display.close()


class _CountedSensors:
    """The port Sensors over `sensors`."""

    def __init__(self, sensors: "Sensors", standing: Standing):
        self._sensors = sensors
        self._standing = standing

    async def read(self) -> dict[str, int | float]:
        sample = await self._sensors.read()
        self._standing._took_sample()
        return sample


def _since(then: int | None, now: int) -> int | None:
    return None if then is None else now - then


def _until(then: int | None, now: int) -> int | None:
    return None if then is None else then - now
