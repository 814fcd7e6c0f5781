"""Who may ask: the socket's folder, mode and group, and who is at the other end of a connection."""

import grp
import os
import re
import socket
import stat
import struct
from typing import NamedTuple

from ...core.errors import ConfigError

_MODE = re.compile(r"0?[0-7]{3}")
_OWN = 0o600
_GROUP = 0o060
_ADVICE = (
    'Write token_agent.socket = "/run/pairlet/token", in a folder that only the agent\'s user may write to.'
)


class Access(NamedTuple):
    """`path` of the socket, its `mode`, and its group `gid` (-1: this process's)."""

    path: str
    mode: int
    gid: int


def access(path: str, mode: str, group: str) -> Access:
    """What the settings token_agent.socket, .mode and .group say ("" where one is not set).

    Raises ConfigError for what can't be used, and for what would give the token to everybody.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ConfigError(f"token_agent.socket: {ascii(path)} is no absolute path", _ADVICE)
    gid = _gid(group) if group else -1
    return Access(path, _mode(mode) if mode else _OWN | (_GROUP if group else 0), gid)


def _mode(text: str) -> int:
    # Written without quotes, 0o660 arrives as 432.
    bits = int(text, 8) if _MODE.fullmatch(text) else 0
    if bits & ~(_OWN | _GROUP) or bits & _OWN != _OWN or bits & _GROUP not in (0, _GROUP):
        raise ConfigError(
            f"token_agent.mode: {ascii(text)} can't be used",
            'Write "0600" (for the agent\'s user) or "0660" (for a group as well), with the quotes.',
        )
    return bits


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(
            f"token_agent.group: there is no group {ascii(group)}", f"Make it: groupadd {group}"
        ) from None


def check_folder(path: str) -> None:
    """ConfigError unless the folder of `path` is there, and nobody else can replace what is in it."""
    folder = os.path.dirname(path)
    try:
        status = os.stat(folder)
    except OSError as error:
        raise ConfigError(f"token_agent.socket: {ascii(folder)}: {error.strerror}", _ADVICE) from None
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"token_agent.socket: {ascii(folder)} is not a folder", _ADVICE)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or status.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"token_agent.socket: others may write to {ascii(folder)}", _ADVICE)


class Peer(NamedTuple):
    """Who is at the other end (SO_PEERCRED, unix(7)): when it connected, or began to listen."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """The other end of a connected Unix socket."""
    layout = "3i"
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(layout))
    return Peer(*struct.unpack(layout, said))


def may_ask(peer: Peer, mode: int) -> bool:
    """Whether `peer` gets the token. Where there is a group, the kernel has seen to that by the file's mode.

    Without one it is this user and root, however the socket has come to them.
    """
    return bool(mode & _GROUP) or peer.uid in (0, os.geteuid())


def may_answer(peer: Peer, path: str) -> bool:
    """Whether what `peer` says at `path` is to be believed: this user, root, or whose folder it is."""
    return peer.uid in (0, os.geteuid(), os.stat(os.path.dirname(path)).st_uid)
