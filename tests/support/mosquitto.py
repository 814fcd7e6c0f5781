"""A real mosquitto for tests: on free loopback ports, with all of its state in one folder.

    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "devices/#") as seen:
        ...
        seen.wait_for(lambda messages: len(messages) == 3)

Needs the Debian packages mosquitto and mosquitto-clients; without them the test is skipped, or fails where
the environment says CI=true. Works as root and as an ordinary user.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from support.ports import free_port

HOST = "127.0.0.1"
# Generous: it is only reached when something is broken, and a loaded machine is not.
TIMEOUT = 30.0
# Debian puts the broker where the PATH of an ordinary user does not look.
_MORE_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

Result = TypeVar("Result")


def find_program(name: str) -> str:
    """The path of a mosquitto program; without one the test is skipped, or fails where CI=true."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_PLACES])
    program = shutil.which(name, path=path)
    if program is not None:
        return program
    reason = "%s is missing: install the Debian packages mosquitto and mosquitto-clients" % name
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Mosquitto:
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
        self._folder = Path(folder) / "mosquitto"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._plain, self._tls, self._client_ca = plain, tls, client_ca
        self._users, self._acl, self._extra = users, acl, tuple(extra)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.tls_port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until every listener accepts connections; RuntimeError with the log if not."""
        if self._process is not None:
            raise RuntimeError("this mosquitto runs already")
        keeps_ports = bool(self.port or self.tls_port)
        # Between the choice of a free port and its use somebody else can take it: try again with others.
        for _attempt in range(1 if keeps_ports else 5):
            if not keeps_ports:
                self.port = free_port() if self._plain else 0
                self.tls_port = free_port() if self._tls else 0
            if self._start_once():
                return
            if "Address already in use" not in self.log():
                break
        raise RuntimeError("mosquitto did not start:\n%s" % self.log())

    def stop(self) -> None:
        """End it politely, so that it saves its state. Does nothing if it does not run."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would: what it has not saved is gone."""
        self._running().kill()
        self._running().wait()
        self._process = None

    def suspend(self) -> None:
        """Freeze it: connections stay open, new ones are accepted by the kernel, nothing is answered."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        # Until the kernel says that it has stopped; this does not reap it.
        os.waitpid(process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """End `suspend`."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """Everything that it has logged so far, over all starts."""
        path = self._folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("this mosquitto does not run")
        return self._process

    def _start_once(self) -> bool:
        config = self._write_config()
        with (self._folder / "log").open("ab") as log:
            command = [self._program, "-c", str(config)]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder
            )
        if _wait_until_listening(process, [port for port in (self.port, self.tls_port) if port]):
            self._process = process
            return True
        if process.poll() is None:
            process.kill()
        process.wait()
        return False

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


def _wait_until_listening(process: "subprocess.Popen[bytes]", ports: list[int]) -> bool:
    """True when all `ports` accept connections, False when the process has ended or TIMEOUT is over."""
    deadline = time.monotonic() + TIMEOUT
    waiting = list(ports)
    while waiting and time.monotonic() < deadline:
        try:
            # Both the pause between two looks and the notice of an early end.
            process.wait(0.02)
            return False
        except subprocess.TimeoutExpired:
            waiting = [port for port in waiting if not _accepts(port)]
    # Once more: another program may have been the one that answered.
    return not waiting and process.poll() is None


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


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
