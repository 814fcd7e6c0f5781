"""Ctrl-C before a command of `pairlet sim` serves anybody."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading

from support.agent_process import PROGRAM, environment

BEFORE_THE_COMMAND = """
import asyncio, os, signal
real = asyncio.run
asyncio.run = lambda work: (os.kill(os.getpid(), signal.SIGINT), real(work))[1]
from pairlet.linux.start import entry
entry()
"""


def test_before_it_has_begun() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BEFORE_THE_COMMAND, "sim", "faultproxy", "127.0.0.1:1", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_it_waits_for_no_issuer_that_never_comes_to_an_end() -> None:
    asked, over = threading.Event(), threading.Event()

    def trickle() -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            client.recv(1)
            asked.set()
            client.sendall(b"HTTP/1.1 200 OK\r\nServer: ")
            while not over.wait(0.1):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, daemon=True).start()
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        words = ["sim", "broker", "--issuer", issuer, "--port", "0"]
        with subprocess.Popen([*PROGRAM, *words], stdout=-1, stderr=-1, env=environment()) as broker:
            try:
                assert asked.wait(60)
                broker.send_signal(signal.SIGINT)
                assert broker.communicate(timeout=60) == (b"", b"") and broker.returncode == 130
            finally:
                broker.kill()
                over.set()
