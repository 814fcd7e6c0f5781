"""A real RabbitMQ that checks our tokens, for tests: free loopback ports, all of its state in one folder.

    with RabbitMQ(tmp_path, jwks_uri=issuer + "/jwks", audience="test") as broker:
        ... mqtt://127.0.0.1:{broker.port} ...

It speaks MQTT 3.1.1 and takes access tokens as passwords (rabbitmq_auth_backend_oauth2): `aud` must be the
audience, and the scope says topic by topic what a device may do; `device_scopes(audience)` are the scopes to
give it. WATCHER may see everything. Any number of brokers may run at once, as root or as an ordinary user.

Needs the Debian package rabbitmq-server; without it the test is skipped, or fails where CI=true.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from support.broker_process import HOST, TIMEOUT, BrokerProcess
from support.missing import missing
from support.ports import free_port

# The package's own script insists on the user rabbitmq; what it wraps does not.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
WATCHER, WATCHER_PASSWORD = "watcher", "sees-everything"


def device_scopes(audience: str) -> tuple[str, ...]:
    """Scopes for Settings(device_scopes=...): a device's own topics, and what its subscriptions need."""
    queue = "%2F/mqtt-subscription-{device_id}*"
    return (
        audience + ".write:%2F/amq.topic/devices.{device_id}.*",
        audience + ".read:%2F/amq.topic/devices.{device_id}.cmd.*",
        *(f"{audience}.{right}:{queue}" for right in ("configure", "write", "read")),
    )


class RabbitMQ(BrokerProcess):
    """One node, with an epmd of its own, so that nothing else on the machine knows of it.

    jwks_uri   where the keys are that sign the tokens
    audience   what their `aud` must hold
    """

    patience_s = 90.0

    def __init__(self, folder: str | Path, *, jwks_uri: str, audience: str):
        if not _PROGRAM.exists() or not shutil.which("epmd"):
            missing("RabbitMQ is missing: install the Debian package rabbitmq-server")
        # The longest path in it must fit into a Unix socket's name, so the folder's own is short.
        super().__init__(Path(folder) / "rmq")
        self._jwks_uri, self._audience = jwks_uri, audience
        self._epmd: subprocess.Popen[bytes] | None = None
        self.port = self._dist_port = self._epmd_port = 0

    def choose_ports(self) -> None:
        """Three: for MQTT, for the node's own purposes, and for its epmd."""
        self.port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()

    def ports(self) -> list[int]:
        """Where it listens for MQTT."""
        return [self.port] if self.port else []

    def command(self) -> list[str]:
        """With a configuration for the ports of now."""
        self._write_config()
        self._start_epmd()
        return [str(_PROGRAM)]

    def environment(self) -> dict[str, str]:
        """What makes the node independent of the machine's settings and of other nodes."""
        folder = self._folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL"))
        }
        return kept | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_NODENAME": "pairlet@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
            # Lets the shell script become the node itself, so that a signal reaches the node ...
            "RABBITMQ_ALLOW_INPUT": "1",
            # ... which does not read its commands from here nevertheless, and keeps to the loopback.
            "RABBITMQ_SERVER_START_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +A 8",
        }

    def stop(self) -> None:
        """End it politely, and its epmd."""
        super().stop()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def _start_epmd(self) -> None:
        """The directory of a machine's nodes; as a child of ours it ends when we say so."""
        if self._epmd is None or self._epmd.poll() is not None:
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", HOST],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def _write_config(self) -> None:
        folder = self._folder
        (folder / "plugins").write_text("[rabbitmq_auth_backend_oauth2,rabbitmq_mqtt].\n")
        (folder / "rabbitmq.conf").write_text(
            "\n".join(
                [
                    "listeners.tcp = none",
                    f"mqtt.listeners.tcp.1 = {HOST}:{self.port}",
                    "mqtt.allow_anonymous = false",
                    "auth_backends.1 = rabbit_auth_backend_oauth2",
                    "auth_backends.2 = internal",
                    f"auth_oauth2.resource_server_id = {self._audience}",
                    f"default_user = {WATCHER}",
                    f"default_pass = {WATCHER_PASSWORD}",
                    "loopback_users = none",
                    # It is no business of a test's how full the machine is.
                    "disk_free_limit.absolute = 1MB",
                    "vm_memory_high_watermark.absolute = 2GB",
                    "log.console = true",
                    "log.console.level = info",
                    "log.file = false",
                    "",
                ]
            )
        )
        # The first file's syntax takes https only; on the loopback it may be http.
        uri = json.dumps(self._jwks_uri)
        (folder / "advanced.config").write_text(
            "[{rabbitmq_auth_backend_oauth2, [{key_config, [{jwks_url, <<%s>>}]}]}].\n" % uri
        )


__all__ = ["HOST", "TIMEOUT", "WATCHER", "WATCHER_PASSWORD", "RabbitMQ", "device_scopes"]
