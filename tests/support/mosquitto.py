"""A real mosquitto for tests: on free loopback ports, with all of its state in one folder.

    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "devices/#") as seen:
        ...
        seen.wait_for(lambda messages: len(messages) == 3)

Needs the Debian packages mosquitto and mosquitto-clients; without them the test is skipped, or fails where
the environment says CI=true. Works as root and as an ordinary user.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from support.broker_process import HOST, TIMEOUT, BrokerProcess
from support.missing import missing
from support.ports import free_port

# Debian puts the broker where the PATH of an ordinary user does not look.
_MORE_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

Result = TypeVar("Result")


def find_program(name: str) -> str:
    """The path of a mosquitto program; without one the test is skipped, or fails where CI=true."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_PLACES])
    return shutil.which(name, path=path) or missing(
        "%s is missing: install the Debian packages mosquitto and mosquitto-clients" % name
    )


class Mosquitto(BrokerProcess):
    """One broker process. It keeps its ports and its state over stop and start, like a broker that reboots.

    plain      whether to offer a listener without TLS: `port`
    tls        paths of (certfile, keyfile) for a listener with TLS: `tls_port`
    client_ca  path of the CA whose client certificates the TLS listener demands; the CN is the user name
    users      user names and passwords; None lets everybody in
    acl        text of an ACL file
    extra      further lines for the configuration file
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        plain: bool = True,
        tls: tuple[str, str] | None = None,
        client_ca: str | None = None,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        extra: Sequence[str] = (),
    ):
        self._program = find_program("mosquitto")
        super().__init__(Path(folder) / "mosquitto")
        self._plain, self._tls, self._client_ca = plain, tls, client_ca
        self._users, self._acl, self._extra = users, acl, tuple(extra)
        self.port = 0
        self.tls_port = 0

    def choose_ports(self) -> None:
        """New ones for what listens."""
        self.port = free_port() if self._plain else 0
        self.tls_port = free_port() if self._tls else 0

    def ports(self) -> list[int]:
        """Where it listens."""
        return [port for port in (self.port, self.tls_port) if port]

    def command(self) -> list[str]:
        """With a configuration for the ports of now."""
        return [self._program, "-c", str(self._write_config())]

    def _write_config(self) -> Path:
        folder = self._folder
        lines = ["log_dest stderr", "log_type all", "log_timestamp false"]
        lines += ["persistence true", "persistence_location %s/" % folder, "autosave_interval 1800"]
        lines += ["set_tcp_nodelay true", "max_queued_messages 0"]
        if os.geteuid() == 0:
            # It would become the user `mosquitto`, who can not write into a folder of root's.
            lines.append("user root")
        lines.append("allow_anonymous %s" % ("true" if self._users is None else "false"))
        if self._users is not None:
            lines.append("password_file %s" % self._write_passwords(self._users))
        if self._acl is not None:
            (folder / "acl").write_text(self._acl, "utf-8")
            (folder / "acl").chmod(0o600)
            lines.append("acl_file %s" % (folder / "acl"))
        lines += self._extra
        lines += self._listeners()
        path = folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def _listeners(self) -> list[str]:
        lines = ["listener %d %s" % (self.port, HOST)] if self.port else []
        if self.tls_port and self._tls:
            lines += ["listener %d %s" % (self.tls_port, HOST)]
            lines += ["certfile %s" % self._tls[0], "keyfile %s" % self._tls[1]]
            if self._client_ca:
                lines += ["cafile %s" % self._client_ca, "require_certificate true"]
                lines += ["use_identity_as_username true"]
        return lines

    def _write_passwords(self, users: Mapping[str, str]) -> Path:
        """Hashed by mosquitto's own tool, in place: so that no password is in a command line."""
        path = self._folder / "passwords"
        path.touch(mode=0o600)
        path.write_text("".join("%s:%s\n" % each for each in users.items()), "utf-8")
        subprocess.run([find_program("mosquitto_passwd"), "-U", str(path)], check=True, capture_output=True)
        return path


class Received(NamedTuple):
    """A message that a subscriber was sent."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Subscriber:
    """A paho client that subscribes and collects; use as a context manager.

    topic_filters   what to subscribe to, at `qos`
    ca_file         verify the broker with this CA file and use TLS; None for a plain connection
    protocol        paho.MQTTv311 or paho.MQTTv5
    `granted` holds the answers of the SUBACK: a QoS, or 0x80 and above for a refusal.
    """

    def __init__(
        self,
        port: int,
        *topic_filters: str,
        qos: int = 1,
        client_id: str = "",
        clean_session: bool = True,
        username: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        protocol: MQTTProtocolVersion = paho.MQTTv311,
    ):
        self._port, self._filters, self._qos = port, topic_filters, qos
        self._changed = threading.Condition()
        self._messages: list[Received] = []
        self._outcome: str | None = None
        self.granted: list[int] = []
        more: dict[str, Any] = {} if protocol == paho.MQTTv5 else {"clean_session": clean_session}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            reconnect_on_failure=False,
            **more,
        )
        if username is not None:
            self._client.username_pw_set(username, password)
        if ca_file is not None:
            self._client.tls_set(ca_file)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect(HOST, self._port, keepalive=60)
        self._client.loop_start()
        with self._changed:
            answered = self._changed.wait_for(lambda: self._outcome is not None, TIMEOUT)
        if not answered or self._outcome != "subscribed":
            self.__exit__()
            raise ConnectionError("no subscription: %s" % (self._outcome or "no answer"))
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def messages(self) -> list[Received]:
        """All messages so far, in the order of their arrival."""
        with self._changed:
            return list(self._messages)

    def wait_for(self, predicate: Callable[[list[Received]], Result], timeout: float = TIMEOUT) -> Result:
        """The first true value of `predicate(messages)`; AssertionError with what did come otherwise."""
        with self._changed:
            result = self._changed.wait_for(lambda: predicate(list(self._messages)), timeout)
            if not result:
                raise AssertionError("still waiting, with these messages: %r" % self._messages)
            return result

    def _on_connect(self, client: paho.Client, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        if reason.is_failure:
            self._settle("refused: %s" % reason)
        elif self._filters:
            client.subscribe([(each, self._qos) for each in self._filters])
        else:
            self._settle("subscribed")

    def _on_subscribe(self, _c: Any, _u: Any, _mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        self.granted = [reason.value for reason in reasons]
        self._settle("subscribed")

    def _settle(self, outcome: str) -> None:
        with self._changed:
            self._outcome = outcome
            self._changed.notify_all()

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        with self._changed:
            received = Received(message.topic, bytes(message.payload), message.qos, message.retain)
            self._messages.append(received)
            self._changed.notify_all()
