"""The commands: where configuration, edges and the agent are joined."""

import argparse
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..agent import Agent, Ports
from ..config import Config
from ..core.discovery import check_issuer
from ..core.errors import ConfigError, PairletError
from ..core.screen import STARTING, Screen
from ..device import DEVICE, Device, identify
from ..drive import Patience
from ..events import tell_error
from ..ordering import RestartError
from .button import SignalButton
from .ca_file import check_ca_file
from .clock import SystemClock
from .commands_client import certificate_of, client_of
from .commands_telemetry import check_telemetry, handlers_for
from .display import open_display
from .entropy import SystemEntropy
from .http import FormHttp, RequestsHttp
from .options import SETTING_OF_OPTION
from .output import Output
from .store import FileStore

if TYPE_CHECKING:
    from ..core.client import Client
    from ..events import Emit
    from ..ports import Browser, Button, Display, Http, Mqtt, Store
    from ..settings import Settings
    from . import segment_files
    from .dpop.prover import Prover
    from .log.status import StatusLine
    from .standing.standing import Standing
    from .token_agent.serving import TokenAgent

_log = logging.getLogger("pairlet")

_PLACES = ("pairlet.toml", "~/.config/pairlet/pairlet.toml", "/etc/pairlet/pairlet.toml")
# Settings that name a file or folder: in a configuration file they start from where that file is.
PATHS = (
    "oauth.client_secret_file", "oauth.client_key_file", "oauth.client_certificate_file", "oauth.ca_file",
    "mqtt.ca_file", "store.dir", "token_agent.socket",
)  # fmt: skip
# Somebody waits for these commands: after so many failures in a row they say what is wrong.
TRIES = 3


def configuration(arguments: argparse.Namespace, file: Path | None) -> Config:
    """`file` (see configuration_file), then options, then --set; the later wins. Raises ConfigError."""
    config = read_configuration(file) if file else Config({})
    for option, name in SETTING_OF_OPTION:
        value = getattr(arguments, option)
        if value is not None:
            config = config.with_text(name, value, "--" + option.replace("_", "-"))
    if arguments.insecure_http:
        config = config.with_text("oauth.insecure_http", "true", "--insecure-http")
    for setting in arguments.settings:
        name, mark, value = setting.partition("=")
        if not mark:
            raise ConfigError(f"--set {setting}: there is no '='", "Write --set TABLE.KEY=VALUE.")
        config = config.with_text(name.strip(), value.strip(), "--set")
    return in_force(config)


def in_force(config: Config) -> Config:
    """`config` over what the provider's profile presets, where it names one. Raises ConfigError."""
    if not config.text("oauth.provider"):
        return config
    from .commands_provider import with_provider  # late: most have a server without quirks

    return with_provider(config)


def _configured(arguments: argparse.Namespace) -> tuple[Config, Path | None]:
    file = configuration_file(arguments.config)
    return configuration(arguments, file), file


def configuration_file(named: str | None) -> Path | None:
    """The file that --config has `named`, else the first that is there."""
    for place in [named] if named else _PLACES:
        path = expanded(place)
        # os.path, not Path.is_file: a home that this user may not look into holds no file for it.
        if named or os.path.isfile(path):
            return path
    return None


def expanded(name: str) -> Path:
    """`name` with its "~"; without a home to stand for, as it is."""
    return Path(os.path.expanduser(name))


def read_configuration(path: Path) -> Config:
    """What is in the file `path`. Raises ConfigError."""
    import tomllib  # late: a device that is told everything on the command line has no file to read

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}", "Check the path given with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "Correct the line it names.") from None
    except RecursionError:
        advice = "Look for a bracket or brace that is there again and again."
        raise ConfigError(f"{path} is nested too deeply to be read", advice) from None
    for name in PATHS:
        table, _, key = name.partition(".")
        keys = tables.get(table)
        value = keys.get(key) if isinstance(keys, dict) else None
        if isinstance(keys, dict) and isinstance(value, str):
            keys[key] = str(path.parent / expanded(value))
    oauth = tables.get("oauth")
    if isinstance(oauth, dict) and isinstance(oauth.get("provider"), str):
        from .commands_provider import found_beside

        oauth["provider"] = found_beside(oauth["provider"], path.parent)
    return Config.from_tables(tables, str(path))


