"""The unit file (systemd.unit(5), systemd.service(5), systemd.exec(5)) as text."""

from typing import NamedTuple

# The first line, by which a file is known as ours; others are not written over.
MARK = "# Written by: pairlet service install"

_HEAD = """\
{mark}
# Changes belong into a drop-in, which stays when this is written anew: systemctl {user}edit {name}

[Unit]
Description=Pairlet: keeps this device signed in and publishes its telemetry
"""

_ORDER = """\
Wants=network-online.target
# Where nothing sets the clock, the agent makes do without; but it should not have to.
After=network-online.target time-sync.target
"""

_SERVICE = """\
# However often it fails: there may be nobody to start it again.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Restart=on-failure
# By chance, from 30 to 60 s: a site's devices must not come back as one. The agent spreads its requests too.
RestartSec={restart_s}
# 2: the configuration can't be used. Nothing but a person mends that.
RestartPreventExitStatus=2
# The agent says every two and a half minutes that all its tasks get on; one that hangs is started anew.
WatchdogSec=5min
TimeoutStopSec=20
# A core dump would hold the tokens.
LimitCORE=0
UMask=0077
"""

# The clock: reading whether it is set takes adjtimex(2), which ProtectClock= and @system-service deny. To set
# it takes a capability, and there are none.
_HARDENED = """\
StateDirectory={name}
StateDirectoryMode=0700
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
PrivateDevices={private_devices}
DevicePolicy=closed
{devices}PrivateUsers=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=adjtimex clock_adjtime clock_adjtime64
SystemCallErrorNumber=EPERM
"""

_OF_A_USER = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
MemoryDenyWriteExecute=yes
"""


class Unit(NamedTuple):
    """What a unit file depends on.

    words: the command and its arguments. for_user: one for the manager of a user, not of the system.
    run_as: the user, "" for one that systemd makes up. secret_file, key_file: where the client's secret
    and key are, or "". state_folder: the one configured, "" for the one that systemd gives.
    run_folder: whether it needs /run/NAME, for a socket that others may find.
    devices: nodes under /dev that it may use, and groups: the groups for that. reads_homes: whether
    program or configuration are in a home. restart_s: seconds until it is started anew.
    socket_folder: where the token agent's socket is to be, "" without one; what is directly below /run is
    made by systemd. group: whose members may use the socket, "" for none.
    """

    name: str
    words: list[str]
    restart_s: int
    for_user: bool = False
    run_as: str = ""
    secret_file: str = ""
    key_file: str = ""
    state_folder: str = ""
    run_folder: bool = False
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    reads_homes: bool = False
    socket_folder: str = ""
    group: str = ""


def text_of(unit: Unit) -> str:
    """The unit file."""
    command = " ".join(quoted(word) for word in unit.words)
    parts = [_HEAD.format(mark=MARK, user="--user " if unit.for_user else "", name=unit.name)]
    if not unit.for_user:
        parts.append(_ORDER)
    parts.append(_SERVICE.format(command=command, restart_s=unit.restart_s))
    parts.append(_OF_A_USER if unit.for_user else _of_the_system(unit))
    wanted_by = "default.target" if unit.for_user else "multi-user.target"
    return "".join(parts) + f"\n[Install]\nWantedBy={wanted_by}\n"


def _of_the_system(unit: Unit) -> str:
    lines = [f"User={unit.run_as}\n" if unit.run_as else "DynamicUser=yes\n"]
    if unit.group:
        # What it makes belongs to this group then, and needs no chown, which it may not do.
        lines.append(f"Group={unit.group}\n")
    if unit.groups:
        lines.append(f"SupplementaryGroups={' '.join(unit.groups)}\n")
    # By these names the agent looks for them (client_auth.secret.place).
    given = [("client_secret", unit.secret_file), ("client_key", unit.key_file)]
    credentials = [f"LoadCredential={name}:{_escaped(file)}\n" for name, file in given if file]
    if credentials:
        lines.append("# Read by root, and shown to the agent alone ($CREDENTIALS_DIRECTORY).\n")
        lines += credentials
    if unit.run_folder and unit.socket_folder != "/run/" + unit.name:
        lines.append(f"RuntimeDirectory={unit.name}\n")
    if unit.state_folder:
        lines.append(f"ReadWritePaths={quoted(unit.state_folder)}\n")
    if unit.socket_folder:
        lines.append(_socket_folder(unit.socket_folder))
    lines.append(
        _HARDENED.format(
            name=unit.name,
            protect_home="read-only" if unit.reads_homes else "yes",
            private_devices="no" if unit.devices else "yes",
            devices="".join(f"DeviceAllow={device} rw\n" for device in unit.devices),
        )
    )
    return "".join(lines)


def _socket_folder(folder: str) -> str:
    name = folder.removeprefix("/run/")
    if name == folder or "/" in name:
        return f"ReadWritePaths={quoted(folder)}\n"
    return f"RuntimeDirectory={_escaped(name)}\nRuntimeDirectoryMode=0755\n"


def quoted(word: str) -> str:
    """`word` as one argument in ExecStart=, whatever is in it."""
    escaped = _escaped(word).replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    plain = bool(word) and not set(word) & set(" \t'\"\\;")
    return escaped if plain else f'"{escaped}"'


def _escaped(text: str) -> str:
    """Without meaning for systemd.unit(5)'s specifiers."""
    return text.replace("%", "%%")
