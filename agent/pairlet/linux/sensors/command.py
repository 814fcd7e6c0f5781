"""A sensor that is a command and prints JSON: `command:/usr/local/bin/co2 --json`."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
from pathlib import Path

from ...core.errors import ConfigError
from .values import Reading, SensorError, reading_of

_MOST_BYTES = 65536
_REAPED_S = 1.0
# What this process was given for itself alone.
_PRIVATE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "PAIRLET_ACCESS_TOKEN")
_BY_HAND = "Run it by hand, as the user that pairlet runs as, and see what it prints."


class CommandSensor:
    """Runs `words` (never through a shell) and reads a number or an object from what it prints.

    `title`, `name`, `prefix`: as for FunctionSensor. Whoever cancels a reading ends the command with
    everything that it has started.
    """

    def __init__(self, title: str, words: list[str], name: str, prefix: str = ""):
        self.title = title
        self._words = words
        self._name = name
        self._prefix = prefix

    async def read(self) -> Reading:
        """One reading. Raises SensorError."""
        try:
            process = await _begun(self._words)
        except OSError as error:
            raise SensorError(f"it can't be run: {error.strerror}", _BY_HAND) from None
        try:
            printed = await _printed(process)
            status = await process.wait()
        except BaseException:
            await _end(process)
            raise
        if status:
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            raise SensorError(f"it ends with {how}", _BY_HAND)
        return reading_of(_parsed(printed), self._name, self._prefix)


async def _begun(words: list[str]) -> asyncio.subprocess.Process:
    """Start a command in a group of its own. Raises OSError."""
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in _PRIVATE},
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        # Half begun it could not be ended with its children.
        while not beginning.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({beginning})
        if beginning.exception() is None:
            await _end(beginning.result())
        raise


async def _printed(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    printed = b""
    while part := await process.stdout.read(_MOST_BYTES):
        printed += part
        if len(printed) > _MOST_BYTES:
            raise SensorError(f"it prints more than {_MOST_BYTES // 1024} KiB", _BY_HAND)
    return printed


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the whole group, which has the number of its first process, and take note of its end."""
    # Without the first process the group is still there as long as one of its own holds our pipe; and
    # while it is, its number is nobody else's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    loop = asyncio.get_running_loop()
    until = loop.time() + _REAPED_S  # one that hangs in the kernel ends when it can
    while process.returncode is None and loop.time() < until:
        # Whoever cancels us once more waits that long for the same.
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout_at(until):
                await process.wait()
    # A child that left the group may hold the pipe for ever: it would cost a descriptor each time.
    process._transport.close()  # type: ignore[attr-defined]


def _parsed(printed: bytes) -> object:
    try:
        return json.loads(printed)
    except (ValueError, RecursionError):
        raise SensorError("what it prints is not JSON: neither a number nor an object", _BY_HAND) from None


def split(title: str, line: str, folder: Path) -> list[str]:
    """The words of a command line, the first as the path of a program. Raises ConfigError.

    Quotes are read as a shell reads them, and nothing else is. A relative path starts from `folder`.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        raise ConfigError(f"the sensor {title}: a quote is not closed", "Close it.") from None
    if not words:
        raise ConfigError(f"the sensor {title} names no program", "Write command:PROGRAM ARGUMENT ...")
    program = str(folder / os.path.expanduser(words[0])) if "/" in words[0] else shutil.which(words[0])
    if program is None or not os.path.isfile(program):
        raise ConfigError(f"the sensor {title}: there is no program {words[0]}", "Check its path.")
    if not os.access(program, os.X_OK):
        raise ConfigError(f"the sensor {title}: {program} can't be run", f"chmod +x {program}")
    return [program, *words[1:]]
