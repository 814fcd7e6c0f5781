"""One attempt to reach a broker: DNS, TCP, TLS and the CONNECT packet. Blocking, so it runs in a thread."""

import contextlib
import logging
import socket
import ssl
import struct
import threading
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ..core.errors import ConfigError, PairletError, TransportError
from ..core.mqtt import Credentials, Message
from .mqtt_address import Address
from .mqtt_limits import check_topic_name
from .mqtt_version import MQTT_5
from .tls import explain, shared_context

_log = logging.getLogger(__name__)

# What a broker may send: one packet of MOST_BYTES, and RECEIVE_MAXIMUM unacknowledged QoS 1 messages.
# MQTT 5 announces both in CONNECT (section 3.1.2.11); MQTT 3.1.1 has no words for it.
MOST_BYTES = 256 * 1024
RECEIVE_MAXIMUM = 20


class Session(NamedTuple):
    """What every CONNECT of one client says; `keep_alive` and all that ends in _s in seconds.

    will_delay_s: how long the broker is to wait before it publishes the will (MQTT 5).
    """

    client_id: str
    keep_alive: int
    clean_start: bool
    session_expiry_s: int
    will_delay_s: int


class OneShot(Client):
    """A paho client for one connection. It opens a socket once and takes no packet above MOST_BYTES."""

    oversized = False

    def _sock_recv(self, bufsize: int) -> bytes:
        # paho would collect whatever length a packet announces, up to 256 MiB; there is no public
        # place to stop that. It asks for the rest of the packet at once, which tells the length.
        if bufsize > MOST_BYTES:
            self.oversized = True
            raise ConnectionAbortedError("packet too large")
        return super()._sock_recv(bufsize)


class Reconnected(Exception):
    """paho wants to open a second connection of its own: the broker refused MQTT 3.1.1 (CONNACK 0x01)."""


class Dial:
    """Opens `client`'s connection with run(); abandon() may come from another thread at any moment.

    Whoever abandons does not wait: the thread closes what it opened, and tells the broker with a
    DISCONNECT, so that it does not publish the will of a connection that never was.
    """

    def __init__(
        self, address: Address, version: int, session: Session, timeout_s: float, ca_file: str | None
    ):
        self._address = address
        self._session = session
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._opened = False
        self._abandoned = False
        self._properties = Properties(PacketTypes.CONNECT)
        self.client = _new_client(version, session, timeout_s)

    def introduce(self, credentials: Credentials, will: Message | None) -> None:
        """Set what CONNECT says besides the session. ConfigError if that can't be sent."""
        username, password = credentials.login()
        self.client.username_pw_set(username or None, password)
        is_5 = self.client.protocol == MQTT_5
        if credentials.method:
            if not is_5:
                raise ConfigError("MQTT 3.1.1 has no enhanced authentication.", 'Set mqtt.version to "5".')
            self._properties.AuthenticationMethod = credentials.method
            self._properties.AuthenticationData = credentials.token().encode()
        if will is not None:
            check_topic_name(will.topic_name)
            delay = None
            if is_5 and self._session.will_delay_s:
                delay = Properties(PacketTypes.WILLMESSAGE)
                delay.WillDelayInterval = self._session.will_delay_s
            self.client.will_set(will.topic_name, will.payload, will.qos, will.retain, delay)

    def run(self) -> PairletError | None:
        """Open the connection and send CONNECT. Returns what went wrong, or None.

        Returned rather than raised: a traceback would keep paho's frames, and with them the socket and
        the access token, until the garbage collector comes by.
        """
        self.client.on_pre_connect = self._before_socket
        self.client.on_socket_open = self._before_connect_packet
        problem = self._open()
        # Sent or never to be sent: nothing needs the token any more.
        self.client.username_pw_set(None)
        self._properties.clear()
        with self._lock:
            self._opened = True
            abandoned = self._abandoned
        if problem:
            cut(self.client)
        elif abandoned:
            hang_up(self.client)
        return problem

    def abandon(self) -> None:
        """Nobody wants this connection any more."""
        with self._lock:
            self._abandoned = True
            opened = self._opened
        if opened:
            hang_up(self.client)

    def _open(self) -> PairletError | None:
        where = str(self._address)
        try:
            if self._address.tls:
                self.client.tls_set_context(shared_context(self._ca_file))
            if self.client.connect(**self._arguments()) == 0:
                return None
        except PairletError as error:  # from shared_context: the CA file
            return error.with_traceback(None)
        except (OSError, ValueError, struct.error) as error:
            return _explain_failure(error, self._address)
        return TransportError(f"{where} ended the connection before MQTT began")

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "host": self._address.host,
            "port": self._address.port,
            "keepalive": self._session.keep_alive,
        }
        if self.client.protocol == MQTT_5:
            properties = self._properties
            properties.SessionExpiryInterval = self._session.session_expiry_s
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MOST_BYTES
            arguments["clean_start"] = self._session.clean_start
            arguments["properties"] = properties
        return arguments

    def _before_socket(self, client: Client, userdata: object) -> None:
        if self._opened:
            raise Reconnected

    def _before_connect_packet(self, client: Client, userdata: object, opened: object) -> None:
        if self._abandoned:
            raise ConnectionAbortedError


def _new_client(version: int, session: Session, timeout_s: float) -> OneShot:
    client = OneShot(
        CallbackAPIVersion.VERSION2,
        session.client_id,
        clean_session=None if version == MQTT_5 else session.clean_start,
        protocol=MQTTProtocolVersion(version),
        # A QoS 1 message counts as taken when the shell takes it.
        manual_ack=True,
    )
    client.connect_timeout = timeout_s
    # The window is the link's business; without a limit paho neither queues nor walks its own.
    client.max_inflight_messages_set(0)
    return client


def hang_up(client: Client) -> None:
    """Send DISCONNECT if that needs no waiting, and close the socket. Never raises.

    Whoever watches the socket must have stopped: nobody is called back.
    """
    _forget_callbacks(client)
    with contextlib.suppress(OSError, ValueError):
        client.disconnect()
    cut(client)


def cut(client: Client) -> None:
    """Close the socket and leave nothing that refers to whoever used `client`. Never raises."""
    _forget_callbacks(client)
    opened = client.socket()
    if opened is not None:
        opened.close()


def _forget_callbacks(client: Client) -> None:
    client.on_pre_connect = None
    client.on_socket_open = None
    client.on_socket_close = None
    # Without this one paho writes at once instead of asking for a turn.
    client.on_socket_register_write = None
    client.on_connect = None
    client.on_disconnect = None
    client.on_message = None
    client.on_publish = None
    client.on_subscribe = None


def _explain_failure(error: Exception, address: Address) -> PairletError:
    """What the caller hears about an exception of paho's blocking connect."""
    _log.debug("connecting to %s failed: %s", address, type(error).__name__)
    if isinstance(error, ssl.SSLError):
        return explain(error, address.host)
    if isinstance(error, socket.gaierror):
        return TransportError(f"the name of the broker, {address.host}, can't be resolved")
    if isinstance(error, TimeoutError):
        return TransportError(f"no answer from {address} in time")
    if isinstance(error, ConnectionRefusedError):
        return TransportError(f"nothing listens at {address}: the connection was refused")
    if isinstance(error, ConnectionError):
        return TransportError(f"{address} ended the connection before MQTT began")
    if isinstance(error, UnicodeError):
        return ConfigError("mqtt.url: the host name can't be looked up.")
    if isinstance(error, OSError):
        return TransportError(f"{address} can't be reached: {error.strerror or type(error).__name__}")
    return ConfigError("a part of the MQTT CONNECT packet is too long (65535 bytes each).")
