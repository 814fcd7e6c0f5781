"""The part of `pairlet doctor` about telemetry: broker, topics, sensors and what waits."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import BrokerError, ConfigError, PairletError, StoreError, TransportError
from ..core.mqtt import DISCONNECTED, MESSAGE, Event, Message, is_failure
from ..core.mqtt_reasons import reason_text
from ..core.telemetry import Topics
from ..login import make_login
from .commands import open_mqtt
from .commands_doctor_case import Case
from .commands_status import backlog
from .commands_telemetry import handlers_for
from .doctor.report import OK, SKIPPED, WARN, Report, failure
from .log.words import SECOND_MS
from .worker import in_thread

if TYPE_CHECKING:
    from ..ports import Mqtt

# In seconds: for a connection, and as many again for all that is tried on it; for one answer, what was sent
# to come back, and a broker to hang up.
LIMIT_S = 20.0
_ANSWER_S = 5.0
_ECHO_S = 3.0
_SETTLE_S = 0.3
# CONNACK: the broker does not like the client_id.
_CLIENT_ID_REFUSED = (2, 0x85)
_NO_BROKER = "no broker is configured (mqtt.url)"
_MAY_HEAR = "Check that the token may subscribe to it: no command reaches this device."
_MAY_PUBLISH = "Check that the token may publish below mqtt.topic_prefix, and what the broker's log says."


async def look_at_broker(case: Case, report: Report) -> None:
    """CONNECT as the agent does, but under a client_id beside its own, and try its topics."""
    why = _no_broker(case)
    if why:
        for check in ("broker", "topics"):
            report.add(check, SKIPPED, why)
        return
    connected: list[tuple[Mqtt, Topics]] = []
    await report.examine("broker", _connect(case, report, connected), LIMIT_S)
    if not connected:
        report.add("topics", SKIPPED, "there is no connection to the broker")
    hears = bool(case.config.texts("commands.allow") or case.config.texts("commands.handlers"))
    for mqtt, topics in connected:
        try:
            await report.examine("topics", _try_topics(mqtt, topics, hears, report), LIMIT_S)
        finally:
            await mqtt.disconnect()


def _no_broker(case: Case) -> str:
    """Why the broker can't be asked, "" if it can."""
    way = case.broker_way()
    if way is None:
        return _NO_BROKER
    if not way.is_open:
        return way.why()
    if case.keeper is None or case.keeper.token is None:
        return "there is no token to connect with"
    if not case.keeper.is_usable():
        return "the token has ended"
    return ""


async def _connect(case: Case, report: Report, connected: "list[tuple[Mqtt, Topics]]") -> None:
    """`connected` gets the connection, which is open, and the device's topics."""
    device = case.device()
    if device is None or case.keeper is None or case.keeper.token is None:
        raise StoreError("there is a token, and no device_id", "Start it once: pairlet run.")
    config = case.config
    client_id = (config.text("mqtt.client_id") or device.device_id) + "/doctor"
    mqtt = open_mqtt(config, device, client_id)
    credentials = make_login(config, device.device_id).credentials(case.keeper.token.access_token)
    try:
        # Without a will: nobody is to hear that the device is away when the doctor leaves.
        await mqtt.connect(credentials, None)
        connected.append((mqtt, Topics(config.text("mqtt.topic_prefix"), device.device_id)))
    except BrokerError as error:
        _refused(case, report, error, client_id)
    finally:
        if not connected:
            await mqtt.disconnect()
    if connected:
        report.add("broker", OK, f"it takes the token, from the client_id {client_id}")


def _refused(case: Case, report: Report, error: BrokerError, client_id: str) -> None:
    """Raises `error` unless it may be about the doctor's client_id alone."""
    facts = case.facts()
    connected = facts is not None and facts.connected_ms is not None
    if error.reason_code not in _CLIENT_ID_REFUSED and not connected:
        raise BrokerError(f"{error}, from the client_id {client_id}", error.reason_code, error.advice)
    words = f"{error}, from the client_id {client_id}, which is not the agent's so as not to end its session"
    advice = "Allow client_ids below the device's, or see by `pairlet status` whether the agent is connected."
    if connected:
        advice = "The agent at work is connected: allow client_ids below the device's to have more checked."
    report.add("broker", WARN, words, advice)


