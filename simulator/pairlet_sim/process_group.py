"""A command with everything that it starts, as one group that ends as a whole.

    async with started(["client", "--pair"], environ) as group:
        exit_code = await group.ended_within(30)
    group.stdout, group.stderr
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

# More than this of what a command writes is of no use to anybody.
_MOST_BYTES = 4_000_000
_STOP_S = 3.0

_PR_SET_PDEATHSIG = 1
# Looked up here and not in the child: after a fork another thread may hold the loader's lock for ever.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


class ProcessGroup(asyncio.SubprocessProtocol):
    """`exit_code` is None while it runs, negative for a signal. Keeps what it writes, up to a size."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._output: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self._open = {1, 2}
        self._ended = asyncio.Event()
        self._silent = asyncio.Event()
        self._pid = 0
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has started."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self._pid = transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It has written to stdout or stderr."""
        kept = self._output[fd]
        kept += data[: _MOST_BYTES - len(kept)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Nothing more comes from there."""
        self._open.discard(fd)
        if not self._open:
            self._silent.set()

    def process_exited(self) -> None:
        """The command has ended; what it started may still run."""
        assert self._transport is not None
        self.exit_code = self._transport.get_returncode()
        self._ended.set()

    @property
    def has_begun(self) -> bool:
        """Whether there has ever been such a command."""
        return self._transport is not None

    @property
    def stdout(self) -> str:
        """What it wrote to stdout."""
        return self._output[1].decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr."""
        return self._output[2].decode("utf-8", "replace")

    async def ended_within(self, limit_s: float) -> int | None:
        """The exit code once the command itself has ended, None if that takes longer than `limit_s`."""
        with contextlib.suppress(TimeoutError):
            # wait_for may lose a cancellation before Python 3.12, when the command ends at the same time.
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        return self.exit_code

    async def stop(self) -> None:
        """End everything that is left of the group, first by SIGTERM, and take in its last words."""
        if self.exit_code is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._ended.wait()
        # The rest, also after the command has ended by itself: nobody waits for it any more.
        self._signal(signal.SIGKILL)
        await self._ended.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._silent.wait()
        assert self._transport is not None
        self._transport.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)


@asynccontextmanager
async def started(words: list[str], environ: dict[str, str]) -> AsyncIterator[ProcessGroup]:
    """Run `words`; when the block ends, however it does, nothing of them is left. Raises OSError."""
    group = ProcessGroup()
    beginning = asyncio.get_running_loop().subprocess_exec(
        lambda: group,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        env=environ,
        # A group of its own: Ctrl-C goes to us alone, and we end the group in good order.
        start_new_session=True,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
    try:
        # Given up half begun, the command would be killed without the children that it has by then.
        await _whatever_happens(beginning)
        yield group
    finally:
        if group.has_begun:
            await _whatever_happens(group.stop())


async def _whatever_happens(short: Coroutine[Any, Any, object]) -> None:
    """Do what does not take long to its end, however often we are cancelled meanwhile. Raises its errors."""
    task, cancelled = asyncio.ensure_future(short), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    error = task.exception()
    if cancelled:
        raise asyncio.CancelledError
    if error is not None:
        raise error


def die_with_parent(parent: int) -> None:
    """Ask Linux to end this process should its parent, that one, be killed. Runs between fork and exec."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # killed before we asked
            os._exit(1)
