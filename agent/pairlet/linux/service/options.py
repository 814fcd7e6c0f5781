"""The grammar of `pairlet service`."""

from typing import Any

from ..grammar import examples

_DESCRIPTION = """\
Runs the agent as a service of systemd, which starts it with the machine, restarts it when it fails or
hangs, and shows how it stands: systemctl status pairlet. The configuration is checked first.
"""


def add_service(commands: Any) -> None:
    """Add the command to the sub-parsers of `pairlet`."""
    service = commands.add_parser(
        "service", help="run the agent as a service of systemd", description=_DESCRIPTION
    )
    actions = service.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = _action(
        actions, "install", "write the unit file, enable and start it", "pairlet service install --dry-run"
    )
    install.add_argument(
        "--config",
        metavar="FILE",
        help="the settings (default: as for pairlet run; a service needs them in a file)",
    )
    install.add_argument(
        "--as",
        dest="run_as",
        metavar="USER",
        default="",
        help="run as USER (default: one that systemd makes up for it)",
    )
    install.add_argument("--dry-run", action="store_true", help="print the unit file and do nothing")
    _action(
        actions,
        "remove",
        "stop it and remove the unit file; state and configuration stay",
        "pairlet service remove",
    )
    _action(actions, "status", "say whether it runs, and how the agent stands", "pairlet service status")


def _action(actions: Any, name: str, meaning: str, *example: str) -> Any:
    action = actions.add_parser(
        name,
        help=meaning,
        description=meaning.capitalize() + ".",
        epilog=examples(*example) if example else None,
    )
    action.add_argument(
        "--user", action="store_true", help="a service of this user, without root (default: of the system)"
    )
    action.add_argument(
        "--name", default="pairlet", metavar="NAME", help="what it is called (default: %(default)s)"
    )
    action.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    return action