async def _try_topics(mqtt: "Mqtt", topics: Topics, hears: bool, report: Report) -> None:
    """Subscribe to the commands, and publish a reply that nobody waits for."""
    commands = topics.commands + "+"
    if hears:
        try:
            code = await mqtt.subscribe(commands, 0)
        except TransportError:
            words = f"the broker hangs up on the subscription to {commands}"
            raise BrokerError(words, 0x80, _MAY_HEAR) from None
        if is_failure(code):
            words = f"the broker refuses the subscription to {commands}"
            report.put(failure("topics", BrokerError(words, code, _MAY_HEAR)))
        else:
            report.add("topics", OK, f"subscribes to {commands}")
    reply = topics.replies + "doctor"
    await _publish(mqtt, reply)
    returns = await _comes_back(mqtt, reply)
    if returns is False:
        words = f"what goes to {reply} is acknowledged, and does not come back: it may be dropped in silence"
        report.add("topics", WARN, words, _MAY_PUBLISH)
    else:
        report.add("topics", OK, f"publishes to {reply}{', which comes back' if returns else ''}")


async def _publish(mqtt: "Mqtt", topic_name: str) -> None:
    """Raises BrokerError when the broker does not take it."""
    hangs_up = BrokerError(
        f"the broker hangs up when this device publishes to {topic_name}", 0x87, _MAY_PUBLISH
    )
    try:
        async with asyncio.timeout(_ANSWER_S):
            code = await mqtt.publish(Message(topic_name, b'{"ok": true}', 1, False))
    except TimeoutError:
        raise TransportError(f"the broker acknowledges nothing for {_ANSWER_S:g} s") from None
    except TransportError:
        raise hangs_up from None
    if is_failure(code):
        words = f"the broker does not take {topic_name}: {reason_text(code)}"
        raise BrokerError(words, code, _MAY_PUBLISH)
    # Some acknowledge with MQTT 3.1.1, as they must, and hang up then.
    if await _hears(mqtt, lambda event: event.kind == DISCONNECTED, _SETTLE_S):
        raise hangs_up


async def _comes_back(mqtt: "Mqtt", topic_name: str) -> bool | None:
    """Whether a second message comes back; None if this client may not hear it, as no device needs to.

    MQTT 3.1.1 has no word for a message that is not allowed: brokers acknowledge and drop it.
    """
    try:
        if is_failure(await mqtt.subscribe(topic_name, 0)):
            return None
        await mqtt.publish(Message(topic_name, b'{"ok": true}', 0, False))
    except TransportError:
        return None

    def is_it(event: Event) -> bool:
        return bool(event.kind == MESSAGE and event.message.topic_name == topic_name)

    return await _hears(mqtt, is_it, _ECHO_S)


async def _hears(mqtt: "Mqtt", wanted: Callable[[Event], bool], limit_s: float) -> bool:
    """Whether an event that is `wanted` comes within so many seconds; the others are passed over."""
    try:
        async with asyncio.timeout(limit_s):
            while not wanted(await mqtt.next_event()):
                pass
    except TimeoutError:
        return False
    return True


async def look_at_sensors(case: Case, report: Report) -> None:
    """One sample. Two programs at one bus disturb each other: beside an agent at work its word counts."""
    if case.choice is None:
        report.add("sensors", SKIPPED, _NO_BROKER)
        return
    facts = case.facts()
    if facts is None:
        try:
            await in_thread(handlers_for, case.config, case.file)
        except ConfigError as fault:  # `run` would end with it
            report.put(failure("sensors", fault))
    if facts is not None and any(":" in word for word in case.config.texts("telemetry.sensors") or ()):
        if facts.sensors_in_trouble:
            words = f"the agent at work gets nothing from {', '.join(facts.sensors_in_trouble)}"
            report.add("sensors", WARN, words, "Its log says why, from --log-level info on.")
        else:
            report.add("sensors", OK, f"the agent at work has taken {facts.samples} samples, of all of them")
        return
    troubles: list[PairletError] = []

    def told(title: str, error: PairletError | None) -> None:
        if error is not None:
            troubles.append(error)

    sensors = await in_thread(case.choice.open, lambda: case.config.integer("telemetry.interval"), told)
    begun = time.monotonic()
    values = await sensors.read()
    took_ms = (time.monotonic() - begun) * SECOND_MS
    for error in troubles:
        report.add("sensors", WARN, str(error), error.advice)
    if not values:
        report.add("sensors", WARN, "none gives a value", "Name others in telemetry.sensors.")
    elif not troubles:
        report.add("sensors", OK, f"{len(values)} values in {took_ms:.0f} ms")


async def look_at_backlog(case: Case, report: Report) -> None:
    """What waits on the disk for the broker."""
    if case.choice is None or case.store is None:
        why = "the state folder can't be used" if case.choice else _NO_BROKER
        report.add("backlog", SKIPPED, why)
        return
    count = await in_thread(backlog, case.config) if case.store.is_there else 0
    if count and case.live is None:
        report.add("backlog", WARN, f"{count} samples and events wait", "Send them: pairlet run.")
    else:
        report.add("backlog", OK, f"{count} samples and events wait" if count else "nothing waits")
