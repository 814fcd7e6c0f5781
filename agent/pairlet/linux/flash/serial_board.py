"""A board at a serial port, through mpremote's raw REPL: its files, its reset, its console."""

import ast
import binascii
import contextlib
import importlib
import io
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...core.errors import TransportError
from ...core.text import clean
from . import onboard, trouble

_ANSWER_S = 4.0  # a prompt that has not come by then does not come
_READ_S = 5.0
_BACK_S = 30.0  # a board with USB of its own vanishes from the bus when it resets
_TRIES = 3  # a program that was stopped amid its own clean-up may swallow what is typed
_CHUNK = 768  # bytes of a file in one command: 1 KB of source, which fits the smallest heap
_RAW = b"raw REPL; CTRL-B to exit\r\n"
# What to type, and what comes then: Ctrl-C and Ctrl-A, Ctrl-D. boot.py may say something before the last one;
# the ">" behind it stays for mpremote, which waits for it before each command.
_TO_PROMPT = ((b"\r\x03\x03\r\x01", _RAW + b">"), (b"\x04", b"soft reboot\r\n"), (b"", _RAW))


class Description(NamedTuple):
    """What the board says of itself; `mpy` is the version of .mpy files it loads, 0 for none."""

    name: str
    version: tuple[int, ...]
    mpy: int
    machine: str


