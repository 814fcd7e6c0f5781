# mypy: ignore-errors
"""From power to the prompt: the world is put in front, the flash is mounted, the program runs."""

import gc
import io
import os
import socket  # noqa: F401
import ssl  # noqa: F401
import sys
import time  # noqa: F401
from collections import namedtuple

import _flash
import _layout
import _repl
import _wire
import esp32  # noqa: F401
import machine  # noqa: F401
import micropython
import network  # noqa: F401
import ntptime  # noqa: F401
import rp2  # noqa: F401
import vfs

_NAMES = ("esp32", "ESP32", "Generic ESP32 module with ESP32 (virtual)")
if not _wire.esp32:
    _NAMES = ("rp2", "RP2040", "Raspberry Pi Pico W with RP2040 (virtual)")
_LEFT_OUT = ("atexit", "exc_info", "executable", "argv", "__dict__", "__class__")


class _Bytes(io.IOBase):
    """`sys.stdout.buffer`: bytes that reach the serial port as they are."""

    def write(self, data, size=None):
        data = bytes(data if size is None else data[:size])
        for place in range(0, len(data), 1024):
            _wire.ask(_layout.RAW_OUTPUT, data[place : place + 1024])
        return len(data)


class _Output(io.IOBase):
    """`sys.stdout`: text, with "\\n" made into "\\r\\n" on its way."""

    def __init__(self, real):
        self._real = real
        self.buffer = _Bytes()

    def write(self, data):
        return self._real.write(data)


class _Module:
    """Stands in for a built-in module, which can't be changed: put into `sys.modules`."""

    def __init__(self, module, left_out):
        for name in dir(module):
            if name not in left_out:
                setattr(self, name, getattr(module, name))


def _put_in_front():
    """Built-in modules that a file can't hide."""
    implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))
    real = sys.implementation
    shown = _Module(sys, _LEFT_OUT)
    shown.platform = _NAMES[0]
    shown.implementation = implementation(real.name, real.version, _NAMES[2], real._mpy, _NAMES[1])
    shown.stdout = _Output(sys.stdout)
    shown.argv = []
    _repl.sys = shown
    sys.modules["sys"] = shown
    interpreter = _Module(micropython, ("__dict__", "__class__"))
    interpreter.kbd_intr = _repl.interrupt_character
    sys.modules["micropython"] = interpreter
    for name in list(sys.modules):
        if (name[0] == "_" and name != "__main__") or name in ("board", "rp2" if _wire.esp32 else "esp32"):
            sys.modules.pop(name)


def _mount():
    """The flash as "/", formatted if it never was; nothing of the host's files can be reached then."""
    os.umount("/")
    chip = _flash.Flash()
    try:
        system = vfs.VfsLfs2(chip, progsize=_flash.PROGRAM)
    except OSError:
        vfs.VfsLfs2.mkfs(chip, progsize=_flash.PROGRAM)
        system = vfs.VfsLfs2(chip, progsize=_flash.PROGRAM)
    os.mount(system, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def _run_file(name, names):
    """Run boot.py or main.py if it is there; False if it failed. SystemExit in it is a soft reset."""
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, names)  # noqa: F821
    except SystemExit:
        raise
    except BaseException as error:
        _repl.print_error(error)
        return False
    return True


def _programs(names, raw):
    # From here on Ctrl-C counts; only now the host lets through what was typed meanwhile.
    _wire.tell(_layout.BOOTED)
    if _run_file("boot.py", names) and not raw:
        _run_file("main.py", names)


def start(names):
    """Boot. Ends with a soft reset, which the host carries out."""
    names.pop("_boot", None)
    _put_in_front()
    _mount()
    raw = _wire.read(_layout.RAW_MODE, 1)[0]
    gc.collect()
    try:
        error = _repl.run(_programs, names, raw)
        if isinstance(error, SystemExit):
            raise _repl.SoftReset(False)
        if error is not None:
            _repl.print_error(error)
        _repl.prompts(names, raw)
    except _repl.SoftReset as reset:
        _repl._write("MPY: soft reboot\n")
        _wire.write(_layout.RAW_MODE, bytes([reset.raw]))
        _wire.reset(_layout.SOFT_RESET)
