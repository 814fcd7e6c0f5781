"""What can be in the way between this machine and a board, each as one sentence."""

import errno
import fcntl
import os
import stat
import termios

from ...core.errors import ConfigError, PairletError, StoreError, TransportError
from ...core.text import clean

INSTALL = "Install it with: pip install 'pairlet[flash]'"
_UNCHANGED = "The board still starts what it started before; plug it in and run pairlet flash again."


def missing_part(name: str) -> ConfigError:
    """A package of the extra `flash` is not installed."""
    return ConfigError(f"flash needs the package {name}, which is not installed", INSTALL)


def unplugged(port: str) -> TransportError:
    """The port has gone, or its other end has."""
    return TransportError(f"the connection to {port} broke off", _UNCHANGED)


def silent(port: str) -> TransportError:
    """The port is there, but nothing on it answers as MicroPython's raw REPL does."""
    return TransportError(
        f"no MicroPython answers on {port}",
        "Check that it is the board's port and press its reset button; "
        "a bare board needs MicroPython first: micropython.org/download.",
    )


def flash_full(needed: int, free: int) -> StoreError:
    """`needed` and `free` are bytes of the board's file system."""
    return StoreError(
        f"the board's flash is full: the firmware needs {_kilobytes(needed)}, {_kilobytes(free)} are free",
        "Remove files of your own from the board (mpremote fs rm) and run pairlet flash again.",
    )


def refused(error_output: str) -> PairletError:
    """A command failed on the board: `error_output` is its traceback, of which the last line is kept."""
    lines = [line for line in error_output.splitlines() if line.strip()]
    reason = clean(lines[-1], 80) if lines else "it does not say why"
    if reason in ("OSError: 28", "OSError: [Errno 28] ENOSPC"):
        return StoreError(
            "the board's flash is full",
            "Remove files of your own from the board and run pairlet flash again.",
        )
    if reason.startswith("MemoryError"):
        return TransportError("the board has no memory left to take files", "Reset the board and try again.")
    return StoreError(
        f"the board could not do it: {reason}", "Reset the board and try again; its flash may be worn out."
    )


def check_port(port: str) -> None:
    """Raises the error that tells why `port` can't be a board's; returns if it can. Opens nothing for good.

    Addresses that pyserial knows (socket://, rfc2217://) are not looked at.
    """
    if "://" in port:
        return
    try:
        kind = os.stat(port).st_mode
        descriptor = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY) if stat.S_ISCHR(kind) else -1
    except (OSError, ValueError) as error:
        raise _unusable(port, getattr(error, "errno", None)) from None
    if descriptor < 0:
        raise ConfigError(f"{port} is no serial port", _which_ports())
    try:
        _check_terminal(port, descriptor)
    finally:
        os.close(descriptor)


def _check_terminal(port: str, descriptor: int) -> None:
    try:
        termios.tcgetattr(descriptor)
    except termios.error:
        raise ConfigError(f"{port} is no serial port", _which_ports()) from None
    try:
        # What pyserial, mpremote and many others do to keep a port to themselves.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise _busy(port) from None


def _unusable(port: str, number: int | None) -> PairletError:
    if number == errno.EBUSY:
        return _busy(port)
    if number in (errno.EACCES, errno.EPERM):
        return ConfigError(
            f"this user may not open {port}",
            "Add the user to the group that owns it (often dialout) and log in again.",
        )
    if number in (errno.EIO, errno.ENXIO, errno.ENODEV):
        return unplugged(port)
    return ConfigError(f"there is no port {clean(port, 80)}", _which_ports())


def _busy(port: str) -> TransportError:
    return TransportError(
        f"{port} is in use by another program", "Close that program (mpremote, Thonny ...) and try again."
    )


def _which_ports() -> str:
    """A sentence with the ports that have something on USB."""
    from serial.tools import list_ports

    found = [port.device for port in list_ports.comports() if port.vid is not None]
    if not found:
        return "No board is plugged into USB; some cables only carry power."
    return "There are: " + ", ".join(sorted(found)) + "."


def _kilobytes(size: int) -> str:
    return f"{(size + 1023) // 1024} KB"
