"""An MQTT 3.1.1 broker for demonstrations and tests that takes OAuth 2.0 access tokens as passwords.

    from pairlet_sim.broker import Broker, BrokerSettings
    async with Broker(BrokerSettings(issuer=i, audience=a, jwks_url=u)) as broker:
        print(broker.port)

How it is made: `connection.py` is the front door and decides who gets in and what may be published; behind
it, `core.py` leaves sessions, subscriptions, retained messages and delivery to amqtt, which meets only
whole and checked packets. `token.py` and `jwks.py` verify, `access.py` says what a token allows, `wire.py`
reads packets.

What it does:
* A device's token (claim `device_id`) publishes and subscribes below `devices/{device_id}/`, nowhere else;
  its client_id is the device_id, or begins with the device_id and a slash. A subscription to anything else
  is answered with 0x80, a PUBLISH to anything else closes the connection (MQTT 3.1.1 section 3.3.5).
* The connection ends when the token does. Wills are published whenever a connection ends otherwise
  than by DISCONNECT.
* Acknowledgements are sent after the right was checked and the message was passed on.

Demo only, do not claim isolation between clients. Known limits of amqtt 0.12 that are not mended here:
* Everything is in memory: sessions, retained messages and what waits for absent clients end with it.
* A message sent to a subscriber at QoS 1 or 2 that it does not acknowledge within 5 s, or before its
  connection ends, is given up and never sent again, also for persistent sessions.
* A message is delivered at the QoS of the subscription, even if it was published at a lower one.
* Persistent sessions and what waits for them are kept without bound; a subscriber that does not read is
  dropped.
* Shared subscriptions, MQTT 5, TLS and websockets are not there. Loopback only.
"""

from .broker import Broker, ConnectionInfo
from .feed import Message, MessageFeed
from .settings import BrokerError, BrokerSettings

__all__ = ["Broker", "BrokerError", "BrokerSettings", "ConnectionInfo", "Message", "MessageFeed"]
