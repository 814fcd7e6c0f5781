"""One MQTT connection on paho, driven by the asyncio loop: from the CONNECT packet to the end."""

import asyncio
import functools
import logging
import os
import socket
from collections.abc import Callable
from typing import NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ..core.errors import BrokerError, ConfigError, TransportError
from ..core.mqtt import Message
from ..core.mqtt_reasons import reason_text
from .mqtt_dial import OneShot, Reconnected, cut, hang_up
from .mqtt_inbox import Inbox
from .mqtt_keep_alive import KeepAlive
from .mqtt_limits import Limits
from .mqtt_version import MQTT_5
from .mqtt_window import Settle, Window

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0  # the longest wait for a broker to take the DISCONNECT
_LOST = "the connection to the broker was lost"
_SILENT = "the broker gave no sign of life: keep-alive time-out"
_TOO_LARGE = "the broker sent a packet that is too large"
_NOT_MQTT = "the broker sent something that is not MQTT"

# How paho names the ends that it declares itself.
_WHY = {0x82: _NOT_MQTT, 0x8D: _SILENT}

# paho translates the return codes of MQTT 3.1.1 (section 3.2.2.3) into MQTT 5's; this is the way back.
_RETURN_CODES = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}
# CONNACK for an unknown protocol version, in MQTT 3.1.1's and MQTT 5's words: the token is not what is wrong.
NO_VERSION = (0x01, 0x84)
_VERSION_ADVICE = 'Set mqtt.version = "auto"; if it is, the broker speaks neither MQTT 5 nor MQTT 3.1.1.'


class Unanswered(TransportError):
    """The broker took the CONNECT packet and ended the connection without a CONNACK, or let it wait."""


class _Connack(NamedTuple):
    """The answer to CONNECT; reason_code None: there was none, for this `reason`."""

    session_present: bool
    reason_code: int | None
    reason: str


