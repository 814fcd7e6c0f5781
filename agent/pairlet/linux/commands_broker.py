"""Commands on what this device has left at the broker, and on what came from there."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from .. import announcing, remote_settings
from ..core.errors import BrokerError, ConfigError, TransportError
from ..core.homeassistant import discovery_topic
from ..core.mqtt import Credentials, Message, is_failure
from ..core.mqtt_reasons import reason_text
from ..core.telemetry import Topics
from ..drive import Patience
from ..login import make_login
from .commands import TRIES, Joined, open_mqtt
from .output import Output

if TYPE_CHECKING:
    from ..ports import Mqtt


async def forget(arguments: argparse.Namespace, output: Output) -> int:
    """Clear what the broker retains of this device."""
    joined = Joined(arguments, output)
    joined.display.close()
    agent, config, device_id = joined.agent, joined.agent.config, joined.device.device_id
    if not config.text("mqtt.url"):
        raise ConfigError("no broker is configured", "Set mqtt.url in pairlet.toml.")
    topics = Topics(config.text("mqtt.topic_prefix"), device_id)
    # All that this device may ever have had the broker retain; what is not there can be cleared as well.
    topic_names = [
        discovery_topic(config.text("homeassistant.prefix"), device_id),
        topics.diagnostics,
        topics.status,
    ]
    mqtt, login = open_mqtt(config, joined.device), make_login(config, device_id)
    token = await agent.usable_token(Patience(TRIES))
    limit_s = config.integer("mqtt.unacknowledged") / 1000
    await _clear(mqtt, login.credentials(token.access_token), topic_names, limit_s)
    agent.ports.store.delete(announcing.STORED)
    output.event("forgotten", topic_names=topic_names)
    if not output.as_json:
        output.line("The broker retains nothing of this device any more, until the agent runs again.")
    return 0


async def _clear(mqtt: "Mqtt", credentials: Credentials, topic_names: list[str], limit_s: float) -> None:
    """Raises TransportError, TlsError, and BrokerError for a topic that may not be published to.

    `limit_s`: how long each message may go without acknowledgement.
    """
    await mqtt.connect(credentials, None)
    try:
        for topic_name in topic_names:
            # A retained message without a payload is what removes one (MQTT 5 section 3.3.1.3).
            async with asyncio.timeout(limit_s):
                reason_code = await mqtt.publish(Message(topic_name, b"", 1, True))
            if is_failure(reason_code):
                raise BrokerError(
                    f"the broker does not clear {topic_name}: {reason_text(reason_code)}", reason_code
                )
    except TimeoutError:
        raise TransportError(f"the broker acknowledges nothing for {limit_s:g} s") from None
    finally:
        await mqtt.disconnect()


async def reset(arguments: argparse.Namespace, output: Output) -> int:
    """Forget the settings that came over MQTT."""
    joined = Joined(arguments, output)
    joined.display.close()
    store, configured_ms = joined.agent.ports.store, joined.agent.config.integer("telemetry.interval")
    changed = remote_settings.interval_ms(store, configured_ms, output.event) != configured_ms
    remote_settings.set_interval(store, None, configured_ms)
    output.event("reset", changed=changed)
    if not output.as_json:
        output.line(_AFTER_RESET if changed else "Nothing was set over MQTT.")
    return 0


_AFTER_RESET = (
    "What was set over MQTT is forgotten; an agent that is running goes by pairlet.toml again when it is "
    "restarted."
)

COMMANDS = {"forget": forget, "reset": reset}
