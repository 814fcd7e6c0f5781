"""Whose code is run as a sensor: this user's and root's, never what somebody else could have put there."""

import os
import stat
from pathlib import Path

from ...core.errors import ConfigError


def holds(folder: Path, module_name: str) -> bool:
    """Whether `module_name` is in `folder`; ConfigError if it is and another user decides what it does.

    One that is not there comes from Python's own places, which are as good as Python itself.
    """
    top = folder / module_name.partition(".")[0]
    found = [place for place in (top.with_suffix(".py"), top) if place.exists()]
    for place in found:
        check_file(place)
    return bool(found)


def check_file(file: Path) -> None:
    """ConfigError unless only this user and root can change `file`, or put another one in its place."""
    _check(file.resolve(), "is a sensor, or names some,")
    for folder in file.resolve().parents:
        _check(folder, "holds sensors", sticky_is_safe=folder != file.resolve().parent)


def _check(path: Path, what: str, *, sticky_is_safe: bool = False) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        raise ConfigError(f"{path} can't be looked at: {error.strerror}", "Check who may read it.") from None
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} {what} and belongs to another user (uid {status.st_uid})",
            "Whoever owns it could run anything as you: make it root's or your own (chown).",
        )
    if sticky_is_safe and status.st_mode & stat.S_ISVTX:
        return  # as in /tmp: there nobody can rename or remove what is another's
    others = status.st_mode & stat.S_IWOTH
    # A group of the owner alone, as Debian makes one for each user, is the owner.
    group = status.st_mode & stat.S_IWGRP and status.st_gid not in (0, status.st_uid)
    if others or group:
        raise ConfigError(
            f"{path} {what} and other users may write to it",
            f"They could run anything as you: chmod go-w {path}",
        )