class Link:
    """Drives `client`, whose socket is open and whose CONNECT is sent, until the connection ends.

    Every call into paho is made from here and in the loop's thread. paho's callbacks only take notes,
    because paho holds locks while it calls them; _settle() acts on the notes afterwards.
    """

    def __init__(self, client: OneShot, keep_alive: int, inbox: Inbox, max_packet: int = 0):
        opened = client.socket()
        assert opened is not None
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._keep_alive_s: float = keep_alive
        self._max_packet = max_packet
        self._inbox = inbox
        self._fd = opened.fileno()
        # TLS may hold bytes that are decrypted already and that the selector knows nothing of.
        self._undelivered: Callable[[], int] = getattr(opened, "pending", _nothing)
        self._window = Window(client)
        self._watch = KeepAlive()
        self._subscribing: dict[int, asyncio.Future[int]] = {}
        self._connack: asyncio.Future[_Connack] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._connected = False
        self._asked_for = False
        self._why = _LOST
        self._reason_code: int | None = None  # of the broker's DISCONNECT
        self._ended: str | None = None
        self._writing = False  # paho is inside loop_write()
        self._write_due = False  # a call of _write() is on its way
        self._writer_added = False
        self._listening = False

    def start(self) -> None:
        """Hand the socket to the loop and the callbacks to paho."""
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        self._loop.add_reader(self._fd, self._readable)
        self._listening = True
        self._settle()  # the CONNECT packet may not be out as a whole

    async def wait_for_connack(self) -> bool:
        """Return session_present. BrokerError when refused, Unanswered when there is no CONNACK."""
        connack = await self._connack
        if connack.reason_code is None:
            raise Unanswered(connack.reason)
        if connack.reason_code:
            advice = _VERSION_ADVICE if connack.reason_code in NO_VERSION else None
            raise BrokerError(connack.reason, connack.reason_code, advice)
        return connack.session_present

    def room(self) -> int:
        """See ports.Mqtt.room."""
        return self._window.room()

    def send(self, message: Message, settle: Settle) -> None:
        """See ports.Mqtt.send."""
        self._window.send(message, settle)

    async def publish(self, message: Message) -> int:
        """See ports.Mqtt.publish. QoS 0 ends when the message is in the socket."""
        return await self._window.publish(message)

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """See ports.Mqtt.subscribe. ConfigError for a topic filter that no SUBSCRIBE may carry."""
        if self._ended is not None:
            raise TransportError(self._ended)
        try:
            if "\0" in topic_filter:
                raise ValueError
            code, packet_id = self._client.subscribe(topic_filter, qos)
        except ValueError:  # also the filter's form and length, half a surrogate pair, the qos
            raise ConfigError(f"{ascii(topic_filter[:80])} is no MQTT topic filter.") from None
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or packet_id is None:
            raise TransportError(_LOST)
        outcome = self._subscribing[packet_id] = self._loop.create_future()
        try:
            return await outcome
        finally:
            del outcome  # or its exception and this frame would keep each other alive

    async def close(self) -> None:
        """Send DISCONNECT, wait until the broker has taken it (2 s at most), and close. Never raises."""
        if self._ended is not None:
            return
        self._asked_for = True
        self._why = "the connection was closed by disconnect()"
        self._window.close(self._why)
        # paho closes its socket right behind the DISCONNECT. If anything unread is left in it then,
        # the kernel resets the connection and drops what is unsent. A second descriptor prevents that.
        second = None
        try:
            second = socket.socket(fileno=os.dup(self._fd))
            second.setblocking(False)
            async with asyncio.timeout(_CLOSE_S):
                self._call(self._client.disconnect)
                self._write()
                await self._gone
                second.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(second, 65536):
                    pass
        except (OSError, TimeoutError):
            pass  # gone already, or stuck: closing is all that is left
        finally:
            self._end(self._why)
            if second is not None:
                second.close()

    def abandon(self) -> None:
        """Hang up at once, with a DISCONNECT if the socket takes it: the caller stopped waiting."""
        if self._ended is None:
            self._asked_for = True
            self._stop_listening()
            hang_up(self._client)
            self._end("the connection was given up")

    # The loop and the timer call these.

    def _readable(self) -> None:
        if self._ended is not None:
            return
        for _ in range(100):
            code = self._call(self._client.loop_read)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or not self._undelivered():
                break
        else:
            # Others want a turn too; the selector won't come back for these bytes.
            self._loop.call_soon(self._readable)
        self._watch.heard()
        self._settle()

    def _writable(self) -> None:
        # Room in a socket that was full: the broker's side has taken something.
        self._watch.heard()
        self._write()

    def _write(self) -> None:
        if self._ended is not None:
            return
        self._writing = self._write_due = True
        self._call(self._client.loop_write)
        self._writing = self._write_due = False
        self._watch.sent()
        self._settle()

    def _ping(self) -> bool:
        """Let paho send a PINGREQ; it does by the same rule as KeepAlive. Return whether it did."""
        self._write_due = True  # written right here, not in a turn of its own
        self._call(self._client.loop_misc)
        due = self._ended is None and self._client.want_write()
        self._write()
        return due

    # Between paho and the loop.

    def _call(self, function: Callable[[], MQTTErrorCode]) -> MQTTErrorCode:
        """Call into paho. Whatever it raises, also for a fault of our callbacks, ends this link only."""
        try:
            return function()
        except Reconnected:
            self._refuse(1)
            self._end(_LOST)
        except Exception as error:
            _log.warning("an MQTT packet could not be handled", exc_info=True)
            self._end(f"{_NOT_MQTT} ({type(error).__name__})")
        return MQTTErrorCode.MQTT_ERR_UNKNOWN

    def _settle(self) -> None:
        """Act on what the callbacks noted, and on what paho wants now."""
        if self._ended is not None:
            return
        if self._client.socket() is None:
            self._end(self._why)
            return
        if not self._client.want_write():
            self._window.written()
        self._window.advance()
        full = self._client.want_write() and not self._write_due
        if full and not self._writer_added:
            self._loop.add_writer(self._fd, self._writable)
        elif self._writer_added and not full:
            self._loop.remove_writer(self._fd)
        self._writer_added = full

    def _end(self, reason: str) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        self._stop_listening()
        cut(self._client)
        self._watch.stop()
        self._window.close(reason)
        for outcome in self._subscribing.values():
            if not outcome.done():
                outcome.set_exception(TransportError(reason))
        self._subscribing.clear()
        if not self._connack.done():
            self._connack.set_result(_Connack(False, None, reason))
        if not self._gone.done():
            self._gone.set_result(None)
        if self._connected and not self._asked_for:
            self._inbox.put_end(reason, self._reason_code)

    def _stop_listening(self) -> None:
        # Once only: when the socket is closed its number may belong to another one.
        if self._listening:
            self._listening = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)

    def _refuse(self, reason_code: int) -> None:
        if not self._connack.done():
            reason = "the broker refused the connection: " + reason_text(reason_code)
            self._connack.set_result(_Connack(False, reason_code, reason))

    def _acknowledge(self, packet_id: int, qos: int) -> None:
        if self._ended is None:
            self._client.ack(packet_id, qos)

    # paho calls these.

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        said: Properties | None,
    ) -> None:
        if self._connack.done():
            return
        if reason.is_failure:
            code = reason.value
            self._refuse(code if client.protocol == MQTT_5 else _RETURN_CODES.get(code, code))
            return
        self._connected = True
        limits = Limits(said, self._max_packet)
        self._window.limits = limits
        # The broker's word counts (MQTT 5 section 3.2.2.3.14).
        seconds = self._keep_alive_s if limits.keep_alive is None else limits.keep_alive
        self._watch.start(seconds, self._ping, functools.partial(self._end, _SILENT))
        self._connack.set_result(_Connack(bool(flags.session_present), 0, ""))

    def _on_disconnect(
        self, client: Client, userdata: object, flags: DisconnectFlags, reason: ReasonCode, said: object
    ) -> None:
        if self._asked_for:
            return
        if flags.is_disconnect_packet_from_server:
            self._reason_code = reason.value
            self._why = f"the broker ended the connection: {reason_text(reason.value)} (0x{reason.value:02X})"
        elif self._client.oversized:
            self._why = _TOO_LARGE
        else:
            self._why = _WHY.get(reason.value, _LOST)

    def _on_message(self, client: Client, userdata: object, received: MQTTMessage) -> None:
        # A name that is not UTF-8 raises here, and ends the link as section 1.5.4 of MQTT 5 demands.
        message = Message(received.topic, bytes(received.payload), received.qos, received.retain)
        acknowledge = functools.partial(self._acknowledge, received.mid, received.qos)
        self._inbox.put(message, acknowledge if received.qos else None)

    def _on_publish(
        self, client: Client, userdata: object, packet_id: int, reason: ReasonCode, said: object
    ) -> None:
        # While writing it tells of a QoS 0 message, whose packet_id exists in paho only.
        if not self._writing:
            self._window.acknowledged(packet_id, reason.value)

    def _on_subscribe(
        self, client: Client, userdata: object, packet_id: int, reasons: list[ReasonCode], said: object
    ) -> None:
        code = reasons[0].value
        outcome = self._subscribing.pop(packet_id, None)
        if outcome is not None and not outcome.done():
            outcome.set_result(code)

    def _on_socket_close(self, client: Client, userdata: object, closing: object) -> None:
        self._stop_listening()

    def _on_want_write(self, client: Client, userdata: object, opened: object) -> None:
        # Most writes fit into the socket at once: try that before asking the selector.
        if not self._write_due:
            self._write_due = True
            self._loop.call_soon(self._write)


def _nothing() -> int:
    return 0
