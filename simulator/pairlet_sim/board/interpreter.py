"""The process that is the board's processor: a MicroPython, its console, and its ends of the wires.

The pipes and sockets live as long as the board; each start of the interpreter gets them again. So nothing
that was typed or said gets lost in a soft reset.
"""

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .device import _layout as layout
from .registers import Registers
from .settings import BLOCK, DEVICE, BoardError, Settings

# SIGINT in the middle of a garbage collection leaves the heap locked for good, which no board does. A process
# that waits collects nothing, and one that does not wait for so long is in a loop of its own.
_REST_S = 0.25
_INTERRUPT_PAUSE_S = 0.25  # MicroPython ends when a second SIGINT comes before it has looked at the first
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class Interpreter:
    """Starts and ends the process; what it says goes to `said`, its messages to `told`."""

    def __init__(
        self,
        settings: Settings,
        binary: Path,
        registers: Registers,
        flash: int,
        trace: int,
        said: Callable[[bytes], None],
        told: Callable[[bytes], None],
    ):
        self._settings = settings
        self._binary = binary
        self._registers = registers
        self._files = (flash, trace)
        self._said = said
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None
        self._stdin, self._typed = os.pipe()
        self._output, self._stdout = os.pipe()
        self._link, self._far_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._events, self._far_events = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._typed, self._output):
            os.set_blocking(end, False)
        self._link.setblocking(False)
        self._events.setblocking(False)
        self._unsent = b""
        self._interrupted = (0.0, (0, 0))  # when, and which run of which process
        self._later: asyncio.TimerHandle | None = None

    # ---- life --------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin to take what comes, in the running event loop."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._output, self.drain)
        loop.add_reader(self._link, self.drain)

    def close(self) -> None:
        """Kill the process and close everything."""
        self.kill()
        if self._later is not None:
            self._later.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._output)
        loop.remove_reader(self._link)
        loop.remove_writer(self._typed)
        for number in (self._stdin, self._typed, self._output, self._stdout):
            os.close(number)
        for end in (self._link, self._far_link, self._events, self._far_events):
            end.close()

    @property
    def running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process; 0 if there is none."""
        return self._process.pid if self._process is not None and self.running else 0

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the process; raises BoardError if that is impossible."""
        registers = self._registers.reopened()
        passed = [self._far_link.fileno(), self._far_events.fileno(), registers, *self._files]
        words = [*map(str, passed), str(self._settings.size // BLOCK), self._settings.profile]
        program = "board_skipping.py" if self._settings.skip_idle else "board.py"
        try:
            self._process = subprocess.Popen(
                [
                    str(self._binary), "-X", f"heapsize={self._settings.heap_option}",
                    str(DEVICE / program), *words,
                ],
                stdin=self._stdin, stdout=self._stdout, stderr=self._stdout,
                pass_fds=[number for number in passed if number >= 0],
                env={"MICROPYPATH": f"{DEVICE}:.frozen", "PATH": os.defpath},
                cwd="/",
                start_new_session=True,
                preexec_fn=functools.partial(_die_with_parent, os.getpid()) if _libc else None,
            )  # fmt: skip
        except OSError as error:
            raise BoardError(f"{self._binary} can't be started: {error.strerror}.", missing=True) from None
        finally:
            os.close(registers)
        return self._process

    def kill(self) -> None:
        """End the process between two instructions, as a loss of power does; returns when it has ended."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def forget_input(self) -> None:
        """What was typed or happened before does not reach the next start."""
        self._unsent = b""
        os.set_blocking(self._stdin, False)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._stdin, 65536):
                pass
        os.set_blocking(self._stdin, True)
        for far in (self._far_link, self._far_events):
            with contextlib.suppress(BlockingIOError):
                while far.recv(4096, socket.MSG_DONTWAIT):
                    pass

    # ---- wires -------------------------------------------------------------------------------

    def type(self, data: bytes) -> None:
        """Bytes from the serial port. The interrupt character stops the program if it runs just now."""
        stop = self._registers.byte(layout.INTERRUPT)
        if stop != layout.NO_INTERRUPT and stop in data:
            before, _, after = data.rpartition(bytes([stop]))
            # What was typed ahead of Ctrl-C stays, as in the receive buffer of a board.
            self._queue(before.replace(bytes([stop]), b""))
            self.interrupt()
            data = after
        self._queue(data)

    def interrupt(self) -> None:
        """KeyboardInterrupt in the running program, if one runs."""
        last, run = self._interrupted
        wait = last + _INTERRUPT_PAUSE_S - time.monotonic()
        if wait > 0 and run == self._run():
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(wait, self._interrupt_later)
        elif self._process is not None and not self._at_prompt():
            self._interrupted = (time.monotonic(), self._run())
            self._interrupt_at_rest(self._run(), time.monotonic() + _REST_S)

    def _interrupt_at_rest(self, run: tuple[int, int], until: float) -> None:
        """SIGINT while the interpreter waits for something, or at last at `until`, if `run` still runs."""
        if self._process is None or run != self._run() or self._at_prompt():
            return
        if _is_busy(self.pid) and time.monotonic() < until:
            asyncio.get_running_loop().call_later(0.001, self._interrupt_at_rest, run, until)
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def _at_prompt(self) -> bool:
        return bool(self._registers.byte(layout.INTERRUPT) == layout.NO_INTERRUPT)

    def _run(self) -> tuple[int, int]:
        return self.pid, self._registers.byte(layout.RUN)

    def _interrupt_later(self) -> None:
        self._later = None
        self.interrupt()

    def answer(self, number: int, payload: bytes) -> None:
        """Answer question `number` of the board."""
        with contextlib.suppress(BlockingIOError):
            self._link.send(payload.ljust(layout.REPLY - 1, b"\0") + bytes([number]))

    def happen(self, pin: int, old: int, new: int) -> None:
        """Tell of an edge. A board that does not look at its pins loses edges, as hardware does."""
        with contextlib.suppress(BlockingIOError):
            self._events.send(bytes([pin, old, new, 0]))

    def drain(self) -> None:
        """Take what has come. What was said before a message was sent is taken before that message."""
        with contextlib.suppress(BlockingIOError):
            while message := self._link.recv(65536):
                self._hear()
                self._told(message)
        self._hear()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, 65536):
                self._said(data)

    def _queue(self, data: bytes) -> None:
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._typed)
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._typed, self._unsent) :]
        except BlockingIOError:
            loop.add_writer(self._typed, self._flush)


def _is_busy(pid: int) -> bool:
    """Whether the process computes just now (proc(5), the state behind the name)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] == b"R"
    except OSError:
        return False


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent(parent: int) -> None:
    """In the new process: end with the host, even if that is killed."""
    assert _libc is not None
    _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # killed before we asked
        os._exit(1)
