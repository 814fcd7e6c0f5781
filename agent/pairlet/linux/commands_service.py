"""`pairlet service`: where the configuration, its unit file and systemd are joined."""

import argparse

from ..core.errors import EXIT_DONE, ConfigError
from .commands import configuration_file, in_force, read_configuration
from .commands_client import certificate_of, client_of
from .commands_telemetry import check_telemetry
from .health.place import parse
from .output import Output
from .service.installed import Installed
from .service.plan import Wishes, check_name, unit_for
from .service.unit import Unit, text_of
from .token_agent.access import access


def service(arguments: argparse.Namespace, output: Output) -> int:
    """Install, remove, or say how it is; the exit code. Raises PairletError."""
    check_name(arguments.name)
    installed = Installed(arguments.name, arguments.user)
    return _ACTIONS[arguments.action](arguments, output, installed)


def _install(arguments: argparse.Namespace, output: Output, installed: Installed) -> int:
    text = text_of(_unit(arguments))
    if arguments.dry_run:
        output.line(text.rstrip("\n"))
        return EXIT_DONE
    installed.check()
    installed.install(text)
    user = "--user " if arguments.user else ""
    output.event("service_installed", name=installed.name, file=str(installed.file))
    output.say(f"{installed.file} is written, and the service {installed.name} runs.")
    output.say(f"How it is:      pairlet service status {user}".rstrip())
    output.say(f"What it says:   journalctl {user}-u {installed.name} -f   (the code to pair it, too)")
    if arguments.user:
        output.say("To run while nobody is logged in: loginctl enable-linger")
    else:
        output.say(f"Sensors of your own that need a device or a group: systemctl edit {installed.name}")
    return EXIT_DONE


def _unit(arguments: argparse.Namespace) -> Unit:
    """The unit for a configuration that could be used. Raises ConfigError."""
    file = configuration_file(arguments.config)
    if file is None:
        raise ConfigError(
            "there is no configuration for the service",
            "Write /etc/pairlet/pairlet.toml, or name one: --config.",
        )
    config = in_force(read_configuration(file))
    if not config.text("oauth.client_id"):
        raise ConfigError(f"{file} has no client_id", "Set oauth.client_id there.")
    if config.text("oauth.client_secret_file") or config.text("oauth.client_key_file"):
        client_of(config)  # from elsewhere they come when the service runs
        certificate_of(config)
    if config.text("mqtt.url"):
        check_telemetry(config, file)
    listen = config.text("health.listen")
    health_socket = parse(listen).path if listen else ""
    socket, group = config.text("token_agent.socket"), config.text("token_agent.group")
    if socket:
        access(socket, config.text("token_agent.mode"), group)
    serial_port = config.text("display.port") if config.text("display.name") == "serial" else ""
    wishes = Wishes(arguments.name, arguments.user, arguments.run_as)
    return unit_for(
        wishes,
        file,
        secret_file=config.text("oauth.client_secret_file"),
        key_file=config.text("oauth.client_key_file"),
        state_folder=config.text("store.dir"),
        serial_port=serial_port,
        health_socket=health_socket,
        token_socket=socket,
        token_group=group if socket else "",
    )


def _remove(arguments: argparse.Namespace, output: Output, installed: Installed) -> int:
    if not installed.file.exists():
        output.event("service_removed", name=installed.name, file="")
        output.say(f"There is no service {installed.name}: {installed.file} does not exist.")
        return EXIT_DONE
    installed.check()
    installed.remove()
    output.event("service_removed", name=installed.name, file=str(installed.file))
    output.say(f"The service {installed.name} is gone. Its token and its samples are still on this machine.")
    return EXIT_DONE


def _status(arguments: argparse.Namespace, output: Output, installed: Installed) -> int:
    if not installed.is_there():
        output.event("service", name=installed.name, installed=False)
        output.say(f"There is no service {installed.name}. Install it: pairlet service install.")
        return EXIT_DONE
    known = installed.properties()
    active, text = known.get("ActiveState", "unknown"), known.get("StatusText", "")
    restarts = int(known["NRestarts"]) if known.get("NRestarts", "").isdigit() else 0
    output.event("service", name=installed.name, installed=True, active=active, sub=known.get("SubState", ""),
                 status=text, restarts=restarts, result=known.get("Result", ""))  # fmt: skip
    if not output.as_json:
        parts = [
            f"{active} ({known.get('SubState', '')})",
            text,
            f"restarted {restarts} times" if restarts else "",
        ]
        output.line(f"{installed.name}: " + "; ".join(part for part in parts if part))
    return EXIT_DONE


_ACTIONS = {"install": _install, "remove": _remove, "status": _status}