def state_folder(config: "Settings") -> Path:
    """Where the state is: as configured, systemd's STATE_DIRECTORY, or the place of this user."""
    if config.text("store.dir"):
        return expanded(config.text("store.dir"))
    if os.environ.get("STATE_DIRECTORY"):
        return Path(os.environ["STATE_DIRECTORY"].partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/pairlet")
    return expanded(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "pairlet"


def ca_file_of(config: "Settings", table: str) -> str | None:
    """The CA file for the peer of `table`, None for the system's. Raises ConfigError for one of no use."""
    name = config.text(table + ".ca_file") or config.text("oauth.ca_file")
    if not name:
        return None
    path = str(expanded(name))
    check_ca_file(path)
    return path


def open_http(config: Config, store: "Store", clock: SystemClock) -> "Http":
    """The HTTP client, in the words of the provider. Raises ConfigError."""
    http = RequestsHttp(
        ca_file=ca_file_of(config, "oauth"),
        insecure_http=config.flag("oauth.insecure_http"),
        certificate=certificate_of(config),
    )
    if not config.get("oauth.dialect"):
        return FormHttp(http)
    from .commands_provider import translated

    return translated(http, config, store, clock)


def client_at_work(config: Config) -> "Client":
    """Who the device is, once what every command takes is fit for use. Raises ConfigError."""
    if config.flag("oauth.dpop"):
        from .commands_dpop import check_dpop

        check_dpop(config)
    client = client_of(config)
    if config.text("oauth.issuer"):
        check_issuer(config.text("oauth.issuer"), config.flag("oauth.insecure_http"))
    for table in ("oauth", "mqtt"):
        ca_file_of(config, table)
    return client


def _proving(
    http: "Http", config: Config, store: FileStore, clock: SystemClock, client: "Client", at_once: bool
) -> "tuple[Http, Prover | None]":
    """`http`, and who proves that its requests come from this device; None: tokens are good by themselves."""
    if not config.flag("oauth.dpop"):
        return http, None
    from .commands_dpop import with_proofs

    return with_proofs(http, store, clock, client, config.text("oauth.issuer"), at_once=at_once)


class Joined:
    """An agent on this machine's edges, and the display to close behind it.

    `shown`: whether the command has anything to show on a display. `at_work`: whether it measures
    and publishes. Where no command line says them: `configured` (settings, and the file they are from),
    `display` and `button`.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        output: Output,
        *,
        shown: bool = False,
        at_work: bool = False,
        configured: tuple[Config, Path | None] | None = None,
        display: "Display | None" = None,
        button: "Button | None" = None,
    ):
        config, file = configured or _configured(arguments)
        client = client_at_work(config)
        # What telemetry needs is looked at before anybody pairs for it.
        choice = check_telemetry(config, file) if shown and config.text("mqtt.url") else None
        entropy = SystemEntropy()
        store = FileStore(state_folder(config))
        emit: Emit = output.event if shown else output.event_in_words
        with store.alone(DEVICE):
            device = self.device = identify(config, store, entropy, socket.gethostname(), emit)
        self.display = display or open_display(
            _display_name(config) if shown else "none",
            output.people,
            os.environ,
            port=config.text("display.port") or None,
            baudrate=config.integer("display.baudrate"),
        )
        self.logs: segment_files.SegmentFolder | None = None
        sensors = mqtt = None
        if at_work and choice is not None:
            # Only the agent at work pays for these imports.
            from .segment_files import SegmentFolder

            sensors = choice.open(self._interval_ms, self._hear_of_sensor)
            mqtt = open_mqtt(config, device)
            self.logs = SegmentFolder(state_folder(config) / "outbox", writes=True)
        clock = SystemClock()
        http, self.prover = _proving(open_http(config, store, clock), config, store, clock, client, shown)
        ports = Ports(
            clock=clock,
            http=http,
            display=self.display,
            store=store,
            entropy=entropy,
            sensors=sensors,
            button=button or SignalButton(),
            mqtt=mqtt,
            logs=self.logs,
        )
        what = (__version__, arguments.command, client.client_id, device.device_id, state_folder(config))
        _log.info("pairlet %s %s: client %s, device %s, state in %s", *what)
        ports, emit = self._watched(ports, emit, config, at_work)
        handlers = handlers_for(config, file) if mqtt is not None else None
        browser = _browser(config) if shown else None
        kind = Agent
        if at_work or configured:  # a command ends before its server moves, and a program of others may not
            from .commands_long_run import LongRunAgent as kind
        self.agent = kind(config, client, device, ports, emit, handlers, browser)
        if self.standing is not None:
            self.standing.watch(self.agent)

    def _watched(self, ports: Ports, emit: "Emit", config: Config, at_work: bool) -> "tuple[Ports, Emit]":
        """Ports and listener, with a log and whoever knows how the agent stands in between where wanted."""
        self.standing: Standing | None = None
        self.status_line: StatusLine | None = None
        logged = None
        if _log.isEnabledFor(logging.INFO):
            from .log.joined import with_log

            ports, logged, emit = with_log(ports, emit)
        if at_work or logged is not None:
            from .standing.joined import with_standing

            ports, self.standing = with_standing(ports, emit, self._interval_ms)
            emit = self.standing
            if logged is not None:
                from .log import status

                self.status_line = status.StatusLine(self.standing, logged)
        return ports, emit

    def _interval_ms(self) -> int:
        return self.agent.measuring.interval_ms()

    def _hear_of_sensor(self, title: str, error: PairletError | None) -> None:
        if self.standing is not None:
            self.standing.sensor_changed(title, error is None)
        if error is None:
            self.agent.emit("recovered", what=f"the sensor {title}")
        else:
            tell_error(self.agent.emit, error)


def _display_name(config: Config) -> str:
    """As configured; but a picture and a log can't share a terminal, so that there it is plain lines."""
    name = config.text("display.name")
    shared = name == "auto" and _log.isEnabledFor(logging.INFO) and sys.stderr is not None
    return "plain" if shared and sys.stderr.isatty() else name


def _browser(config: Config) -> "Browser | None":
    """Where people sign in on this device; None where they don't."""
    if config.text("oauth.grant") != "authorization_code":
        return None
    from .sign_in.loopback import LoopbackBrowser

    command = config.texts("oauth.browser") or config.text("oauth.browser")
    return LoopbackBrowser(config.text("oauth.redirect_uri"), command)


def open_mqtt(config: "Settings", device: Device, beside: str = "") -> "Mqtt":
    """The port Mqtt as configured; nothing is connected yet. Raises ConfigError.

    `beside`: a client_id other than the agent's, whose session is left alone; and of this one nothing stays.
    """
    from ..login import profile_of
    from .mqtt import PahoMqtt

    profile = profile_of(config)
    return PahoMqtt(
        url=config.text("mqtt.url"),
        client_id=beside or config.text("mqtt.client_id") or device.device_id,
        # Only MQTT 5 has enhanced authentication.
        version="5" if profile.method else config.text("mqtt.version"),
        clean_start=bool(beside),
        session_expiry_s=0 if beside else config.integer("mqtt.session_expiry") // 1000,
        will_delay_s=profile.will_delay_s,
        max_packet=profile.max_packet,
        keep_alive=config.integer("mqtt.keep_alive") // 1000,
        ca_file=ca_file_of(config, "mqtt"),
        insecure=config.flag("oauth.insecure_http"),
    )


async def pair(arguments: argparse.Namespace, output: Output) -> int:
    """Pair once."""
    joined = Joined(arguments, output, shown=True)
    from .commands_identity import listening, tell_person

    identity = listening(joined.agent)
    try:
        if joined.agent.revocation_is_pending():
            # Which may take a minute, and else nobody would know what they wait for.
            joined.display.show(Screen(STARTING, message="telling the server of an un-pairing"))
        token = await joined.agent.pair(Patience(TRIES))
        if identity is not None:
            await tell_person(joined.agent, identity, token, output, Patience(TRIES))
    finally:
        joined.display.close()
    return 0


async def run(arguments: argparse.Namespace, output: Output) -> int:
    """The agent at work; ends only by a signal or an error."""
    from .reports import Reports

    joined = Joined(arguments, output, shown=True, at_work=True)
    assert joined.standing is not None
    config = joined.agent.config
    listen, folder = config.text("health.listen"), state_folder(config)
    tokens = _token_agent(joined) if config.text("token_agent.socket") else None
    reports = Reports(joined.standing, joined.status_line, listen, folder, os.environ)
    try:
        reports.start()
        if tokens is not None:
            await tokens.start()
        await joined.agent.run()
    except RestartError as wanted:
        output.say(f"pairlet: {wanted}. {wanted.advice}")
        return wanted.exit_code
    finally:
        reports.stop()
        if tokens is not None:
            tokens.stop()
        if joined.logs is not None:
            joined.logs.close()
        joined.display.close()
    return 0


def _token_agent(joined: Joined) -> "TokenAgent":
    """What gives the token to other programs. Raises ConfigError."""
    from ..lending import Lending
    from .token_agent.access import access
    from .token_agent.serving import TokenAgent

    agent, config = joined.agent, joined.agent.config
    place = access(*(config.text("token_agent." + name) for name in ("socket", "mode", "group")))
    issuer, client_id = agent.keeper.account
    whose = {"issuer": issuer, "client_id": client_id, "state_dir": os.path.realpath(state_folder(config))}
    return TokenAgent(Lending(agent), agent.ports.clock, place, whose)


COMMANDS = {
    "pair": pair,
    "run": run,
}
