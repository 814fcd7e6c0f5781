"""The command line's grammar."""

import argparse

from .. import __version__
from .display import NAMES
from .flash.options import add_flash
from .grammar import Parser, examples
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
_RUN = (
    "Works until it is stopped. SIGTERM stops it with exit code 0; SIGUSR1 is the button that asks "
    "for a new code."
)
_EXEC = (
    "Puts a valid access token into PAIRLET_ACCESS_TOKEN and becomes the command, whose exit code is then "
    "this one's."
)
_STATUS = (
    "Asks the agent at work, and no server: whether the device is paired, how long the token is good, how "
    "the broker is, what waits. Without an agent it says what the state folder holds."
)
_UNPAIR = (
    "Tells the server that the grant is over (RFC 7009) and removes the token from this device. If the "
    "server can't be told now, the next unpair, pair or run does it."
)
_FORGET = (
    "Removes the device from Home Assistant, and its status from the broker. Stop the agent first: one that "
    "runs publishes them again. Takes a token, so un-pair afterwards."
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
    top = Parser(
        prog="pairlet",
        description="Pairs a device that has no keyboard with a person's account, keeps it signed in "
        "and publishes its telemetry.",
        epilog=_EPILOG,
        elsewhere=("demo", "sim"),
    )
    top.add_argument("--version", action="version", version="pairlet " + __version__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = _common()

    def command(name: str, meaning: str, description: str, *example: str) -> argparse.ArgumentParser:
        epilog = examples(*example) if example else None
        return commands.add_parser(
            name, help=meaning, description=description, epilog=epilog, parents=[common]
        )

    add_init(commands)
    command(
        "pair",
        "pair once, then exit",
        _PAIR,
        'pairlet pair --issuer https://auth.example.com --client-id my-tv --scope "openid offline_access"',
    )
    command(
        "run",
        "the agent: pair if needed, keep the token fresh, publish telemetry",
        _RUN,
        "pairlet run --config pairlet.toml --set telemetry.interval=30s --log-level info",
    )
    command("token", "print a valid access token", _TOKEN, "pairlet token --config pairlet.toml")
    run = command(
        "exec",
        "run a command with a valid access token in PAIRLET_ACCESS_TOKEN",
        _EXEC,
        "pairlet exec -- python3 upload.py --all",
    )
    run.usage = "pairlet exec [options] -- COMMAND [ARGUMENT ...]"
    run.add_argument("words", nargs="+", metavar="COMMAND", help="what to run, after --")
    command(
        "doctor",
        "check everything from the configuration to the broker",
        _DOCTOR,
        "pairlet doctor --config pairlet.toml",
    )
    command("status", "say how the device and its agent stand", _STATUS)
    command("unpair", "revoke the grant and forget the token", _UNPAIR)
    command("forget", "clear what the broker retains of this device", _FORGET)
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


def _common() -> Parser:
    common = Parser(add_help=False)
    group = common.add_argument_group("common options")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="the settings (default: ./pairlet.toml, ~/.config/pairlet/pairlet.toml, "
        "/etc/pairlet/pairlet.toml, the first that is there)",
    )
    group.add_argument("--issuer", metavar="URL", help="the authorization server, an https address")
    group.add_argument("--client-id", metavar="ID", help="who this kind of device is to the server")
    group.add_argument("--client-secret-file", metavar="FILE", help="a file that holds the client secret")
    group.add_argument("--scope", metavar='"a b"', help="what to ask for, with spaces between")
    group.add_argument(
        "--ca-file", metavar="PEM", help="trust the certificates in this file instead of the system's"
    )
    group.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the token is kept (default: $STATE_DIRECTORY, for root /var/lib/pairlet, "
        "else ~/.local/state/pairlet)",
    )
    group.add_argument("--insecure-http", action="store_true", help="allow plain http and mqtt on loopback")
    group.add_argument("--display", metavar="NAME", choices=NAMES, help=f"{', '.join(NAMES)} (default: auto)")
    group.add_argument(
        "--set",
        metavar="TABLE.KEY=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="any setting of pairlet.toml, as mqtt.url=mqtts://broker.example.com; may be given again",
    )
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on stdout; the rest goes to stderr"
    )
    group.add_argument(
        "--log-level",
        choices=LEVELS,
        default=_LOG_LEVEL,
        help="what the log on stderr tells: info says how the token stands, debug each exchange and why "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--log-format",
        choices=FORMATS,
        default=_LOG_FORMAT,
        help="how each line of it is written (default: %(default)s)",
    )
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
