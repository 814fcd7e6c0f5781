"""The Logs port of a simulated process: the outbox's segments on a disk that may lose power at any call."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pairlet.core.errors import StoreError

from .disk import Disk
from .schedule import ProcessLoop

if TYPE_CHECKING:
    import asyncio

# What each call takes, with a slow card.
_CALL_MS = 4


class Logs:
    """Makes logs on `disk` for a process whose loop is `loop`.

    `before(call, changes)` is called ahead of each system call, as for the store; it may raise OSError or
    PowerCut. `kept(name, data)`: these bytes are safe from now on. `opened()` is called for each log.
    """

    memory_bytes = 65536

    def __init__(
        self,
        disk: Disk,
        loop: ProcessLoop,
        before: Callable[[str, bool], object],
        kept: Callable[[str, bytes], None],
        opened: Callable[[], None],
    ):
        self.disk = disk
        self.loop = loop
        self.before = before
        self.kept = kept
        self._opened = opened

    def __call__(self, name: str) -> "Log":
        """The log called `name`."""
        self._opened()
        return Log(self, name)


class Log:
    """One log: the files NAME.0, NAME.8 ..."""

    def __init__(self, logs: Logs, name: str):
        self._logs = logs
        self._disk = logs.disk
        self._name = name

    def segments(self) -> list[tuple[int, int]]:
        """See pairlet.ports.Log."""
        found = []
        for name, file in self._disk.files.items():
            start, _, number = name.partition(".")
            if start == self._name:
                found.append((int(number), len(file.data)))
        return found

    def read(self, number: int, offset: int, count: int) -> bytes:
        """See pairlet.ports.Log."""
        with _told:
            self._logs.before("read", False)
            file = self._disk.files.get(f"{self._name}.{number}")
            if file is None:
                raise StoreError("there is no such segment")
            return file.data[offset : offset + count]

    async def append(self, number: int, data: bytes) -> None:
        """See pairlet.ports.Log."""
        name = f"{self._name}.{number}"
        with _told:
            await self._call("open", True)
            file = self._disk.files.get(name)
            is_new = file is None
            if file is None:
                file = self._disk.create(name)
            half = len(data) // 2
            for piece in (data[:half], data[half:]):
                await self._call("write", True)
                file.data += piece
            await self._call("fsync", True)
            self._disk.sync(file)
            if is_new:
                await self._call("fsync", True)
                self._disk.sync_folder()
        self._logs.kept(self._name, data)

    async def remove(self, numbers: list[int]) -> None:
        """See pairlet.ports.Log."""
        with _told:
            for number in sorted(numbers):
                await self._call("unlink", True)
                if f"{self._name}.{number}" in self._disk.files:
                    self._disk.remove(f"{self._name}.{number}")
            await self._call("fsync", True)
            self._disk.sync_folder()

    async def _call(self, call: str, changes: bool) -> None:
        """A system call begins; the agent goes on meanwhile, as it does beside a thread."""
        loop = self._logs.loop
        if not loop.ended:
            future = loop.create_future()
            loop.schedule.at(loop.schedule.now + _CALL_MS, loop, _wake, future)
            await future
        self._logs.before(call, changes)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class _Told:
    """Raises StoreError for OSError. As a context manager of its own it takes a third of the time."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: "BaseException | None", traceback: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(f"the disk of the outbox: {error.strerror}") from error


_told = _Told()
