"""The port Mqtt on paho-mqtt: MQTT 5 and 3.1.1 over verified TLS, without a thread of its own.

One fresh paho client, held by a Link, for each connection: paho never reconnects, retries or keeps a
message beyond the connection that it was given to. What has to outlive a connection is the shell's.
"""

import asyncio

from ..core.errors import BrokerError, ConfigError, ProtocolError, TransportError
from ..core.mqtt import Credentials, Event, Message
from .mqtt_address import parse_address
from .mqtt_dial import Dial, Session
from .mqtt_inbox import Inbox
from .mqtt_link import NO_VERSION, Link, Unanswered
from .mqtt_version import VersionChoice
from .mqtt_window import Settle
from .worker import in_thread

_INBOX_CAPACITY = 64
_PROBE_S = 5.0  # the longest wait for a CONNACK where another version can be tried


class PahoMqtt:
    """One broker, one connection at a time. See ports.Mqtt for the methods.

    Inbound messages wait for next_event() in a queue of 64; what comes on top is left out. QoS 1
    messages are acknowledged when next_event() hands them over, so that the broker sends one left out,
    or lost with the connection, again; a message may therefore arrive twice. Nothing here ever shows
    a user name, a token or a payload.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        version: str = "auto",
        keep_alive: int = 60,
        ca_file: str | None = None,
        clean_start: bool = False,
        session_expiry_s: int = 3600,
        will_delay_s: int = 0,
        max_packet: int = 0,
        connect_timeout_s: float = 10.0,
        insecure: bool = False,
    ):
        """ConfigError for what can't be used. Nothing is opened yet.

        url: mqtts://host[:8883]; mqtt://host[:1883] on loopback and with `insecure` only.
        version: "5", "3.1.1", or "auto": MQTT 5, and 3.1.1 for brokers that do not know it.
        keep_alive: seconds; a dead broker is noticed within 1.5 times that.
        clean_start, session_expiry_s: whether a new connection forgets the session, and how long the
        broker keeps it while there is none (MQTT 3.1.1: as long as it likes).
        will_delay_s: how long the broker waits for us to come back before it publishes the will (MQTT 5).
        max_packet: bytes of the largest packet that the broker takes, 0: what it says itself.
        connect_timeout_s: for DNS, TCP and TLS together, and again for the CONNACK.
        """
        self._address = parse_address(url, insecure=insecure)
        self._versions = VersionChoice(version)
        self._session = Session(client_id, keep_alive, clean_start, session_expiry_s, will_delay_s)
        _check(self._session)
        self._ca_file = ca_file
        self._timeout_s = connect_timeout_s
        self._max_packet = max_packet
        self._inbox = Inbox(_INBOX_CAPACITY)
        self._link: Link | None = None
        self._opening: asyncio.Task[bool] | None = None
        self._given_up = False

    async def connect(self, credentials: Credentials, will: Message | None) -> bool:
        """Open a connection, after closing an earlier one; return session_present.

        Raises TransportError (also when disconnect() is called meanwhile), TlsError, BrokerError with
        the CONNACK's reason_code, ConfigError for a CA file or a will that can't be used, and
        ProtocolError when a connect is under way already.
        """
        if self._opening is not None:
            raise ProtocolError("an MQTT connect is under way already")
        self._given_up = False
        self._opening = asyncio.get_running_loop().create_task(self._open(credentials, will))
        try:
            return await self._opening
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._given_up and not (current and current.cancelling()):
                raise TransportError("disconnect() ended the attempt to connect") from None
            raise
        finally:
            self._opening = None

    async def publish(self, message: Message) -> int:
        """Send `message`; return its reason_code, 0 for QoS 0 and MQTT 3.1.1.

        Twenty are in flight at once, or as many as the broker said; further callers wait. A message
        beyond the broker's limits is refused here, with 0x95, 0x9A or 0x9B. TransportError at once
        when the connection is lost, or there is none. There is no time-out for a broker that answers
        pings but acknowledges nothing: the caller watches that. ConfigError for an impossible topic name.
        """
        return await self._linked().publish(message)

    def room(self) -> int:
        """How many messages send() would put out at once; 0 without a connection."""
        return 0 if self._link is None else self._link.room()

    def send(self, message: Message, settle: Settle) -> None:
        """As publish(), but without a Task or a Future for each message: see ports.Mqtt.send."""
        if self._link is None:
            asyncio.get_running_loop().call_soon(settle, None)
        else:
            self._link.send(message, settle)

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """Return the granted qos, or a reason_code of 0x80 and above when refused.

        TransportError when there is no connection, it is lost, or no SUBACK comes in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._linked().subscribe(topic_filter, qos)
        except TimeoutError:
            raise TransportError("the broker did not answer SUBSCRIBE in time") from None

    async def next_event(self) -> Event:
        """Wait for a message or the end of the connection, also across connections.

        The reason of an end names the reason code of an MQTT 5 DISCONNECT, such as (0xA0). An end that
        nobody took before the next connect() or disconnect() is forgotten.
        """
        return await self._inbox.take()

    async def disconnect(self) -> None:
        """Send DISCONNECT, which drops the will, and close; 2 s at most. Also ends a connect under way."""
        opening = self._opening
        if opening is not None:
            self._given_up = True
            opening.cancel()
            await asyncio.wait({opening})
        await self._close()

    async def _open(self, credentials: Credentials, will: Message | None) -> bool:
        """Try one version after the other, as VersionChoice decides."""
        await self._close()
        version = self._versions.first()
        while True:
            try:
                present = await self._open_as(version, credentials, will)
            except (BrokerError, Unanswered) as error:
                following = self._other_version(version, error)
                if following is None:
                    raise
                version = following
            else:
                self._versions.answered(version)
                return present

    def _other_version(self, version: int, error: BrokerError | Unanswered) -> int | None:
        """What to try after `version` brought `error`, or None."""
        if isinstance(error, Unanswered):
            return self._versions.silent(version)
        if error.reason_code in NO_VERSION:
            return self._versions.refused(version)
        self._versions.answered(version)
        return None

    async def _open_as(self, version: int, credentials: Credentials, will: Message | None) -> bool:
        link = await self._dial(version, credentials, will)
        patience = min(_PROBE_S, self._timeout_s) if self._versions.has_other(version) else self._timeout_s
        try:
            async with asyncio.timeout(patience):
                present = await link.wait_for_connack()
        except TimeoutError:
            raise Unanswered(f"{self._address} did not answer CONNECT in time") from None
        except Unanswered as error:
            raise Unanswered(f"no CONNACK from {self._address}: {error}") from None
        else:
            self._link = link
        finally:
            if self._link is not link:
                link.abandon()
        return present

    async def _dial(self, version: int, credentials: Credentials, will: Message | None) -> Link:
        """A link whose CONNECT is sent. What blocks happens in a thread, which is left to itself if late."""
        dial = Dial(self._address, version, self._session, self._timeout_s, self._ca_file)
        try:
            dial.introduce(credentials, will)
            async with asyncio.timeout(self._timeout_s):
                problem = await in_thread(dial.run)
        except TimeoutError:
            dial.abandon()
            raise TransportError(f"no connection to {self._address} in time") from None
        except OSError as error:
            raise TransportError(f"{self._address} can't be reached: {error.strerror}") from None
        except BaseException:
            dial.abandon()
            raise
        if problem is not None:
            try:
                raise problem
            finally:
                del problem  # or the exception and this frame would keep each other alive
        link = Link(dial.client, self._session.keep_alive, self._inbox, self._max_packet)
        link.start()
        return link

    async def _close(self) -> None:
        link, self._link = self._link, None
        self._inbox.forget_end()
        if link is not None:
            await link.close()
            # It may have been lost between the two.
            self._inbox.forget_end()

    def _linked(self) -> Link:
        if self._link is None:
            raise TransportError("there is no connection to the broker")
        return self._link


def _check(session: Session) -> None:
    """ConfigError for values that no CONNECT can carry (MQTT 5 section 3.1)."""
    client_id = session.client_id
    # Without a name there is no session to come back to. (isprintable is False for half a surrogate pair.)
    if not client_id or not client_id.isprintable() or len(client_id.encode()) > 65535:
        raise ConfigError("mqtt.client_id must be 1 or more printable characters.")
    if not 1 <= session.keep_alive <= 65535:
        raise ConfigError("mqtt.keep_alive must be from 1 to 65535 seconds.")
    if not 0 <= session.session_expiry_s <= 0xFFFFFFFF:
        raise ConfigError("the session expiry of MQTT must be from 0 to 4294967295 seconds.")
