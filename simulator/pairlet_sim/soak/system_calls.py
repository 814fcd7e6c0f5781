"""The system calls that the Linux store makes, on a simulated disk: what `os` and `fcntl` are to it.

So it is the agent's real store that runs, and a power cut can come between any two of its calls.
"""

import errno
import importlib.util
import os
import posixpath
import stat
from collections.abc import Callable
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

from pairlet.linux import store as linux_store

from .disk import Disk, File

FOLDER = "/state"
_USER = 1000


class SystemCalls:
    """Stands in for `os` in pairlet.linux.store.

    `before(call, changes)` is called ahead of each call, with whether it changes the disk; it says which
    process is calling, by its loop, and may raise OSError or PowerCut. `after()`: names have become safe.
    `replaced(size)`: a name leads to a new file of so many bytes.
    """

    O_RDONLY, O_WRONLY, O_RDWR = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
    O_CREAT, O_EXCL, O_NOFOLLOW = os.O_CREAT, os.O_EXCL, os.O_NOFOLLOW
    O_NONBLOCK, O_DIRECTORY = os.O_NONBLOCK, os.O_DIRECTORY
    PathLike, fspath = os.PathLike, staticmethod(os.fspath)

    def __init__(self, disk: Disk, before: Callable[[str, bool], object], after: Callable[[], None],
                 replaced: Callable[[int], None]):  # fmt: skip
        self.disk = disk
        self.path = SimpleNamespace(
            abspath=posixpath.abspath,
            expanduser=posixpath.expanduser,
            join=_join,
            dirname=posixpath.dirname,
            basename=_name_in,
            isdir=lambda path: path in (FOLDER, "/"),
        )
        self._before = before
        self._after = after
        self._replaced = replaced
        # Descriptor: file (None: the folder), whose it is, whether it is locked.
        self._open: dict[int, tuple[File | None, object]] = {}
        self._locked: dict[int, File] = {}
        self._folder = File()  # can be locked, too
        self._next = 3

    # ---- files ----

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """A descriptor."""
        owner = self._before("open", bool(flags & os.O_CREAT))
        file: File | None = None
        if path != FOLDER:
            name = _name_in(path)
            file = self.disk.files.get(name)
            if file is not None and flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, "File exists")
            if file is None:
                if not flags & os.O_CREAT:
                    raise FileNotFoundError(errno.ENOENT, "No such file")
                file = self.disk.create(name)
        self._next += 1
        self._open[self._next] = (file, owner)
        return self._next

    def close(self, descriptor: int) -> None:
        """Closing gives the lock back, too."""
        self._open.pop(descriptor, None)
        self._locked.pop(descriptor, None)

    def read(self, descriptor: int, count: int) -> bytes:
        """All of it the first time, then nothing: the store reads to the end."""
        self._before("read", False)
        file, owner = self._open[descriptor]
        self._open[descriptor] = (None, owner)
        return b"" if file is None else file.data

    def pread(self, descriptor: int, count: int, offset: int) -> bytes:
        """Bytes from a place."""
        file = self._open[descriptor][0]
        return b"" if file is None else file.data[offset : offset + count]

    def write(self, descriptor: int, data: Any) -> int:
        """Sometimes less than asked: as much as fits one block."""
        self._before("write", True)
        file = self._open[descriptor][0]
        assert file is not None
        piece = bytes(data[:512])
        file.data += piece
        return len(piece)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Bytes to a place."""
        file = self._writable(descriptor)
        file.data = file.data[:offset] + data
        return len(data)

    def ftruncate(self, descriptor: int, length: int) -> None:
        """Cut a file short."""
        file = self._writable(descriptor)
        file.data = file.data[:length]

    def _writable(self, descriptor: int) -> File:
        file = self._open[descriptor][0]
        if file is None:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return file

    def fsync(self, descriptor: int) -> None:
        """Make a file's bytes or the folder's names safe."""
        self._before("fsync", True)
        file = self._open[descriptor][0]
        if file is None:
            self.disk.sync_folder()
            self._after()
        else:
            self.disk.sync(file)

    # ---- names ----

    def replace(self, old: str, new: str) -> None:
        """Rename."""
        self._before("rename", True)
        self.disk.rename(_name_in(old), _name_in(new))
        self._replaced(len(self.disk.files[_name_in(new)].data))

    def unlink(self, path: str) -> None:
        """Remove."""
        self._before("unlink", True)
        name = _name_in(path)
        if name not in self.disk.files:
            raise FileNotFoundError(errno.ENOENT, "No such file")
        self.disk.remove(name)

    def listdir(self, path: str) -> list[str]:
        """All names."""
        return list(self.disk.files)

    def lstat(self, path: str) -> Any:
        """What kind of thing it is."""
        return self.stat(path)

    def stat(self, path: str) -> Any:
        """What kind of thing it is."""
        if path == FOLDER:
            return SimpleNamespace(st_mode=stat.S_IFDIR | 0o700, st_uid=_USER, st_nlink=2)
        if _name_in(path) not in self.disk.files:
            raise FileNotFoundError(errno.ENOENT, "No such file")
        return _A_FILE

    def fstat(self, descriptor: int) -> Any:
        """What kind of thing is open."""
        return _A_FILE

    def mkdir(self, path: str, mode: int) -> None:
        """There already."""

    # ---- processes ----

    def geteuid(self) -> int:
        """The user."""
        return _USER

    def getpid(self) -> int:
        """One of the processes."""
        return 100

    def flock(self, descriptor: int, how: int) -> None:
        """Lock an open file, or BlockingIOError."""
        file = self._open[descriptor][0] or self._folder
        if any(held is file and other != descriptor for other, held in self._locked.items()):
            raise BlockingIOError(errno.EAGAIN, "locked")
        self._locked[descriptor] = file

    def forget(self, loop: object) -> None:
        """The process of `loop` is gone: what it held open closes."""
        for descriptor in [number for number, entry in self._open.items() if entry[1] is loop]:
            self.close(descriptor)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}"


def _name_in(path: str) -> str:
    return path.rpartition("/")[2]


_A_FILE = SimpleNamespace(st_mode=stat.S_IFREG | 0o600, st_uid=_USER, st_nlink=1)


def store_module(calls: SystemCalls, chance: Random) -> ModuleType:
    """The agent's pairlet.linux.store once more, with `calls` for its system and `chance` for its names."""
    spec = linux_store.__spec__
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: Any = module
    names.os = calls
    names.fcntl = SimpleNamespace(flock=calls.flock, LOCK_EX=2, LOCK_NB=4)
    names.secrets = SimpleNamespace(
        token_hex=lambda count: "%0*x" % (2 * count, chance.getrandbits(8 * count))
    )
    return module
