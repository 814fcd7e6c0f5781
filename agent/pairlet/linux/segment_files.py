"""The Log port on Linux: a file for each segment, appended to and synced by a thread of its own.

outbox/telemetry.8    segment 8 of the log "telemetry"
outbox/.lock          held by the process that writes
"""

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..core.errors import StoreError
from .store import flock, make_folder, sync_folder, told, write_all


class SegmentFolder:
    """Makes the logs that live in `folder`.

    `writes`: whether this process is the one that writes to them, and keeps others from it; else it only
    looks. Reads come from the caller's thread: they are sequential, and the system has read ahead by then.
    """

    memory_bytes = 1048576

    def __init__(self, folder: str | os.PathLike[str], *, writes: bool):
        self._writes = writes
        self.path = os.path.abspath(os.path.expanduser(os.fspath(folder)))
        self._executor: ThreadPoolExecutor | None = None
        self._lock: int | None = None
        self._logs: dict[str, SegmentFiles] = {}

    def __call__(self, name: str) -> "SegmentFiles":
        """The log called `name` (letters), the same one each time."""
        return self._logs.setdefault(name, SegmentFiles(self, name))

    async def work(self, job: Callable[[], None]) -> None:
        """Run `job` in the thread that writes: one after the other, also those nobody waits for any more."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "outbox")
        await asyncio.get_running_loop().run_in_executor(self._executor, job)

    def prepare(self) -> None:
        """Make the folder, and keep other processes from writing to it. Raises OSError and StoreError."""
        if self._lock is not None or not self._writes:
            return
        make_folder(self.path)
        path = os.path.join(self.path, ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if not flock(descriptor):
                raise StoreError(
                    f"another process keeps its samples in {ascii(self.path)}",
                    "Stop the other one: what this one measures is kept in memory only.",
                )
            # One that was killed may have left names that are not on the disk yet: to the files behind them
            # is appended as if they were.
            sync_folder(self.path)
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def close(self) -> None:
        """Wait for what is being written, open no file any more, and let others write."""
        for log in self._logs.values():
            log.stop_reading()
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class SegmentFiles:
    """One log: the files NAME.0, NAME.8 ... of mode 0600 in `folder`."""

    def __init__(self, folder: SegmentFolder, name: str):
        self._folder = folder
        self._pattern = re.compile(re.escape(name) + r"\.(0|[1-9][0-9]{0,8})")
        self._prefix = os.path.join(folder.path, name + ".")
        self._reading: tuple[int, int] | None = None  # number, descriptor

    def segments(self) -> list[tuple[int, int]]:
        """Number and size in bytes of each segment. Raises StoreError."""
        found = []
        with told("look into", self._folder.path):
            self._folder.prepare()  # first: what another process still writes is not what there is
            try:
                names = os.listdir(self._folder.path)
            except FileNotFoundError:
                return []
            for name in names:
                if matched := self._pattern.fullmatch(name):
                    status = os.lstat(os.path.join(self._folder.path, name))
                    # What is no file takes its number all the same.
                    found.append((int(matched[1]), status.st_size if stat.S_ISREG(status.st_mode) else 0))
        return found

    def read(self, number: int, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on, fewer where the segment ends. Raises StoreError."""
        path = self._prefix + str(number)
        with told("read", path):
            if self._reading is None or self._reading[0] != number:
                self.stop_reading()
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                self._reading = (number, os.open(path, flags))
            return os.pread(self._reading[1], count, offset)

    async def append(self, number: int, data: bytes) -> None:
        """Add `data` to segment `number`, which is made where missing; it is on disk when this returns.

        Raises StoreError; a part of it may be there then.
        """
        await self._folder.work(lambda: self._append(self._prefix + str(number), data))

    async def remove(self, numbers: list[int]) -> None:
        """Remove the segments, the oldest first. Raises StoreError."""
        with told("clean up", self._prefix + "*"):
            if self._reading is not None and self._reading[0] in numbers:
                self.stop_reading()
        await self._folder.work(lambda: self._remove(sorted(numbers)))

    def _append(self, path: str, data: bytes) -> None:
        with told("write", path):
            self._folder.prepare()
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            is_new = False
            try:
                descriptor = os.open(path, flags)
            except FileNotFoundError:
                is_new = True
                make_folder(self._folder.path)  # somebody may have removed it
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                try:
                    write_all(descriptor, data)
                    os.fdatasync(descriptor)
                except OSError:
                    with contextlib.suppress(OSError):  # nobody reads it; it only takes room
                        os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)
            if is_new:
                sync_folder(self._folder.path)

    def _remove(self, numbers: list[int]) -> None:
        with told("clean up", self._prefix + "*"):
            self._folder.prepare()
            for number in numbers:
                # A folder of that name is not ours to remove.
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(self._prefix + str(number))
            sync_folder(self._folder.path)

    def stop_reading(self) -> None:
        """Close the segment that was read last; the next read opens it again."""
        reading, self._reading = self._reading, None
        if reading is not None:
            os.close(reading[1])  # also if that reports a fault
