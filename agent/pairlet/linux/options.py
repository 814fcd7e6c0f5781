"""The command line's grammar."""

import argparse

from .. import __version__
from .flash.options import add_flash
from .init.options import add_init
from .log.lines import FORMATS, LEVELS
from .service.options import add_service

# Without a wish the log tells of the program's own faults only.
_LOG_LEVEL, _LOG_FORMAT = "error", "text"

_PAIR = (
    "Shows a code, waits until a person approves it and keeps the token. With oauth.grant = "
    "authorization_code the person signs in with the browser of this device; with client_credentials there "
    "is nobody to ask."
)
_TOKEN = (
    "Prints the access token, refreshed if it needs to be. Where token_agent.socket is set, the agent at "
    "work is asked first. With oauth.grant = client_credentials a token is asked for if there is none."
)
_DOCTOR = (
    "Checks configuration, store, display, names, network, certificates, clock, server, client, token, "
    "broker, topics, sensors and what waits, and says in a line each what is wrong and how to mend it. An "
    "agent at work is not disturbed: nothing is refreshed, made or changed. What is printed may be shown to "
    "anybody. The exit code is 0, or that of the first check that failed."
)
_EPILOG = """\
more commands, from the extra `simulator` (pip install 'pairlet[simulator]'):
  demo      the whole story on this machine: server, broker, one device
  sim       the simulator's parts one by one: authserver, broker, board; faultproxy, a bad network;
            faults and conformance, to test clients of other makers with; soak, years in minutes

exit codes: 0 done, 2 usage or configuration, 3 access denied, 4 code expired, 5 network,
  6 refused by the server, 7 TLS or identity, 8 store, 9 a command asked for a restart,
  130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """The parser of `pairlet`; it exits with 2 on misuse, as argparse does."""
    top = argparse.ArgumentParser(
        prog="pairlet",
        description="Pairs a device that has no keyboard with a person's account, keeps it signed in "
        "and publishes its telemetry.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version="pairlet " + __version__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = _common()

    def command(name: str, meaning: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=meaning, description=description, parents=[common], allow_abbrev=False
        )

    add_init(commands)
    command("pair", "pair once, then exit", _PAIR)
    command(
        "run",
        "the agent: pair if needed, keep the token fresh, publish telemetry",
        "Works until it is stopped. SIGTERM stops it with exit code 0; SIGUSR1 is the button that asks "
        "for a new code.",
    )
    command("token", "print a valid access token", _TOKEN)
    run = commands.add_parser(
        "exec",
        help="run a command with a valid access token in PAIRLET_ACCESS_TOKEN",
        description="Puts a valid access token into PAIRLET_ACCESS_TOKEN and becomes the command.",
        usage="pairlet exec [options] -- COMMAND [ARGUMENT ...]",
        parents=[common],
        allow_abbrev=False,
    )
    run.add_argument("words", nargs="+", metavar="COMMAND", help="what to run, after --")
    command("doctor", "check everything from the configuration to the broker", _DOCTOR)
    command("status", "say how the device and its agent stand", "Asks the agent at work, and no server.")
    command(
        "unpair",
        "revoke the grant and forget the token",
        "Tells the server that the grant is over (RFC 7009) and removes the token from this device.",
    )
    command(
        "forget",
        "clear what the broker retains of this device",
        "Removes the device from Home Assistant, and its status from the broker. Stop the agent first: "
        "one that runs publishes them again.",
    )
    command(
        "reset",
        "forget the settings that came over MQTT",
        "Measures as often as pairlet.toml says again, whatever a command has set.",
    )
    add_flash(commands)
    add_service(commands)
    # For the commands that are not the agent's, and have no log of their own.
    top.set_defaults(log_level=_LOG_LEVEL, log_format=_LOG_FORMAT)
    return top


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = common.add_argument_group("common options")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="default: ./pairlet.toml, ~/.config/pairlet/pairlet.toml, /etc/pairlet/pairlet.toml",
    )
    group.add_argument("--issuer", metavar="URL", help="the authorization server")
    group.add_argument("--client-id", metavar="ID", help="who this kind of device is to the server")
    group.add_argument("--client-secret-file", metavar="FILE", help="a file that holds the client secret")
    group.add_argument("--scope", metavar='"a b"', help="what to ask for")
    group.add_argument("--ca-file", metavar="PEM", help="trust these certificates instead of the system's")
    group.add_argument("--state-dir", metavar="DIR", help="where the token is kept")
    group.add_argument("--insecure-http", action="store_true", help="allow plain http and mqtt on loopback")
    group.add_argument("--display", metavar="NAME", help="auto, terminal, plain, serial or none")
    group.add_argument(
        "--set",
        metavar="TABLE.KEY=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="any setting of pairlet.toml; may be given again",
    )
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on stdout; the rest goes to stderr"
    )
    group.add_argument(
        "--log-level",
        choices=LEVELS,
        default=_LOG_LEVEL,
        help="what the log on stderr tells: info says how the token stands, debug each exchange and why",
    )
    group.add_argument("--log-format", choices=FORMATS, default=_LOG_FORMAT, help="how each line is written")
    return common


# Options that are short for a setting.
SETTING_OF_OPTION = (
    ("issuer", "oauth.issuer"),
    ("client_id", "oauth.client_id"),
    ("client_secret_file", "oauth.client_secret_file"),
    ("scope", "oauth.scope"),
    ("ca_file", "oauth.ca_file"),
    ("state_dir", "store.dir"),
    ("display", "display.name"),
)
