# mypy: ignore-errors
"""`os` as on a board: no environment, no shell, and who the board is."""

from collections import namedtuple

from uos import (  # noqa: F401
    VfsFat,
    VfsLfs2,
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    mount,
    remove,
    rename,
    rmdir,
    stat,
    statvfs,
    umount,
    unlink,
    urandom,
)

_Uname = namedtuple("uname_result", ("sysname", "nodename", "release", "version", "machine"))


def sync():
    """Every write has reached the flash when it returns, so there is nothing to do."""


def uname():
    """The port and the board, with the version of the interpreter that really runs."""
    import sys

    release = ".".join(str(part) for part in sys.implementation.version[:3])
    version = sys.version.split("MicroPython ")[-1]
    return _Uname(sys.platform, sys.platform, release, version, sys.implementation._machine)


def dupterm(stream, index=0):
    """There is one console, the serial port."""
    return None
