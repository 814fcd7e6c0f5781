"""From a configuration to a unit: what the service needs, and whether it will be able to read it."""

import grp
import os
import pwd
import random
import re
import stat
import sys
from pathlib import Path
from typing import NamedTuple

from ...core.errors import ConfigError
from .unit import Unit

_HOMES = ("/home", "/root", "/run/user")
# The service has its own of these, with nothing in it (PrivateTmp=).
_TEMPORARY = ("/tmp", "/var/tmp")
_PACKAGE = Path(__file__).resolve().parents[2]
# Groups that Debian gives serial ports to, and others.
_SERIAL_GROUPS = ("dialout", "uucp")


class Wishes(NamedTuple):
    """What somebody has asked for on the command line."""

    name: str
    for_user: bool
    run_as: str


def check_name(name: str) -> None:
    """ConfigError unless a service may be called `name`."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"{ascii(name)} can't be the name of a service", "Use a-z, 0-9, - and _.")


def unit_for(
    wishes: Wishes,
    config_file: Path,
    *,
    secret_file: str = "",
    key_file: str = "",
    state_folder: str = "",
    serial_port: str = "",
    health_socket: str = "",
    token_socket: str = "",
    token_group: str = "",
) -> Unit:
    """The unit for `config_file`. Raises ConfigError for what the service could not use or read.

    secret_file, key_file, state_folder, serial_port, health_socket and token_socket (paths), token_group: as
    configured, or "".
    """
    check_name(wishes.name)
    if wishes.for_user and wishes.run_as:
        raise ConfigError("--user and --as exclude each other", "A user's service runs as that user.")
    if wishes.run_as:
        try:
            pwd.getpwnam(wishes.run_as)
        except KeyError:
            raise ConfigError(f"there is no user {ascii(wishes.run_as)}", "Name one that exists.") from None
    config_file = config_file.absolute()
    state_folder = str(Path(state_folder).absolute()) if state_folder else ""
    if not wishes.for_user:
        _check_places(wishes, config_file, state_folder, health_socket)
    if not wishes.for_user and not wishes.run_as:
        _check_own_user(wishes, config_file, state_folder, token_socket)
    places = [str(config_file), sys.executable, sys.prefix, *([state_folder] if state_folder else [])]
    return Unit(
        name=wishes.name,
        # -P: what lies in the working directory is not for importing.
        words=[sys.executable, "-P", "-m", "pairlet.linux", "run", "--config", str(config_file),
               "--log-level", "info"],
        restart_s=random.SystemRandom().randint(30, 60),
        for_user=wishes.for_user,
        run_as=wishes.run_as,
        secret_file=_absolute(secret_file, wishes),
        key_file=_absolute(key_file, wishes),
        state_folder=_absolute(state_folder, wishes),
        run_folder=bool(health_socket) and not wishes.for_user,
        devices=(serial_port,) if serial_port else (),
        groups=_groups() if serial_port else (),
        socket_folder=os.path.dirname(token_socket) if not wishes.for_user else "",
        group=token_group if not wishes.for_user else "",
        reads_homes=any(_is_in_a_home(place) for place in places),
    )  # fmt: skip


def _check_own_user(wishes: Wishes, config_file: Path, state_folder: str, token_socket: str) -> None:
    """ConfigError for what a user of the service's own, whom systemd makes up, could not read or write."""
    _check_program()
    _check_readable(config_file, f"Put it where services look: install -D -m 644 {config_file} "
                                 "/etc/pairlet/pairlet.toml")  # fmt: skip
    if state_folder:
        raise ConfigError(
            f"store.dir is {state_folder}, where the service's own user may not write",
            f"Leave it out, and systemd gives it /var/lib/{wishes.name}; or name a user with --as.",
        )
    if token_socket and not re.fullmatch(r"/run/[A-Za-z0-9_-]+/[^/]+", token_socket):
        raise ConfigError(
            f"token_agent.socket is {token_socket}, where the service's own user may not write",
            f"Write /run/{wishes.name}/token, in a folder that systemd makes; or name a user with --as.",
        )


def _check_places(wishes: Wishes, config_file: Path, state_folder: str, health_socket: str) -> None:
    """ConfigError for places that a service of the system can't see, or can't write to."""
    if _is_in(str(config_file), _TEMPORARY):
        raise ConfigError(
            f"{config_file} is in a folder that the service has its own of",
            f"Put it where services look: install -D -m 644 {config_file} /etc/pairlet/pairlet.toml",
        )
    if state_folder and wishes.run_as and not os.path.isdir(state_folder):
        raise ConfigError(
            f"store.dir is {state_folder}, which is not there, and the service can't make it",
            f"Make it: install -d -m 700 -o {wishes.run_as} {state_folder}",
        )
    if health_socket and not _is_in(os.path.dirname(health_socket), (f"/run/{wishes.name}",)):
        raise ConfigError(
            f"health.listen is {health_socket}, where the service may not write",
            f"Use 127.0.0.1:9000, or a name in the folder that systemd gives it: /run/{wishes.name}/health.",
        )


def _absolute(file: str, wishes: Wishes) -> str:
    """For a service of the system; one of a user reads and writes what its user may anyway."""
    return str(Path(file).absolute()) if file and not wishes.for_user else ""


def _check_program() -> None:
    """ConfigError if a user that systemd makes up could not start this program."""
    advice = (
        "Install it where any user may read it (python3 -m venv /opt/pairlet && /opt/pairlet/bin/pip install "
        "pairlet) and run this from there; or name a user with --as, or use --user."
    )
    for place in (Path(sys.executable), Path(sys.prefix), _PACKAGE):
        _check_readable(place, advice)


def _check_readable(place: Path, advice: str) -> None:
    if _is_in_a_home(str(place)) or not _is_readable_by_all(place):
        raise ConfigError(f"{place} can't be read by the service's own user", advice)


def _is_readable_by_all(place: Path) -> bool:
    try:
        real = place.resolve(strict=True)
        readable = os.stat(real).st_mode & stat.S_IROTH
        return bool(readable) and all(os.stat(folder).st_mode & stat.S_IXOTH for folder in real.parents)
    except OSError:
        return False


def _is_in_a_home(place: str) -> bool:
    return _is_in(place, _HOMES)


def _is_in(place: str, folders: tuple[str, ...]) -> bool:
    real = os.path.realpath(place)
    return any(os.path.commonpath((real, folder)) == folder for folder in folders)


def _groups() -> tuple[str, ...]:
    known = {entry.gr_name for entry in grp.getgrall()}
    return tuple(name for name in _SERIAL_GROUPS if name in known)[:1]