class SerialBoard:
    """A board that has been stopped and waits at its raw prompt. Make it with `connect`.

    Paths are absolute. Every method raises TransportError when the board has gone or falls silent, and
    StoreError when it refuses, most often because its flash is full.
    """

    def __init__(self, port: str, answer_s: float = _ANSWER_S):
        self._port = port
        self._answer_s = answer_s
        self._mpremote = _module("mpremote.transport_serial", "mpremote")
        self._link: Any = None

    def connect(self) -> Description:
        """Stop what runs there and greet. Raises ConfigError, TransportError: see `trouble`."""
        trouble.check_port(self._port)
        self._open()
        for attempt in range(_TRIES):
            if self._reaches_prompt():
                break
            if attempt + 1 == _TRIES:
                raise trouble.silent(self._port)
        name, version, mpy, machine = self._lines(onboard.WHO, 4)
        numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
        return Description(name, numbers, int(mpy) if mpy.isdecimal() else 0, clean(machine, 60))

    def prepare(self) -> None:
        """Give the board what the other methods call."""
        self.run(onboard.SETUP)

    def _open(self) -> None:
        # mpremote tells a pseudo-terminal by its name, which a link to it does not have.
        path = self._port if "://" in self._port else os.path.realpath(self._port)
        try:
            self._link = self._mpremote.SerialTransport(path)
            # Without it, half an answer would be waited for without end.
            self._link.serial.timeout = _READ_S
        except (self._mpremote.TransportError, OSError, ValueError):
            raise TransportError(
                f"{self._port} can't be opened", "Plug the board in again and close what else uses the port."
            ) from None

    def _reaches_prompt(self) -> bool:
        """Interrupt, raw prompt, soft reset: after that all the memory that the program had is free.

        mpremote's own way to the prompt never ends when something else keeps talking at the port.
        """
        serial, deadline = self._link.serial, time.monotonic() + self._answer_s
        try:
            for keys, answer in _TO_PROMPT:
                serial.write(keys)
                if not _comes(serial, answer, deadline):
                    return False
        except OSError:
            raise trouble.unplugged(self._port) from None
        serial.timeout = _READ_S
        self._link.in_raw_repl = True
        return True

    # ---- commands ----------------------------------------------------------------------------

    def run(self, source: str) -> str:
        """Run `source` there; what it printed."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                printed: bytes = self._link.exec(source)
        except self._mpremote.TransportExecError as error:
            raise trouble.refused(error.error_output) from None
        except (self._mpremote.TransportError, struct.error, UnicodeDecodeError):
            raise TransportError(
                f"the board on {self._port} stopped answering", "Press its reset button and run it again."
            ) from None
        except OSError:
            raise trouble.unplugged(self._port) from None
        return printed.decode("utf-8", "replace").replace("\r\n", "\n")

    def _lines(self, source: str, count: int) -> list[str]:
        lines = self.run(source).splitlines()
        if len(lines) != count:
            raise trouble.silent(self._port)
        return lines

    def files(self, *folders: str) -> dict[str, str]:
        """The SHA-256 (hexadecimal) of each file below `folders`, by its path."""
        found: dict[str, str] = {}
        for folder in folders:
            for line in self.run(f"L({folder!r})").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    name, digest = json.loads(line)
                    found[name] = digest
        return found

    def digest(self, path: str) -> str | None:
        """The SHA-256 of one file, None if it is not there."""
        answer = self.run(f"try:\n print(H({path!r}))\nexcept OSError:\n pass").strip()
        return answer or None

    def names(self, folder: str) -> list[str]:
        """What lies in a folder: absolute paths of files and folders."""
        names = ast.literal_eval(self.run(f"print([n for n,s in D({folder.rstrip('/')!r})])"))
        return [str(name) for name in names]

    def read(self, path: str) -> bytes | None:
        """A file's content, None if it is not there."""
        *lines, there = self.run(f"print(T({path!r}))").splitlines()
        return b"".join(map(binascii.a2b_base64, lines)) if there == "1" else None

    def room(self) -> tuple[int, int]:
        """Bytes of a block, and bytes that are free."""
        size, free = self._lines("s=os.statvfs('/')\nprint(s[0])\nprint(s[3])", 2)
        return int(size), int(size) * int(free)

    def write(self, path: str, data: bytes, told: Callable[[int], None] = lambda size: None) -> None:
        """Write a file; `told` hears how many bytes have got there since it last heard."""
        self.run(f"g=open({path!r},'wb')")
        for place in range(0, len(data), _CHUNK):
            chunk = data[place : place + _CHUNK]
            self.run(f"U({binascii.b2a_base64(chunk, newline=False)!r})")
            told(len(chunk))
        self.run("g.close()")

    def copy(self, source: str, target: str) -> None:
        """Copy a file on the board."""
        self.run(f"C({source!r},{target!r})")

    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there."""
        self.run(f"K({path!r})")

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        self.run(f"R({path!r})")

    def remove_tree(self, path: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        self.run(f"X({path!r})")

    def rename(self, source: str, target: str) -> None:
        """Put a file in the place of another in one step (on LittleFS), for good when it returns."""
        self.run(f"S()\nos.rename({source!r},{target!r})\nS()")

    # ---- afterwards --------------------------------------------------------------------------

    def reset(self) -> None:
        """Start the board anew, as its button does; from now on there is only `console`."""
        try:
            self._link.exec_raw_no_follow("import machine\nmachine.reset()")
        except (self._mpremote.TransportError, OSError, struct.error):
            # A board with USB of its own may be gone before it has acknowledged.
            pass

    def close(self, *, stopped: bool = False) -> None:
        """Let the port go. `stopped`: the board is still at its raw prompt; its program starts again."""
        if self._link is None:
            return
        with contextlib.suppress(OSError, self._mpremote.TransportError):
            if stopped:
                # Ends a command, or half of one; then the friendly prompt, and a soft reset from there.
                self._link.serial.write(b"\r\x03\x03\r\x02\x04")
                self._link.serial.flush()
        with contextlib.suppress(OSError):
            self._link.close()
        self._link = None

    def console(self) -> Iterator[bytes]:
        """What the board says, for ever, b"" now and then when it says nothing."""
        while True:
            try:
                serial = self._link.serial
                serial.timeout = 0.2
                yield serial.read(max(1, serial.in_waiting))
            except OSError:
                self._come_back()

    def _come_back(self) -> None:
        """Open the port again after a reset took it away. Raises TransportError if it stays away."""
        deadline = time.monotonic() + _BACK_S
        with contextlib.suppress(OSError):
            self._link.close()
        while True:
            try:
                self._open()
                return
            except TransportError:
                if time.monotonic() > deadline:
                    raise trouble.unplugged(self._port) from None
            time.sleep(0.2)


def _comes(serial: Any, ending: bytes, deadline: float) -> bool:
    """Read until `ending` has come, and nothing behind it; False if it has not by `deadline`."""
    serial.timeout = 0.1
    last = b""
    while not last.endswith(ending):
        if time.monotonic() > deadline:
            return False
        last = (last + serial.read(1))[-len(ending) :]
    return True


def _module(name: str, package: str) -> Any:
    """Import a module of the extra `flash`. Raises ConfigError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise trouble.missing_part(package) from None
