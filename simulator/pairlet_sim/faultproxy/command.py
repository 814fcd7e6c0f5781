"""`pairlet sim faultproxy`: the proxy until a signal, told what to do by lines on stdin."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator

from ..command_line import NETWORK, CommandError, check_host, print_json, print_text, seconds, signals
from .faults import FaultError, Faults, after
from .proxy import FaultProxy, ProxyError

_LONGEST_LINE = 4096


async def run(options: argparse.Namespace) -> int:
    """Serve until a signal. Raises CommandError."""
    check_host(options.host, options.allow_remote)
    _check(options.fault)
    teller = Teller(options.json)
    proxy = FaultProxy(options.broker, options.host, options.port, told=teller.trouble)
    with signals() as stopped:
        try:
            async with proxy:
                for line in options.fault:
                    proxy.obey(line)
                teller.ready(proxy.port, options)
                reading = asyncio.create_task(_obey_stdin(proxy, teller))
                try:
                    return await stopped
                finally:
                    reading.cancel()
        except ProxyError as error:
            raise CommandError(str(error), NETWORK) from None


def _check(lines: list[str]) -> None:
    """CommandError for a line that is no fault, before anybody can connect."""
    faults = Faults()
    for line in lines:
        try:
            faults, _ = after(faults, line)
        except FaultError as error:
            raise CommandError(f"--fault {error}") from None


class Teller:
    """What a person or a script reads: `as_json` a line of JSON each, else sentences."""

    def __init__(self, as_json: bool):
        self._as_json = as_json

    def ready(self, port: int, options: argparse.Namespace) -> None:
        """It listens now."""
        there = "%s:%d" % options.broker
        if self._as_json:
            print_json("ready", {"port": port, "broker": there})
            return
        host = f"[{options.host}]" if ":" in options.host else options.host
        print_text(
            f"The proxy is ready: mqtt://{host}:{port} leads to {there}.\n"
            "A line on stdin is a fault, as `blackhole` or `pass`; --help names them. Ctrl-C ends it."
        )

    def obeyed(self, line: str) -> None:
        """A fault begins."""
        if self._as_json:
            print_json("fault", {"fault": line})
        else:
            print_text(f"{line}: done")

    def state(self, proxy: FaultProxy) -> None:
        """The figures of now."""
        figures = proxy.state()
        if self._as_json:
            print_json("state", figures)
        else:
            print_text("  ".join(f"{name} {value}" for name, value in figures.items()))

    def refused(self, sentence: str) -> None:
        """A line that is none."""
        if self._as_json:
            print_json("error", {"error_description": sentence})
        else:
            print(f"pairlet sim faultproxy: {sentence}", file=sys.stderr, flush=True)

    def trouble(self, sentence: str) -> None:
        """The proxy's own trouble, with the broker."""
        self.refused(sentence[:1].upper() + sentence[1:].rstrip(".") + ".")


async def _obey_stdin(proxy: FaultProxy, teller: Teller) -> None:
    """Obey line by line until stdin ends; the proxy goes on then."""
    async for line in _stdin_lines():
        words = line.split()
        try:
            if words[0] == "state" and len(words) == 1:
                teller.state(proxy)
            elif words[0] == "wait":
                await asyncio.sleep(_pause(words))
            else:
                proxy.obey(line)
                teller.obeyed(" ".join(words))
        except FaultError as error:
            teller.refused(str(error))


def _pause(words: list[str]) -> float:
    with contextlib.suppress(ValueError, argparse.ArgumentTypeError):
        if len(words) == 2:
            return seconds(words[1])
    raise FaultError("'wait' takes a number of seconds; it is: wait SECONDS")


async def _stdin_lines() -> AsyncIterator[str]:
    """The lines of stdin that are not empty, whatever stdin is: terminal, pipe, file or nothing.

    A thread reads them, as an event loop can't wait for a file; it dies with the process.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    with contextlib.suppress(ValueError):
        # In the background of a terminal, reading fails instead of stopping the whole process.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            for line in _read_lines(0):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        if line.strip():
            yield line


def _read_lines(descriptor: int) -> Iterator[str]:
    """Lines as they come, without a buffer that an interpreter on its way out would wait for."""
    rest = b""
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, _LONGEST_LINE):
            *whole, rest = (rest + data).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            if len(rest) > _LONGEST_LINE:
                rest = rest[:_LONGEST_LINE]  # no line of ours is that long: it will be refused
    if rest:
        yield rest.decode("utf-8", "replace")
