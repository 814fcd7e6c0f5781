"""The grammar of `pairlet service`."""

from typing import Any

_DESCRIPTION = """\
Runs the agent as a service of systemd, which starts it with the machine, restarts it when it fails or
hangs, and shows how it stands: systemctl status pairlet. The configuration is checked first.
"""


def add_service(commands: Any) -> None:
    """Add the command to the sub-parsers of `pairlet`."""
    service = commands.add_parser(
        "service", help="run the agent as a service of systemd", description=_DESCRIPTION, allow_abbrev=False
    )
    actions = service.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = _action(actions, "install", "write the unit file, enable and start it")
    install.add_argument("--config", metavar="FILE", help="default: /etc/pairlet/pairlet.toml, or the user's")
    install.add_argument(
        "--as", dest="run_as", metavar="USER", default="", help="run as USER, not as one made up for it"
    )
    install.add_argument("--dry-run", action="store_true", help="print the unit file and do nothing")
    _action(actions, "remove", "stop it and remove the unit file; state and configuration stay")
    _action(actions, "status", "say how it is")


def _action(actions: Any, name: str, meaning: str) -> Any:
    action = actions.add_parser(
        name, help=meaning, description=meaning.capitalize() + ".", allow_abbrev=False
    )
    action.add_argument("--user", action="store_true", help="a service of this user, without root")
    action.add_argument(
        "--name", default="pairlet", metavar="NAME", help="what it is called (default: pairlet)"
    )
    action.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    return action
