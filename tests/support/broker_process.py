"""A broker that is a process: it starts, stops, dies, freezes, and keeps its ports over all of that."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from support.processes import end_politely

HOST = "127.0.0.1"
# Generous: it is only reached when something is broken, and a loaded machine is not.
TIMEOUT = 30.0


class BrokerProcess:
    """One broker with all of its state in `folder`. Subclasses say which ports it has and what to run.

    patience_s   how long it may take to listen
    """

    patience_s = TIMEOUT

    def __init__(self, folder: Path):
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def choose_ports(self) -> None:
        """Choose ports that are free."""
        raise NotImplementedError

    def ports(self) -> list[int]:
        """The ports that it listens on once it runs."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What to run; whatever it needs is written before."""
        raise NotImplementedError

    def environment(self) -> dict[str, str] | None:
        """The environment to run it in; None for this one."""
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until every listener accepts connections; RuntimeError with the log if not."""
        if self._process is not None:
            raise RuntimeError("this broker runs already")
        keeps_ports = any(self.ports())
        # Between the choice of a free port and its use somebody else can take it: try again with others.
        for _attempt in range(1 if keeps_ports else 5):
            if not keeps_ports:
                self.choose_ports()
            if self._start_once():
                return
            if "ddress already in use" not in self.log() and "eaddrinuse" not in self.log():
                break
        raise RuntimeError("the broker did not start:\n%s" % self.log())

    def stop(self) -> None:
        """End it politely, so that it saves its state. Does nothing if it does not run."""
        if self._process is None:
            return
        self.resume()
        end_politely(self._process, TIMEOUT)
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would: what it has not saved is gone."""
        self._running().kill()
        self._running().wait()
        self._process = None

    def suspend(self) -> None:
        """Freeze it: connections stay open, new ones are accepted by the kernel, nothing is answered."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        # Until the kernel says that it has stopped; this does not reap it.
        os.waitpid(process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """End `suspend`."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """Everything that it has logged so far, over all starts."""
        path = self._folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("this broker does not run")
        return self._process

    def _start_once(self) -> bool:
        command, environment = self.command(), self.environment()
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, env=environment
            )
        if self._wait_until_listening(process):
            self._process = process
            return True
        if process.poll() is None:
            process.kill()
        process.wait()
        return False

    def _wait_until_listening(self, process: "subprocess.Popen[bytes]") -> bool:
        """True when all ports accept connections, False when the process has ended or patience is over."""
        deadline = time.monotonic() + self.patience_s
        waiting = self.ports()
        while waiting and time.monotonic() < deadline:
            try:
                # Both the pause between two looks and the notice of an early end.
                process.wait(0.02)
                return False
            except subprocess.TimeoutExpired:
                waiting = [port for port in waiting if not _accepts(port)]
        # Once more: another program may have been the one that answered.
        return not waiting and process.poll() is None


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
