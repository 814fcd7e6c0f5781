"""The Store port on Linux: a folder with one file a value, replaced as a whole or not at all.

A value is written to a temporary file beside it, brought to the disk, and renamed over the old one; then
the folder is brought to the disk. Whatever moment the power goes, the name leads to complete bytes.

    refresh            a value                    .refresh.<random>.tmp    one being written
    refresh.corrupt-1  one that was set aside     .lock                    held while lock() is
                                                  .<name>.lock             held by whoever claimed <name>,
                                                                           or is alone() with it
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import AsyncIterator, Iterator

from ..core.errors import StoreError

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_TEMPORARY = re.compile(r"\.[a-z0-9_-]{1,64}\.[0-9a-f]{16}\.tmp")

# Ends of the growing delays between two looks at a lock that somebody else holds, in seconds.
_FIRST_DELAY_S = 0.01
_LAST_DELAY_S = 1.0
# Nobody is alone() with a value for longer than a few writes take, unless the process stands still.
_ALONE_S = 5.0

# A disk that takes nothing: no new file, or no file open for writing.
_FAILED_DISK = (errno.EROFS, errno.ENOSPC, errno.EDQUOT)

_ADVICE = {
    errno.ENOSPC: "The disk is full: make room, then try again.",
    errno.EDQUOT: "This user's disk quota is used up: make room, then try again.",
    errno.EROFS: "The file system is read-only: mount it writable or choose another state folder.",
    errno.EACCES: "Run as the user that owns the state folder, or choose another one.",
    errno.EPERM: "Run as the user that owns the state folder, or choose another one.",
    errno.EIO: "The disk reports a fault: check its health (dmesg) before trusting it with more.",
    errno.ENOTDIR: "A file is in the way: choose another state folder.",
    errno.EMFILE: "This process has too many files open; report this.",
}


class FileStore:
    """Values as files of mode 0600 in `folder` (mode 0700, made with its parents where missing).

    StoreError when the folder can't be made, belongs to another user, or others may write to it.
    `lock_timeout_s`: how long lock() waits, in seconds. `as_found`: make no folder, and leave what killed
    writers have left behind.
    """

    is_shared = True

    def __init__(self, folder: str | os.PathLike[str], *, lock_timeout_s: float = 60, as_found: bool = False):
        with told("find the state folder", os.fspath(folder)):  # the working directory may be gone
            self._folder = os.path.abspath(os.path.expanduser(os.fspath(folder)))
        self._lock_timeout_s = lock_timeout_s
        self._claims: dict[str, int] = {}
        with told("prepare the state folder", self._folder):
            if not as_found:
                make_folder(self._folder)
            self._check_folder()
        if not as_found:
            self._remove_stale()

    def load(self, name: str) -> bytes | None:
        """The value, or None if there is none. Raises StoreError."""
        path = self._path(name)
        with told("read", path):
            try:
                # Not blocking: a FIFO under this name must not hold the agent up.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise StoreError(f"{ascii(path)} is not a file")
                return _read_all(descriptor)
            finally:
                os.close(descriptor)

    def save(self, name: str, value: bytes) -> None:
        """Replace the value; it is on disk when this returns. Raises StoreError; the old value stays then.

        (But when it is the last step that fails, the folder's own fsync, the new value may be there.)
        """
        path = self._path(name)
        with told("save", path):
            descriptor, temporary = self._open_temporary(name)
            try:
                try:
                    write_all(descriptor, value)
                    os.fsync(descriptor)
                    # Renamed while it is still open: the lock on it keeps other starts from removing it.
                    os.replace(temporary, path)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(temporary)
                    raise
            finally:
                os.close(descriptor)
            sync_folder(self._folder)

    def try_out(self) -> None:
        """Write a file and remove it again, to see whether that can be done. Raises StoreError."""
        with told("write into", self._folder):
            descriptor, temporary = self._open_temporary("try")
            try:
                write_all(descriptor, bytes(4096))
                os.fsync(descriptor)
            finally:
                os.unlink(temporary)
                os.close(descriptor)

    def delete(self, name: str) -> None:
        """Remove the value, if there is one. Raises StoreError."""
        path = self._path(name)
        with told("delete", path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            # Also when it was gone already: an earlier delete may have failed at this very step.
            sync_folder(self._folder)

    def set_aside(self, name: str) -> str:
        """Rename the value to NAME.corrupt-1 (-2 ...), over nothing; return its path. Raises StoreError."""
        path = self._path(name)
        with told("set aside", path):
            os.lstat(path)  # before a place is made for nothing
            aside = self._reserve(path + ".corrupt-")
            try:
                os.replace(path, aside)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(aside)
                raise
            sync_folder(self._folder)
        return aside

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Hold every other process, and every other task of this one, off this store. Raises StoreError.

        It can't be taken twice: a task that holds it already waits for itself until the time is up.
        """
        path = os.path.join(self._folder, ".lock")
        with told("open the lock file", path):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                if error.errno not in _FAILED_DISK or not self._claims:
                    raise
                # Who pairs has a token that must get as far as the memory, though nobody can save it now. No
                # refresh may leave then, so that it gets no lock.
                descriptor = self._open_as_it_is(path)
        # The lock belongs to this descriptor: closing it gives it back, and so does the kernel if we die.
        try:
            await self._acquire(descriptor, path)
            _sign(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _open_as_it_is(self, path: str) -> int:
        """What to lock on a disk that takes nothing.

        The file, if it is there: somebody may hold it. Else the folder, since nobody can make one now.
        """
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)

    def claim(self, name: str) -> bool:
        """Take the work called `name` for this process; False if it is taken. Raises StoreError.

        It is ours until release(), or until this process ends, however that happens.
        """
        path = os.path.join(self._folder, f".{os.path.basename(self._path(name))}.lock")
        if name in self._claims:
            return False
        with told("open the lock file", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                taken = flock(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        if taken:
            self._claims[name] = descriptor
        else:
            os.close(descriptor)
        return taken

    def release(self, name: str) -> None:
        """Give back what claim() took, if anything."""
        descriptor = self._claims.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Make up the value called `name`, if it is missing, while no other process does. Raises StoreError.

        For the few milliseconds between a load and a save: whoever else comes waits without yielding.
        """
        path = os.path.join(self._folder, f".{os.path.basename(self._path(name))}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            # Who can't write this file can't save the value either: there is only something to read.
            yield
            return
        try:
            for delay in self._tries(descriptor, path, min(self._lock_timeout_s, _ALONE_S)):
                time.sleep(delay)
            _sign(descriptor)
            yield
        finally:
            os.close(descriptor)

    async def _acquire(self, descriptor: int, path: str) -> None:
        for delay in self._tries(descriptor, path, self._lock_timeout_s):
            await asyncio.sleep(delay)

    def _tries(self, descriptor: int, path: str, timeout_s: float) -> Iterator[float]:
        """Try to lock the open file; how long to wait before the next try, in seconds, until it is ours."""
        deadline = time.monotonic() + timeout_s
        delay = _FIRST_DELAY_S
        while True:
            with told("lock", path):
                if flock(descriptor):
                    return
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise StoreError(
                    f"{_holder(descriptor)} holds the state folder {ascii(self._folder)} "
                    f"and did not let go within {timeout_s:g} s",
                    "Only one agent can use a state folder: stop the other one, or wait and try again.",
                )
            yield min(delay, remaining)
            delay = min(2 * delay, _LAST_DELAY_S)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{ascii(name)} can't be the name of a value: only a-z, 0-9, _ and - can be in it"
            )
        return os.path.join(self._folder, name)

    def _check_folder(self) -> None:
        """StoreError unless this user, and nobody else, decides what is in the folder."""
        status = os.stat(self._folder)
        shown = ascii(self._folder)
        if not stat.S_ISDIR(status.st_mode):
            raise StoreError(f"the state folder {shown} is not a folder")
        if status.st_uid != os.geteuid():
            raise StoreError(
                f"the state folder {shown} belongs to another user (uid {status.st_uid}, not {os.geteuid()})",
                "Run as that user, or choose another state folder.",
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreError(
                f"other users may write to the state folder {shown}",
                f"Take that away from them: chmod go-w {shown}",
            )

    def _open_temporary(self, name: str) -> tuple[int, str]:
        """A new file, open for writing and locked: descriptor and path."""
        while True:
            path = os.path.join(self._folder, f".{name}.{secrets.token_hex(8)}.tmp")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                if flock(descriptor) and os.fstat(descriptor).st_nlink:
                    return descriptor, path
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                os.close(descriptor)
                raise
            # Another process that starts just now took it for a left-over: let it have this one.
            os.close(descriptor)

    def _remove_stale(self) -> None:
        """Remove what writers left behind that were killed or lost power. Never fails: mere tidiness."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):
                if _TEMPORARY.fullmatch(name):
                    with contextlib.suppress(OSError):
                        _remove_if_unlocked(os.path.join(self._folder, name))

    def _reserve(self, prefix: str) -> str:
        """Make an empty file `prefix`1, or the first higher number that is free; return its path."""
        number = 1
        while True:
            path = prefix + str(number)
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                return path
            except FileExistsError:
                number += 1


class told:  # noqa: N801  it is read as a word: with told("read", path)
    """Turns OSError into StoreError: what was being done, to which path, why not, and what to do."""

    def __init__(self, doing: str, path: str):
        self._doing = doing
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise StoreError instead of `error`, if that is what the system says."""
        if isinstance(error, OSError):
            reason = error.strerror or "the system gave no reason"
            advice = _ADVICE.get(error.errno or 0)
            raise StoreError(f"could not {self._doing} {ascii(self._path)}: {reason}", advice) from error
        if isinstance(error, ValueError):  # a zero byte, or text that no file name can hold
            raise StoreError(f"could not {self._doing} {ascii(self._path)}: it is not a path") from error


def make_folder(path: str) -> None:
    """Make `path` and its missing parents, each brought to the disk: what is saved in them must be found."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folder(parent)
    with contextlib.suppress(FileExistsError):  # another process was faster, or it is a file: checked later
        os.mkdir(path, 0o700)
    sync_folder(parent)


def sync_folder(folder: str) -> None:
    """Bring the names in `folder` to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that can't sync a folder
            raise
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)


def write_all(descriptor: int, value: bytes) -> None:
    """Write all of `value`, in as many pieces as it takes. Raises OSError."""
    view = memoryview(value)
    while view:
        view = view[os.write(descriptor, view) :]


def flock(descriptor: int) -> bool:
    """Lock the open file if nobody else has it locked; tell whether it is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_if_unlocked(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        # Whoever is writing it holds it locked; a lock can't be left behind, a file can.
        if flock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Write who holds the lock into its file, for the words of those who wait in vain."""
    with contextlib.suppress(OSError):  # a full disk must not stop the holder
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)


def _holder(descriptor: int) -> str:
    """Who holds the lock, as far as its file tells."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(os.pread(descriptor, 20, 0))
        return "this process itself" if pid == os.getpid() else f"process {pid}"
    return "another process"
